//! `smart-summary summarize`.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use api::{
    Article, ContentFormat, EnginePreference, FieldLimits, ImageRef, Summary, SummaryRequest,
    Target,
};
use bytes::Bytes;
use clap::Args;

use super::WrongUse;
use super::local::Local;
use crate::config::Config;
use crate::refusal::Refusal;

/// What to summarise, and how to print it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  smart-summary summarize post.md --image hero.jpg --image map.png\n  \
                        cat post.html | smart-summary summarize - --json\n  \
                        smart-summary summarize post.md --engine glm4v --model /models/GLM-4.6V-Flash"
)]
pub(super) struct SummarizeArgs {
    /// Markdown (.md), HTML (.html) or plain text; `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A picture of the post; may be given again
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// auto, extractive, glm4v or upstream
    #[arg(long, value_name = "ENGINE", default_value = "auto", value_parser = parse_engine)]
    engine: EnginePreference,
    #[command(flatten)]
    pub(super) model: super::ModelArgs,
    /// Where title and description are to be shown: google, google_mobile, bing, baidu, wechat or x
    #[arg(long, value_name = "PLACE", value_parser = parse_target)]
    target: Option<Target>,
    /// Print the whole answer as JSON, one line per file
    #[arg(long)]
    json: bool,
}

pub(super) fn parse_engine(text: &str) -> Result<EnginePreference, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "there are auto, extractive, glm4v and upstream".to_owned())
}

pub(super) fn parse_target(text: &str) -> Result<Target, String> {
    let known = Target::ALL
        .into_iter()
        .find(|target| target.as_str() == text);
    known.ok_or_else(|| {
        let names = Target::ALL.map(Target::as_str);
        format!("there are {}", names.join(", "))
    })
}

pub(super) fn run(args: &SummarizeArgs, config: &Config) -> anyhow::Result<ExitCode> {
    if args.files.len() > 1 && !args.images.is_empty() {
        return Err(WrongUse("--image belongs to one post; give one FILE".to_owned()).into());
    }
    let local = Local::start(config)?;
    let (images, pictures) = pictures(&args.images)?;
    let progress = super::evaluate::progress(if args.files.len() > 1 {
        args.files.len()
    } else {
        0
    });
    for file in &args.files {
        let article = article(file)?;
        let request = SummaryRequest {
            article: Some(article),
            images: images.clone(),
            engine: args.engine,
            limits: FieldLimits {
                target: args.target,
                ..FieldLimits::default()
            },
            ..SummaryRequest::default()
        };
        let summary = local
            .summarize(&request, &pictures)
            .map_err(|refusal| with_file(refusal, &images, &args.images))
            .with_context(|| file.display().to_string())?;
        progress.suspend(|| show(&summary, file, args))?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(ExitCode::SUCCESS)
}

pub(super) fn article(file: &Path) -> anyhow::Result<Article> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    let content = String::from_utf8(bytes)
        .with_context(|| format!("{} is not UTF-8 text", file.display()))?;
    Ok(Article {
        format: format_of(file, &content),
        content,
        ..Article::default()
    })
}

/// By the name; standard input by its first character, since HTML begins with a tag.
fn format_of(file: &Path, content: &str) -> ContentFormat {
    let extension = file
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" | "xhtml" => ContentFormat::Html,
        "txt" | "text" => ContentFormat::Text,
        "" if content.trim_start().starts_with('<') => ContentFormat::Html,
        _ => ContentFormat::Markdown,
    }
}

fn pictures(files: &[PathBuf]) -> anyhow::Result<(Vec<ImageRef>, Vec<Bytes>)> {
    let mut images = Vec::new();
    let mut pictures = Vec::new();
    for (index, file) in files.iter().enumerate() {
        pictures.push(Bytes::from(
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        ));
        let filename = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        images.push(ImageRef {
            id: format!("image-{}", index + 1),
            filename,
            ..ImageRef::default()
        });
    }
    Ok((images, pictures))
}

/// Names a picture at fault by its file: the person never saw the id that it has in the request.
fn with_file(refusal: Refusal, images: &[ImageRef], files: &[PathBuf]) -> Refusal {
    let faulty = images
        .iter()
        .zip(files)
        .find(|(image, _)| refusal.image.as_deref() == Some(image.id.as_str()));
    let Some((image, file)) = faulty else {
        return refusal;
    };
    let detail = refusal
        .detail
        .replace(&format!("`{}`", image.id), &format!("`{}`", file.display()));
    Refusal { detail, ..refusal }
}

fn show(summary: &Summary, file: &Path, args: &SummarizeArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(summary)?)?;
        return Ok(());
    }
    if args.files.len() > 1 {
        writeln!(out, "{}", file.display())?;
    }
    let count = |text: &str| text.chars().count();
    let line = |name: &str, text: &str| format!("{name:<12} {text}");
    let mut lines = Vec::new();
    if let Some(title) = &summary.title {
        lines.push(line("Title", &format!("{title}  ({})", count(title))));
    }
    if let Some(description) = &summary.meta_description {
        lines.push(line(
            "Description",
            &format!("{description}  ({})", count(description)),
        ));
    }
    lines.extend(
        summary
            .keywords
            .as_ref()
            .map(|keywords| line("Keywords", &keywords.join(", "))),
    );
    lines.extend(summary.slug.as_ref().map(|slug| line("Slug", slug)));
    lines.extend(summary.summary.as_ref().map(|text| line("Summary", text)));
    for (alt, image) in summary.alt_texts.iter().flatten().zip(&args.images) {
        let text = match (alt.decorative, alt.needs_human, alt.text.as_str()) {
            (true, ..) => "(decorative)".to_owned(),
            (_, _, "") => "(needs a person)".to_owned(),
            (_, true, text) => format!("{text}  (needs a person)"),
            (_, false, text) => text.to_owned(),
        };
        lines.push(line("Alt text", &format!("{}: {text}", image.display())));
    }
    lines.extend(
        summary
            .warnings
            .iter()
            .map(|warning| line("Note", &warning.detail)),
    );
    let facts = format!(
        "{} · {} · {} ms",
        summary.language, summary.model, summary.timings.total
    );
    writeln!(out, "{}\n{}\n", lines.join("\n"), line("", &facts))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_name_and_the_content_of_standard_input() {
        assert_eq!(format_of(Path::new("a.HTML"), ""), ContentFormat::Html);
        assert_eq!(format_of(Path::new("a.md"), "<p>"), ContentFormat::Markdown);
        assert_eq!(format_of(Path::new("a.txt"), "<p>"), ContentFormat::Text);
        assert_eq!(format_of(Path::new("-"), " <p>"), ContentFormat::Html);
        assert_eq!(format_of(Path::new("-"), "# A"), ContentFormat::Markdown);
    }
}
