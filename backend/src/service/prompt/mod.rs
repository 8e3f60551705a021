//! What an engine is told.

use api::Field;
use tokio::time::Instant;

use super::Job;
use crate::engines::{EngineImage, EngineJob};

/// The job for an engine: what was asked, and the fields that derived ones are made of.
pub(super) fn build(job: &Job, deadline: Instant) -> EngineJob {
    let request = &job.intake.request;
    let images = job.intake.pictures.iter().map(|picture| EngineImage {
        id: picture.id.clone(),
        filename: picture.filename.clone(),
        caption: picture.caption.clone(),
        link: picture.link.clone(),
        role: picture.role,
        bytes: picture.bytes.clone(),
        media_type: picture.media_type,
        looks: picture.looks,
    });
    EngineJob {
        tenant: job.tenant.clone(),
        priority: request.priority,
        article: request.article.clone(),
        images: images.collect(),
        fields: written(
            request.fields.as_deref().unwrap_or(&Field::ALL),
            !job.intake.pictures.is_empty(),
        ),
        guidelines: request.guidelines.clone(),
        limits: request.limits,
        candidates: request.candidates.unwrap_or(1),
        seed: request.seed,
        deadline: Some(deadline),
    }
}

/// The fields that an engine writes so that `wanted` can be answered.
fn written(wanted: &[Field], with_pictures: bool) -> Vec<Field> {
    let social = wanted.contains(&Field::OpenGraph) || wanted.contains(&Field::JsonLd);
    let needs = |field| match field {
        Field::Title | Field::MetaDescription => social,
        Field::Keywords => wanted.contains(&Field::JsonLd),
        Field::AltTexts => social && with_pictures,
        _ => false,
    };
    let writes = |field: &Field| !matches!(field, Field::OpenGraph | Field::JsonLd);
    Field::ALL
        .into_iter()
        .filter(writes)
        .filter(|field| wanted.contains(field) || needs(*field))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Field::{AltTexts, JsonLd, Keywords, MetaDescription, OpenGraph, Slug, Title};

    #[test]
    fn an_engine_writes_what_is_asked_and_what_that_is_made_of() {
        assert_eq!(written(&[Slug], true), [Slug]);
        assert_eq!(written(&[OpenGraph], false), [Title, MetaDescription]);
        assert_eq!(
            written(&[JsonLd], true),
            [Title, MetaDescription, Keywords, AltTexts]
        );
        assert_eq!(written(&Field::ALL, false), Field::ALL[..6]);
    }
}
