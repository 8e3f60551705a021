//! A [`ChatRequest`] to a [`ChatJob`]: every field checked, every fault with its place.

use api::{ChatRequest, ChatTurn, Code};
use bytes::Bytes;
use serde_json::Value;

use crate::intake::{self, Reader};
use crate::refusal::Refusal;
use crate::service::{
    AnswerFormat, ChatJob, ChatMessage, ChatPart, ChatRole, Choosing, MAX_SCHEMA_BYTES,
    MAX_SCHEMA_DEPTH, Task, Template, Tongue, schema_depth,
};

/// Tokens of an answer when the caller does not say.
pub(super) const MAX_TOKENS: u32 = 1024;
/// Tokens that a caller may ask for.
const MOST_TOKENS: u32 = 32_768;
const MAX_MESSAGES: usize = 256;
const MAX_ANSWERS: u8 = 4;
const MAX_STOPS: usize = 4;
const MAX_STOP_CHARS: usize = 128;
/// A conversation before its pictures are decoded.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Without pictures; [`Conversation::job`] puts them in.
    job: ChatJob,
    pictures: Vec<Bytes>,
    /// Message and part of each picture.
    places: Vec<(usize, usize)>,
    /// Answers to give.
    pub(super) answers: u8,
    /// Whether it is answered as a stream, and whether that tells the usage.
    pub(super) stream: Option<bool>,
    /// The model that was named.
    pub(super) model: Option<String>,
}

/// A conversation that was read, in numbers; for the fuzz targets.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Messages, those of a task's prompt with them.
    pub messages: usize,
    /// Pictures.
    pub pictures: usize,
    /// Characters of all texts.
    pub chars: usize,
    /// Answers to give.
    pub answers: u8,
    /// Tokens of an answer, at most.
    pub max_tokens: u32,
    /// Texts that end an answer.
    pub stops: usize,
    /// The schema of the answer.
    pub schema: Option<Value>,
}

impl Conversation {
    /// Checks a request; `reader` bounds its words and pictures.
    pub(super) fn of(request: ChatRequest, reader: &Reader) -> Result<Self, Refusal> {
        refuse_unoffered(&request)?;
        let answers = request.n.unwrap_or(1);
        if !(1..=MAX_ANSWERS).contains(&answers) {
            return Err(invalid("/n", &format!("must be 1 to {MAX_ANSWERS}")));
        }
        let asked = request.max_completion_tokens.or(request.max_tokens);
        let max_tokens = asked.unwrap_or(MAX_TOKENS);
        if !(1..=MOST_TOKENS).contains(&max_tokens) {
            let field = match request.max_completion_tokens {
                Some(_) => "/max_completion_tokens",
                None => "/max_tokens",
            };
            return Err(invalid(field, &format!("must be 1 to {MOST_TOKENS}")));
        }
        let mut conversation = Self {
            job: ChatJob {
                format: format(request.response_format.as_ref())?,
                max_tokens,
                shrinks: asked.is_none(),
                choosing: choosing(&request)?,
                stop: stops(request.stop.as_ref())?,
                ..ChatJob::default()
            },
            pictures: Vec::new(),
            places: Vec::new(),
            answers,
            stream: request.stream.unwrap_or(false).then(|| {
                let options = request.stream_options.unwrap_or_default();
                options.include_usage.unwrap_or(false)
            }),
            model: request.model,
        };
        conversation.read(&request.messages, reader)?;
        if let Some(task) = &request.task {
            conversation.begin_with(task)?;
        }
        Ok(conversation)
    }

