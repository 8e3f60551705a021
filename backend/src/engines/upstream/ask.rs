//! A [`ChatJob`] as the body of `POST /chat/completions`, in the form that a server can take.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::engines::{AnswerFormat, ChatJob, ChatMessage, ChatPart, ChatRole};

/// How much of OpenAI's API a request uses. A server that refuses one form is asked in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Everything.
    Whole,
    /// JSON without a schema; the schema stands among the words.
    Object,
    /// No word of the answer's format but in the prompt.
    Words,
    /// Only what every server knows: no stop sequences and no usage in the stream either.
    Bare,
}

impl Form {
    /// The first form that differs from this one for answers in `format`.
    pub(super) fn next(self, format: &AnswerFormat) -> Option<Self> {
        match (self, format) {
            (Self::Bare, _) => None,
            (Self::Words, _) | (_, AnswerFormat::Text) => Some(Self::Bare),
            (Self::Object, _) | (Self::Whole, AnswerFormat::JsonObject) => Some(Self::Words),
            (Self::Whole, AnswerFormat::JsonSchema(_)) => Some(Self::Object),
        }
    }
}

/// How long a simpler form is asked before everything is tried again.
const FORM_LASTS: Duration = Duration::from_secs(600);

/// What a server was found to take.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    simpler: Option<(Form, Instant)>,
    /// It has followed a schema: what it refuses with another one is that schema's fault.
    follows_schemas: bool,
}

impl Learnt {
    /// The form to begin with.
    pub(super) fn form(&self) -> Form {
        match self.simpler {
            Some((form, until)) if Instant::now() < until => form,
            _ => Form::Whole,
        }
    }

    /// A request for an answer in `format` was answered in `form`. Gives whether that is news.
    pub(super) fn answered(&mut self, form: Form, format: &AnswerFormat) -> bool {
        let schema = matches!(format, AnswerFormat::JsonSchema(_));
        if form == Form::Whole {
            self.follows_schemas |= schema;
        }
        if form <= self.form() || schema && self.follows_schemas {
            return false;
        }
        self.simpler = Some((form, Instant::now() + FORM_LASTS));
        true
    }
}

/// The body. What the operator adds stands in it as it is, but for the conversation itself.
pub(super) fn body(job: &ChatJob, model: &str, form: Form, extra: &Map<String, Value>) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("model", json!(model));
    put("max_tokens", json!(job.max_tokens));
    let choosing = job.choosing;
    let numbers = [
        (
            "temperature",
            choosing.temperature.map(|value| json!(value)),
        ),
        ("top_p", choosing.top_p.map(|value| json!(value))),
        ("top_k", choosing.top_k.map(|value| json!(value))),
        (
            "repetition_penalty",
            choosing.repetition_penalty.map(|value| json!(value)),
        ),
        // Signed in most servers.
        (
            "seed",
            choosing.seed.map(|value| json!(value & 0x7fff_ffff)),
        ),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            put(name, value);
        }
    }
    if form < Form::Bare {
        put("stream_options", json!({ "include_usage": true }));
        if !job.stop.is_empty() {
            put("stop", json!(job.stop));
        }
    }
    if let Some(format) = format(&job.format, form) {
        put("response_format", format);
    }
    for (name, value) in extra {
        put(name, value.clone());
    }
    put("stream", json!(true));
    put("messages", messages(job, form));
    Value::Object(body)
}

fn format(format: &AnswerFormat, form: Form) -> Option<Value> {
    match (format, form) {
        (AnswerFormat::JsonSchema(schema), Form::Whole) => Some(json!({
            "type": "json_schema",
            "json_schema": { "name": "answer", "strict": true, "schema": schema },
        })),
        (AnswerFormat::JsonSchema(_), Form::Object)
        | (AnswerFormat::JsonObject, Form::Whole | Form::Object) => {
            Some(json!({ "type": "json_object" }))
        }
        _ => None,
    }
}

fn messages(job: &ChatJob, form: Form) -> Value {
    let mut messages: Vec<Value> = job.messages.iter().map(message).collect();
    let told = match (&job.format, form) {
        (AnswerFormat::JsonSchema(schema), form) if form > Form::Whole => {
            format!(
                "Answer with JSON that this JSON Schema allows, and with nothing else:\n{schema}"
            )
        }
        (AnswerFormat::JsonObject, form) if form > Form::Object => {
            "Answer with one JSON object, and with nothing else.".to_owned()
        }
        _ => return Value::Array(messages),
    };
    // The rules have one place: many chat templates allow one system message, at the beginning.
    match job
        .messages
        .first()
        .filter(|first| first.role == ChatRole::System)
    {
        Some(first) => {
            let rules = format!("{}\n\n{told}", first.words());
            if let Some(place) = messages.first_mut() {
                *place = json!({ "role": "system", "content": rules });
            }
        }
        None => messages.insert(0, json!({ "role": "system", "content": told })),
    }
    Value::Array(messages)
}

