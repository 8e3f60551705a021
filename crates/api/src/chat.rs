//! The OpenAI-compatible doors: `POST /v1/chat/completions`, `GET /v1/models` and the shapes that clients of
//! GLM-4.6V-Flash-WEB send.
//!
//! What OpenAI's API has and this server has not is ignored where the answer stays right without it, and refused where it
//! would be wrong. The fields whose JSON has several forms are read by the server, which names the place of a fault.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Derives what these types have; they are for programs that speak OpenAI's API already, so no TypeScript is made of them.
macro_rules! chat {
    ($($(#[$meta:meta])* pub struct $name:ident $body:tt)*) => {$(
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        $(#[$meta])*
        pub struct $name $body
    )*};
}

chat! {
    /// A conversation to continue.
    #[derive(Default)]
    pub struct ChatRequest {
        /// One of `GET /v1/models`; the server's own when absent or `auto`.
        #[serde(default)]
        pub model: Option<String>,
        /// The conversation, the oldest message first; at least one.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required = true, min_items = 1))]
        pub messages: Vec<ChatTurn>,
        /// Tokens of the answer, at most; when absent 1024, or what the model can hold beside the conversation.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 32768))]
        #[serde(default)]
        pub max_completion_tokens: Option<u32>,
        /// The older name of `max_completion_tokens`.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 32768))]
        #[serde(default)]
        pub max_tokens: Option<u32>,
        /// 0 to 2; 0 takes the likeliest token. The model's own when absent.
        #[cfg_attr(feature = "openapi", schema(minimum = 0.0, maximum = 2.0))]
        #[serde(default)]
        pub temperature: Option<f64>,
        /// Above 0, to 1: only the likeliest tokens that together have this probability.
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0.0, maximum = 1.0))]
        #[serde(default)]
        pub top_p: Option<f64>,
        /// Only this many of the likeliest tokens; 0 or -1: all.
        #[cfg_attr(feature = "openapi", schema(minimum = -1))]
        #[serde(default)]
        pub top_k: Option<i64>,
        /// 0.1 to 10; above 1, tokens that occurred are less likely.
        #[cfg_attr(feature = "openapi", schema(minimum = 0.1, maximum = 10.0))]
        #[serde(default)]
        pub repetition_penalty: Option<f64>,
        /// Answers to give, 1 to 4.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 4))]
        #[serde(default)]
        pub n: Option<u8>,
        /// Makes the choice of tokens repeatable; -1: it is not.
        #[serde(default)]
        pub seed: Option<i64>,
        /// The answer ends before the first of these: a string, or a list of at most four. An empty string ends nothing.
        #[serde(default)]
        pub stop: Option<Value>,
        /// Answer as `text/event-stream`.
        #[serde(default)]
        pub stream: Option<bool>,
        /// What a stream holds besides.
        #[serde(default)]
        pub stream_options: Option<ChatStreamOptions>,
        /// `{"type":"text"}`, `{"type":"json_object"}`, `{"type":"json_schema","json_schema":{"schema":{…}}}`, or the
        /// same with the schema itself as `json_schema` or `schema`.
        #[serde(default)]
        pub response_format: Option<Value>,
        /// A prompt of ours with examples before the conversation: `summary`, `alt_text`, `table`, `chart`, `invoice`,
        /// `scene`, `ui` or `ocr`.
        #[serde(default)]
        pub task: Option<String>,
        /// Not offered: true is refused.
        #[serde(default)]
        pub logprobs: Option<Value>,
        /// Not offered: refused.
        #[serde(default)]
        pub top_logprobs: Option<Value>,
        /// Not offered: an object that is not empty is refused.
        #[serde(default)]
        pub logit_bias: Option<Value>,
        /// Not offered: a list that is not empty is refused.
        #[serde(default)]
        pub tools: Option<Value>,
        /// Not offered, the older name of `tools`: a list that is not empty is refused.
        #[serde(default)]
        pub functions: Option<Value>,
        /// Not offered: another value than 0 is refused.
        #[serde(default)]
        pub presence_penalty: Option<f64>,
        /// Not offered: another value than 0 is refused.
        #[serde(default)]
        pub frequency_penalty: Option<f64>,
    }

    /// A message.
    pub struct ChatTurn {
        /// `system`, `developer` (the same), `user` or `assistant`.
        pub role: String,
        /// Text, or a list of `{"type":"text","text":…}` and `{"type":"image_url","image_url":{"url":"data:…"}}`.
        /// Pictures are `data:` URIs; addresses are not fetched.
        #[serde(default)]
        pub content: Value,
    }

    /// What a stream holds besides.
    #[derive(Copy, Default)]
    pub struct ChatStreamOptions {
        /// A last chunk without choices tells the tokens.
        #[serde(default)]
        pub include_usage: Option<bool>,
    }

    /// The answer.
    pub struct ChatCompletion {
        /// Names this answer.
        pub id: String,
        /// `chat.completion`.
        pub object: String,
        /// Seconds since 1970.
        pub created: u64,
        /// The model that answered.
        pub model: String,
        /// One for each answer.
        pub choices: Vec<ChatChoice>,
        /// Tokens, counted by the model.
        pub usage: ChatUsage,
    }

    /// One answer.
    pub struct ChatChoice {
        /// From 0.
        pub index: u8,
        /// What the model said.
        pub message: ChatAnswer,
        /// `stop` or `length`.
        pub finish_reason: String,
    }

    /// What the model said.
    pub struct ChatAnswer {
        /// `assistant`.
        pub role: String,
        /// The text.
        pub content: String,
    }

    /// A piece of a streamed answer; the last is followed by `[DONE]`.
    pub struct ChatChunk {
        /// Names this answer.
        pub id: String,
        /// `chat.completion.chunk`.
        pub object: String,
        /// Seconds since 1970.
        pub created: u64,
        /// The model that answers.
        pub model: String,
        /// At most one.
        pub choices: Vec<ChatChunkChoice>,
        /// In the last chunk, when `include_usage` was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub usage: Option<ChatUsage>,
    }

    /// More of one answer.
    pub struct ChatChunkChoice {
        /// Which, from 0.
        pub index: u8,
        /// What is new.
        pub delta: ChatDelta,
        /// `stop` or `length` in the answer's last chunk.
        pub finish_reason: Option<String>,
    }

    /// What is new.
    #[derive(Default)]
    pub struct ChatDelta {
        /// `assistant`, in the first chunk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub role: Option<String>,
        /// More text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub content: Option<String>,
    }

    /// Tokens, counted by the model.
    #[derive(Copy, Eq, Default)]
    pub struct ChatUsage {
        /// Read, pictures among them; the same for all answers, so counted once.
        pub prompt_tokens: u32,
        /// Written, in all answers together.
        pub completion_tokens: u32,
        /// Both.
        pub total_tokens: u32,
        /// What of `prompt_tokens` is not words.
        #[serde(default)]
        pub prompt_tokens_details: ChatPromptDetails,
    }

    /// Parts of a prompt.
    #[derive(Copy, Eq, Default)]
    pub struct ChatPromptDetails {
        /// Tokens of pictures.
        #[serde(default)]
        pub image_tokens: u32,
    }

    /// The models of this server.
    pub struct ChatModelList {
        /// `list`.
        pub object: String,
        /// The one that `auto` means first.
        pub data: Vec<ChatModelInfo>,
    }

    /// A model.
    pub struct ChatModelInfo {
        /// What `model` names it by.
        pub id: String,
        /// `model`.
        pub object: String,
        /// Seconds since 1970; when the server started.
        pub created: u64,
        /// The engine that it belongs to.
        pub owned_by: String,
        /// Whether it looks at pictures.
        pub sees_images: bool,
        /// Whether it can serve now.
        pub ready: bool,
    }

    /// The body of every error of these routes.
    pub struct ChatError {
        /// The error.
        pub error: ChatErrorBody,
    }

    /// What went wrong.
    pub struct ChatErrorBody {
        /// What happened, and what to do.
        pub message: String,
        /// `invalid_request_error`, `authentication_error`, `permission_error`, `not_found_error`, `rate_limit_error` or
        /// `server_error`.
        pub r#type: String,
        /// The field at fault, for instance `messages.0.content`.
        pub param: Option<String>,
        /// The stable name of what went wrong, one of `Code`.
        pub code: String,
    }

    /// `POST /infer`: a picture and a question.
    pub struct InferRequest {
        /// Base64 or a `data:` URI; absent: a question without a picture.
        #[serde(default)]
        pub image: Option<String>,
        /// The question.
        #[serde(default)]
        pub text: String,
        /// Tokens of the answer, at most; 1024 when absent.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 32768))]
        #[serde(default)]
        pub max_new_tokens: Option<u32>,
        /// As in `ChatRequest`.
        #[serde(default)]
        pub task: Option<String>,
    }

    /// The answer of `POST /infer`.
    pub struct InferAnswer {
        /// The text.
        pub response: String,
    }

    /// The answer of `POST /api/v1/inference`.
    pub struct InferenceAnswer {
        /// The text.
        pub result: String,
    }

    /// The answer of `POST /v1/multimodal/completion`.
    pub struct MultimodalAnswer {
        /// The text.
        pub text: String,
    }
}

impl ChatError {
    /// The error of a refusal.
    #[must_use]
    pub fn of(problem: &crate::Problem) -> Self {
        let r#type = match problem.status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        };
        let param = problem
            .field
            .as_deref()
            .map(|field| field.trim_start_matches('/').replace('/', "."));
        Self {
            error: ChatErrorBody {
                message: problem.detail.clone(),
                r#type: r#type.to_owned(),
                param,
                code: problem.code.as_str().to_owned(),
            },
        }
    }
}