    /// A question about a picture, or without one.
    pub(super) fn question(
        text: String,
        picture: Option<Bytes>,
        max_tokens: Option<u32>,
        task: Option<&str>,
        reader: &Reader,
    ) -> Result<Self, Refusal> {
        if text.trim().is_empty() && task.is_none() {
            return Err(Refusal::new(
                Code::NothingToRead,
                "There is no question; say what is to be done, or name a `task`.",
            ));
        }
        reader.check_chars(text.chars().count())?;
        let mut conversation = Self::of(
            ChatRequest {
                messages: vec![ChatTurn {
                    role: "user".to_owned(),
                    content: Value::from(text),
                }],
                max_tokens,
                task: task.map(str::to_owned),
                ..ChatRequest::default()
            },
            reader,
        )?;
        if let Some(picture) = picture {
            let last = conversation.job.messages.len() - 1;
            conversation.places.push((last, 0));
            conversation.pictures.push(picture);
        }
        Ok(conversation)
    }

    /// How many pictures there are.
    pub(super) fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// The request in numbers.
    #[cfg(feature = "testing")]
    pub(super) fn counted(self) -> Counted {
        let messages = &self.job.messages;
        let texts = messages.iter().flat_map(|message| &message.parts);
        Counted {
            messages: messages.len(),
            pictures: self.pictures.len(),
            chars: texts
                .filter_map(ChatPart::text)
                .map(|text| text.chars().count())
                .sum(),
            answers: self.answers,
            max_tokens: self.job.max_tokens,
            stops: self.job.stop.len(),
            schema: match self.job.format {
                AnswerFormat::JsonSchema(schema) => Some(schema),
                _ => None,
            },
        }
    }

    /// Decodes the pictures and gives the job.
    pub(super) async fn job(mut self, tenant: &str, reader: &Reader) -> Result<ChatJob, Refusal> {
        let pictures = reader.pictures(std::mem::take(&mut self.pictures)).await?;
        // From behind, so that the places of those before stay true.
        for (picture, (message, part)) in pictures.into_iter().zip(self.places).rev() {
            if let Some(message) = self.job.messages.get_mut(message) {
                let part = part.min(message.parts.len());
                let image = ChatPart::Image {
                    bytes: picture.bytes,
                    media_type: picture.media_type,
                };
                message.parts.insert(part, image);
            }
        }
        self.job.tenant = tenant.to_owned();
        Ok(self.job)
    }

    fn read(&mut self, turns: &[ChatTurn], reader: &Reader) -> Result<(), Refusal> {
        if turns.is_empty() {
            let detail = "must hold at least one message, for instance {\"role\":\"user\",\"content\":\"…\"}";
            return Err(invalid("/messages", detail));
        }
        if turns.len() > MAX_MESSAGES {
            let detail = format!("must hold at most {MAX_MESSAGES} messages");
            return Err(invalid("/messages", &detail));
        }
        let mut chars = 0;
        for (index, turn) in turns.iter().enumerate() {
            let role = role(index, &turn.role)?;
            let parts = self.parts(index, &turn.content, reader)?;
            chars += parts
                .iter()
                .filter_map(ChatPart::text)
                .map(|text| text.chars().count())
                .sum::<usize>();
            self.job.messages.push(ChatMessage { role, parts });
        }
        reader.check_count(self.pictures.len())?;
        reader
            .check_chars(chars)
            .map_err(|error| Refusal::from(error).field("/messages"))?;
        let asks = |message: &ChatMessage| message.role == ChatRole::User;
        if !self.job.messages.iter().any(asks) {
            return Err(invalid(
                "/messages",
                "must hold a message with the role `user`",
            ));
        }
        Ok(())
    }

    fn parts(
        &mut self,
        message: usize,
        content: &Value,
        reader: &Reader,
    ) -> Result<Vec<ChatPart>, Refusal> {
        let pointer = format!("/messages/{message}/content");
        match content {
            Value::Null => Ok(Vec::new()),
            Value::String(text) => Ok(vec![ChatPart::Text(text.clone())]),
            Value::Array(parts) => {
                let mut read = Vec::new();
                for (index, part) in parts.iter().enumerate() {
                    let pointer = format!("{pointer}/{index}");
                    match part.get("type").and_then(Value::as_str) {
                        Some("text") => read.push(ChatPart::Text(text_of(part, &pointer)?)),
                        Some("image_url") => {
                            let (pointer, url) = address(part, &pointer)?;
                            self.places.push((message, index));
                            self.pictures.push(reader.data_bytes(&pointer, url)?);
                        }
                        _ => {
                            let detail = "must have the `type` `text` or `image_url`";
                            return Err(invalid(&pointer, detail));
                        }
                    }
                }
                Ok(read)
            }
            _ => Err(invalid(&pointer, "must be a text or a list of parts")),
        }
    }

