//! The shapes that clients of GLM-4.6V-Flash-WEB send: one picture, one question, one text.

use actix_web::{HttpRequest, HttpResponse, web};
use api::{Code, InferAnswer, InferRequest, InferenceAnswer, MultimodalAnswer, Scope};
use bytes::{Bytes, BytesMut};
use utoipa::ToSchema;

use super::super::State;
use super::super::allowance::Admitted;
use super::super::body::{self, Kind};
use super::super::conversation::Conversation;
use super::super::problem::Failure;
use super::chat;
use crate::intake;
use crate::refusal::Refusal;

/// Bytes of a part that is not a picture.
const MAX_WORDS: usize = 1024 * 1024;

/// `POST /v1/multimodal/completion` as a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of a form, for the document only")]
pub(in crate::http) struct MultimodalForm {
    /// The picture; absent: a question without one.
    #[schema(format = Binary, value_type = Option<String>)]
    image: Vec<u8>,
    /// The question.
    prompt: String,
    /// A prompt of ours with examples before the question, for instance `table`.
    task: Option<String>,
    /// Tokens of the answer, at most.
    max_tokens: Option<u32>,
}

/// Answers a question about a picture: `{image, text, max_new_tokens}` to `{response}`.
#[utoipa::path(
    post,
    path = "/infer",
    tag = "Chat",
    security(("bearer" = ["chat:write"])),
    request_body = api::InferRequest,
    responses((status = 200, description = "The answer", body = api::InferAnswer)),
)]
pub(in crate::http) async fn infer(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let response = asked(admitted, &request, payload, &state).await?;
    Ok(HttpResponse::Ok().json(InferAnswer { response }))
}

/// Answers a question about a picture: `{image, text}` to `{result}`.
#[utoipa::path(
    post,
    path = "/api/v1/inference",
    tag = "Chat",
    security(("bearer" = ["chat:write"])),
    request_body = api::InferRequest,
    responses((status = 200, description = "The answer", body = api::InferenceAnswer)),
)]
pub(in crate::http) async fn inference(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let result = asked(admitted, &request, payload, &state).await?;
    Ok(HttpResponse::Ok().json(InferenceAnswer { result }))
}

/// Answers a question about a picture: a form with `image` and `prompt` to `{text}`.
#[utoipa::path(
    post,
    path = "/v1/multimodal/completion",
    tag = "Chat",
    security(("bearer" = ["chat:write"])),
    request_body(content = MultimodalForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "The answer", body = api::MultimodalAnswer)),
)]
pub(in crate::http) async fn multimodal(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    admitted.caller.require(Scope::ChatWrite)?;
    let max = state.reader.max_body_bytes();
    let Kind::Multipart { boundary } = body::kind(&request, max)? else {
        let detail = "Send `multipart/form-data` with the parts `image` and `prompt`.";
        return Err(Failure(
            Refusal::new(Code::UnsupportedMediaType, detail).field("Content-Type"),
        ));
    };
    let form = form(body::stream(payload), &boundary, max);
    let form = body::in_time(state.request_timeout, form).await?;
    let conversation = Conversation::question(
        form.prompt,
        form.image,
        form.max_tokens,
        form.task.as_deref(),
        &state.reader,
    )?;
    let text = answer(admitted, conversation, &state).await?;
    Ok(HttpResponse::Ok().json(MultimodalAnswer { text }))
}

async fn asked(
    admitted: Admitted,
    request: &HttpRequest,
    payload: web::Payload,
    state: &web::Data<State>,
) -> Result<String, Failure> {
    admitted.caller.require(Scope::ChatWrite)?;
    let max = state.reader.max_body_bytes();
    let bytes = body::json_bytes(request, payload, state.request_timeout, max).await?;
    let reader = state.reader.clone();
    let conversation = body::blocking(move || -> Result<Conversation, Refusal> {
        let asked: InferRequest = intake::parse(&bytes)?;
        let image = asked.image.as_deref().filter(|image| !image.is_empty());
        let image = image
            .map(|image| reader.data_bytes("/image", image))
            .transpose()?;
        Conversation::question(
            asked.text,
            image,
            asked.max_new_tokens,
            asked.task.as_deref(),
            &reader,
        )
    });
    answer(admitted, conversation.await??, state).await
}

async fn answer(
    admitted: Admitted,
    conversation: Conversation,
    state: &State,
) -> Result<String, Failure> {
    let accepted = chat::accept(state, admitted, conversation).await?;
    let (texts, _) = chat::texts(state, accepted).await?;
    let first = texts.into_iter().next();
    Ok(first.map_or_else(String::new, |(text, _)| text))
}

#[derive(Debug, Default)]
struct Form {
    image: Option<Bytes>,
    prompt: String,
    task: Option<String>,
    max_tokens: Option<u32>,
}

async fn form<S>(body: S, boundary: &str, max: usize) -> Result<Form, Refusal>
where
    S: futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
{
    let whole = multer::SizeLimit::new().whole_stream(max as u64);
    let constraints = multer::Constraints::new().size_limit(whole);
    let mut parts = multer::Multipart::with_constraints(body, boundary, constraints);
    let broken = |_| {
        let detail =
            "The body is not multipart/form-data as RFC 7578 defines it, or ends too early.";
        Refusal::new(Code::MalformedRequest, detail)
    };
    let mut form = Form::default();
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let limit = if name == "image" { max } else { MAX_WORDS };
        let mut bytes = BytesMut::new();
        while let Some(chunk) = part.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > limit {
                let detail = format!("The part `{name}` is longer than {limit} bytes.");
                return Err(Refusal::new(Code::BodyTooLarge, detail).limit(limit as u64));
            }
            bytes.extend_from_slice(&chunk);
        }
        if name == "image" {
            form.image = Some(bytes.freeze()).filter(|bytes| !bytes.is_empty());
            continue;
        }
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| {
            Refusal::new(
                Code::MalformedRequest,
                format!("The part `{name}` is not UTF-8."),
            )
            .field(&*name)
        })?;
        match name.as_str() {
            "prompt" | "text" => form.prompt = text,
            "task" => form.task = Some(text).filter(|task| !task.is_empty()),
            "max_tokens" | "max_new_tokens" => {
                let number = text.trim().parse().map_err(|_| {
                    Refusal::new(Code::InvalidField, format!("`{name}` must be a number."))
                        .field(&*name)
                })?;
                form.max_tokens = Some(number);
            }
            // Older clients send more than is read.
            _ => {}
        }
    }
    Ok(form)
}