fn message(message: &ChatMessage) -> Value {
    let role = match message.role {
        ChatRole::System => "system",
        ChatRole::User => "user",
        ChatRole::Assistant => "assistant",
    };
    let pictures = message
        .parts
        .iter()
        .any(|part| matches!(part, ChatPart::Image { .. }));
    // A text is understood by servers that know no parts.
    if !pictures {
        return json!({ "role": role, "content": message.words() });
    }
    let parts: Vec<Value> = message
        .parts
        .iter()
        .map(|part| match part {
            ChatPart::Text(text) => json!({ "type": "text", "text": text }),
            ChatPart::Image { bytes, media_type } => {
                let url = format!("data:{media_type};base64,{}", STANDARD.encode(bytes));
                json!({ "type": "image_url", "image_url": { "url": url } })
            }
        })
        .collect();
    json!({ "role": role, "content": parts })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::engines::Choosing;

    fn job(format: AnswerFormat) -> ChatJob {
        let picture = ChatPart::Image {
            bytes: Bytes::from_static(b"png"),
            media_type: "image/png",
        };
        ChatJob {
            messages: vec![
                ChatMessage::text(ChatRole::System, "Be brief."),
                ChatMessage {
                    role: ChatRole::User,
                    parts: vec![ChatPart::Text("What is it?".to_owned()), picture],
                },
            ],
            format,
            max_tokens: 9,
            choosing: Choosing {
                temperature: Some(0.5),
                seed: Some(u64::MAX),
                ..Choosing::default()
            },
            stop: vec!["END".to_owned()],
            ..ChatJob::default()
        }
    }

    #[test]
    fn a_conversation_is_written_as_openai_reads_it() {
        let body = body(&job(AnswerFormat::Text), "m", Form::Whole, &Map::new());
        assert_eq!(
            body,
            json!({
                "model": "m", "max_tokens": 9, "temperature": 0.5, "seed": 0x7fff_ffff, "stop": ["END"],
                "stream": true, "stream_options": { "include_usage": true },
                "messages": [
                    { "role": "system", "content": "Be brief." },
                    { "role": "user", "content": [
                        { "type": "text", "text": "What is it?" },
                        { "type": "image_url", "image_url": { "url": "data:image/png;base64,cG5n" } },
                    ] },
                ],
            })
        );
    }

    #[test]
    fn a_server_that_knows_no_schema_finds_it_among_the_words() {
        let schema = json!({ "type": "object" });
        let job = job(AnswerFormat::JsonSchema(schema.clone()));
        let written = |form| body(&job, "m", form, &Map::new());
        let whole = written(Form::Whole);
        assert_eq!(whole["response_format"]["json_schema"]["schema"], schema);
        assert_eq!(whole["messages"][0]["content"], "Be brief.");
        for form in [Form::Object, Form::Words, Form::Bare] {
            let rules = written(form)["messages"][0]["content"].to_string();
            assert!(rules.starts_with("\"Be brief."), "{rules}");
            assert!(rules.contains("{\\\"type\\\":\\\"object\\\"}"), "{rules}");
        }
        assert_eq!(
            written(Form::Object)["response_format"]["type"],
            "json_object"
        );
        assert!(written(Form::Words).get("response_format").is_none());
        let bare = written(Form::Bare);
        assert!(bare.get("stop").is_none() && bare.get("stream_options").is_none());
    }

    #[test]
    fn every_form_comes_once_and_differs_from_the_one_before() {
        for format in [
            AnswerFormat::Text,
            AnswerFormat::JsonObject,
            AnswerFormat::JsonSchema(json!({ "type": "object" })),
        ] {
            let job = job(format);
            let mut form = Form::Whole;
            let mut last = body(&job, "m", form, &Map::new());
            while let Some(next) = form.next(&job.format) {
                let written = body(&job, "m", next, &Map::new());
                assert_ne!(written, last, "{next:?}");
                (form, last) = (next, written);
            }
            assert_eq!(form, Form::Bare);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learnt_is_tried_anew_and_a_schema_of_a_callers_teaches_little() {
        let schema = AnswerFormat::JsonSchema(json!({ "type": "object" }));
        let mut learnt = Learnt::default();
        assert!(learnt.answered(Form::Object, &schema));
        assert!(!learnt.answered(Form::Object, &schema), "it is known");
        assert_eq!(learnt.form(), Form::Object);
        tokio::time::advance(FORM_LASTS).await;
        assert_eq!(learnt.form(), Form::Whole);
        assert!(!learnt.answered(Form::Whole, &schema));
        assert!(
            !learnt.answered(Form::Object, &schema),
            "another one was followed"
        );
        assert_eq!(learnt.form(), Form::Whole);
        assert!(learnt.answered(Form::Bare, &AnswerFormat::Text));
        assert_eq!(learnt.form(), Form::Bare);
    }

    #[test]
    fn what_the_operator_adds_is_in_every_request() {
        let extra = json!({ "chat_template_kwargs": { "enable_thinking": false }, "max_tokens": 5, "stream": false, "messages": [] });
        let Value::Object(extra) = extra else {
            panic!("it is an object");
        };
        let body = body(&job(AnswerFormat::Text), "m", Form::Bare, &extra);
        assert_eq!(body["chat_template_kwargs"]["enable_thinking"], false);
        assert_eq!(
            (&body["max_tokens"], &body["stream"]),
            (&json!(5), &json!(true))
        );
        assert_eq!(body["messages"].as_array().map(Vec::len), Some(2));
    }
}