    /// Puts a prompt of ours before the conversation, in the language of its question.
    fn begin_with(&mut self, task: &str) -> Result<(), Refusal> {
        let Some(known) = Task::named(task) else {
            let names: Vec<String> = Task::ALL
                .iter()
                .map(|task| format!("`{}`", task.as_str()))
                .collect();
            return Err(invalid(
                "/task",
                &format!("must be one of {}", names.join(", ")),
            ));
        };
        let question = self.job.messages.last().map_or(&[][..], |last| &last.parts);
        let question = question.iter().find_map(ChatPart::text);
        let template = Template::of(known, Tongue::of(question.unwrap_or_default()));
        let before = template.messages();
        for (message, _) in &mut self.places {
            *message += before.len();
        }
        self.job.messages.splice(0..0, before);
        self.job.rules = template.system;
        self.job.cleaned = known.writes();
        Ok(())
    }
}

fn invalid(field: &str, detail: &str) -> Refusal {
    Refusal::new(Code::InvalidField, format!("`{field}` {detail}")).field(field)
}

fn role(index: usize, name: &str) -> Result<ChatRole, Refusal> {
    match name {
        "system" | "developer" => Ok(ChatRole::System),
        "user" => Ok(ChatRole::User),
        "assistant" => Ok(ChatRole::Assistant),
        _ => {
            let field = format!("/messages/{index}/role");
            Err(invalid(
                &field,
                "must be `system`, `developer`, `user` or `assistant`; tools are not offered",
            ))
        }
    }
}

fn text_of(part: &Value, pointer: &str) -> Result<String, Refusal> {
    let text = part.get("text").and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| invalid(&format!("{pointer}/text"), "must be a text"))
}

/// `{"image_url":{"url":…}}`, or `{"image_url":…}` as some clients send it.
fn address<'a>(part: &'a Value, pointer: &str) -> Result<(String, &'a str), Refusal> {
    let value = part.get("image_url").unwrap_or(&Value::Null);
    if let Some(url) = value.as_str() {
        return Ok((format!("{pointer}/image_url"), url));
    }
    let pointer = format!("{pointer}/image_url/url");
    match value.get("url").and_then(Value::as_str) {
        Some(url) => Ok((pointer, url)),
        None => Err(invalid(&pointer, "must be a data: URI")),
    }
}

fn refuse_unoffered(request: &ChatRequest) -> Result<(), Refusal> {
    let unoffered = |field: &str| invalid(field, "is not offered here; leave it out");
    let is_set = |value: Option<&Value>| match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(entries)) => !entries.is_empty(),
        Some(_) => true,
    };
    let fields = [
        ("/logprobs", &request.logprobs),
        ("/top_logprobs", &request.top_logprobs),
        ("/logit_bias", &request.logit_bias),
        ("/tools", &request.tools),
        ("/functions", &request.functions),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, value)| is_set(value.as_ref())) {
        return Err(unoffered(field));
    }
    let penalties = [
        ("/presence_penalty", request.presence_penalty),
        ("/frequency_penalty", request.frequency_penalty),
    ];
    match penalties
        .iter()
        .find(|(_, value)| value.is_some_and(|value| value != 0.0))
    {
        Some((field, _)) => Err(invalid(
            field,
            "is not offered here; use `repetition_penalty`",
        )),
        None => Ok(()),
    }
}

