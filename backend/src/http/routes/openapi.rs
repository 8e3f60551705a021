//! The OpenAPI 3.1 document, made of the wire types and the handlers.

use std::sync::OnceLock;

use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::super::problem::Failure;
use super::{batches, chat, health, infer, keys, summaries, tokens, usage};

/// `POST /v1/summaries` as a form: the request, and a part per picture.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of a form, for the document only")]
pub(in crate::http) struct SummaryForm {
    /// The request, `application/json`, without `images[].data`.
    request: api::SummaryRequest,
    /// A picture; the part's name is its id. One part for each entry of `request.images`.
    #[schema(format = Binary, value_type = String)]
    image_id: Vec<u8>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Smart Summary",
        description = "An article and its pictures in; title, meta description, keywords, slug, summary, alt texts, \
                       Open Graph and JSON-LD out. Every error is `application/problem+json` with one of the codes of \
                       `Code`; /docs/errors explains each.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        summaries::create,
        chat::create,
        chat::models,
        chat::model,
        infer::infer,
        infer::inference,
        infer::multimodal,
        batches::create,
        batches::list,
        batches::show,
        batches::cancel,
        batches::results,
        tokens::create,
        usage::show,
        keys::list,
        keys::create,
        keys::show,
        keys::change,
        keys::revoke,
        keys::rotate,
        health::live,
        health::ready,
    ),
    components(schemas(
        SummaryForm, infer::MultimodalForm, api::ChatRequest, api::ChatCompletion, api::ChatChunk, api::ChatModelList, api::ChatModelInfo,
        api::ChatError, api::InferRequest, api::InferAnswer, api::InferenceAnswer, api::MultimodalAnswer, api::Summary, api::Event, api::Problem, api::Code, api::TokenCreated, api::Usage, api::Key,
        api::KeyCreated, api::KeyList, api::Batch, api::BatchList, api::BatchRequest, api::BatchResult,
        api::WebhookEvent, api::Health, api::Readiness,
    )),
    modifiers(&Bearer, &Problems),
)]
struct Document;

/// Keys and tokens are both sent as `Authorization: Bearer`.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", scheme);
    }
}

/// Every operation may answer with a problem.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
        let schema = Ref::from_schema_name("Problem");
        let problem = ResponseBuilder::new()
            .description("A refusal; `code` says which")
            .content("application/problem+json", Content::new(Some(schema)))
            .build();
        let error = ResponseBuilder::new()
            .description("A refusal; `code` says which")
            .content(
                "application/json",
                Content::new(Some(Ref::from_schema_name("ChatError"))),
            )
            .build();
        for (path, item) in &mut document.paths.paths {
            let is_chat = matches!(
                path.as_str(),
                "/v1/chat/completions" | "/v1/models" | "/v1/models/{id}"
            );
            let problem = if is_chat { &error } else { &problem };
            let operations = [
                &mut item.get,
                &mut item.post,
                &mut item.patch,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                operation
                    .responses
                    .responses
                    .insert("default".to_owned(), RefOr::T(problem.clone()));
            }
        }
    }
}

/// The document as JSON, the same at each call.
#[must_use]
pub fn document() -> &'static str {
    static JSON: OnceLock<String> = OnceLock::new();
    JSON.get_or_init(|| {
        // The document is made of strings and lists: it always serialises.
        Document::openapi().to_pretty_json().unwrap_or_default()
    })
}

/// `GET /openapi.json`.
pub(in crate::http) async fn show(request: HttpRequest) -> Result<HttpResponse, Failure> {
    super::anonymous(&request)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(document()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_openapi_3_1_and_names_every_route() {
        let document: serde_json::Value = serde_json::from_str(super::document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let paths: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        for path in [
            "/v1/summaries",
            "/v1/tokens",
            "/v1/usage",
            "/v1/batches/{id}/results",
            "/v1/admin/keys/{id}/rotate",
            "/readyz",
        ] {
            assert!(paths.contains(&path), "{path} is not in {paths:?}");
        }
    }

    #[test]
    fn every_reference_has_its_schema() {
        let text = super::document();
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(
                document["components"]["schemas"].get(name).is_some(),
                "{name} has no schema"
            );
        }
    }

    #[test]
    fn every_operation_names_the_problem() {
        let document: serde_json::Value = serde_json::from_str(super::document()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let content = &operation["responses"]["default"]["content"];
                let form = match path.as_str() {
                    "/v1/chat/completions" | "/v1/models" | "/v1/models/{id}" => "application/json",
                    _ => "application/problem+json",
                };
                assert!(content[form].is_object(), "{method} {path}");
            }
        }
    }
}