fn choosing(request: &ChatRequest) -> Result<Choosing, Refusal> {
    let within = |field: &str, value: Option<f64>, fits: fn(f64) -> bool, bounds: &str| match value
    {
        Some(value) if !fits(value) => Err(invalid(field, &format!("must be {bounds}"))),
        value => Ok(value),
    };
    let temperature = within(
        "/temperature",
        request.temperature,
        |t| (0.0..=2.0).contains(&t),
        "0 to 2",
    )?;
    let top_p = within(
        "/top_p",
        request.top_p,
        |p| p > 0.0 && p <= 1.0,
        "above 0, to 1",
    )?;
    let penalty = within(
        "/repetition_penalty",
        request.repetition_penalty,
        |p| (0.1..=10.0).contains(&p),
        "0.1 to 10",
    )?;
    let top_k = match request.top_k {
        // Other servers say so for all.
        Some(-1) => Some(0),
        Some(top_k) => Some(
            u32::try_from(top_k)
                .map_err(|_| invalid("/top_k", "must be 0 or more, or -1 for all"))?,
        ),
        None => None,
    };
    Ok(Choosing {
        temperature,
        top_p,
        top_k,
        repetition_penalty: penalty,
        // Other servers say so for none.
        seed: request
            .seed
            .filter(|seed| *seed != -1)
            .map(i64::cast_unsigned),
    })
}

fn stops(value: Option<&Value>) -> Result<Vec<String>, Refusal> {
    let fault = || {
        let detail = format!(
            "must be a text or a list of at most {MAX_STOPS} texts of at most {MAX_STOP_CHARS} characters"
        );
        invalid("/stop", &detail)
    };
    let stops: Vec<String> = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|stop| stop.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(fault)?
        }
        Some(_) => return Err(fault()),
    };
    // An empty text ends nothing.
    let stops: Vec<String> = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
    let fits = |stop: &String| stop.chars().count() <= MAX_STOP_CHARS;
    if stops.len() <= MAX_STOPS && stops.iter().all(fits) {
        Ok(stops)
    } else {
        Err(fault())
    }
}

/// The nested form of OpenAI's API, and the schema itself as `json_schema` or `schema`, as other servers take it.
fn format(value: Option<&Value>) -> Result<AnswerFormat, Refusal> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(AnswerFormat::Text);
    };
    match value.get("type").and_then(Value::as_str) {
        Some("text") => Ok(AnswerFormat::Text),
        Some("json_object") => Ok(AnswerFormat::JsonObject),
        Some("json_schema") => {
            let given = |name: &str| value.get(name).filter(|given| !given.is_null());
            let given = given("json_schema").or_else(|| given("schema"));
            let schema = given.map(|given| {
                given
                    .get("schema")
                    .filter(|_| is_wrapper(given))
                    .unwrap_or(given)
            });
            let Some(schema) = schema.filter(|schema| schema.is_object()) else {
                return Err(invalid(
                    "/response_format/json_schema/schema",
                    "must be a JSON Schema",
                ));
            };
            if schema.to_string().len() > MAX_SCHEMA_BYTES
                || schema_depth(schema) > MAX_SCHEMA_DEPTH
            {
                let detail = format!(
                    "must have at most {MAX_SCHEMA_BYTES} bytes and {MAX_SCHEMA_DEPTH} levels"
                );
                return Err(invalid("/response_format/json_schema/schema", &detail));
            }
            Ok(AnswerFormat::JsonSchema(schema.clone()))
        }
        _ => Err(invalid(
            "/response_format/type",
            "must be `text`, `json_object` or `json_schema`",
        )),
    }
}

/// Whether `{"schema":…}` wraps a schema; a schema itself says a type or has other words of the language.
fn is_wrapper(given: &Value) -> bool {
    ["type", "properties", "anyOf", "$ref", "enum", "const"]
        .iter()
        .all(|word| given.get(word).is_none())
}

/// Reads the body of a conversation.
pub(super) fn parse(body: &[u8]) -> Result<ChatRequest, Refusal> {
    Ok(intake::parse(body)?)
}
