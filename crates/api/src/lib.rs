//! The HTTP contract of Smart Summary as types: what a caller sends, what comes back, and every way it can be refused.
//!
//! Shared by the server and the browser module, so that both ends agree by construction.
//! No logic beyond reading and writing these types, and no I/O.
//!
//! JSON fields are snake_case; times and durations are integers in milliseconds unless the name says otherwise.
//! With the feature `openapi` every type gives its schema; with `typescript` its declaration.

/// Derives what every wire type has: JSON both ways, and the schema and declaration behind their features.
macro_rules! wire {
    ($($(#[$meta:meta])* $vis:vis $kind:ident $name:ident $body:tt)*) => {$(
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        $(#[$meta])*
        $vis $kind $name $body
    )*};
}

mod batch;
mod chat;
mod event;
mod health;
mod key;
pub mod limits;
mod problem;
mod summary;
mod token;
mod usage;

pub use batch::{
    Batch, BatchCounts, BatchItem, BatchList, BatchRequest, BatchResult, BatchStatus, ItemStatus,
    Webhook, WebhookEvent, WebhookRequest, WebhookState,
};
pub use chat::{
    ChatAnswer, ChatChoice, ChatChunk, ChatChunkChoice, ChatCompletion, ChatDelta, ChatError,
    ChatErrorBody, ChatModelInfo, ChatModelList, ChatPromptDetails, ChatRequest, ChatStreamOptions,
    ChatTurn, ChatUsage, InferAnswer, InferRequest, InferenceAnswer, MultimodalAnswer,
};
pub use event::{Delta, Event, FieldValue, Queued, Started};
pub use health::{EngineStatus, Health, Readiness};
pub use key::{Key, KeyChange, KeyCreated, KeyDraft, KeyList, Safety, Scope};
pub use problem::{Code, Problem};
pub use summary::{
    AltText, Article, Candidate, ContentFormat, EngineName, EnginePreference, Field, FieldLimits,
    Guidelines, ImageRef, ImageRole, Priority, Summary, SummaryRequest, Target, Timings,
    TokenUsage, Warning, WarningCode,
};
pub use token::{TokenCreated, TokenRequest};
pub use usage::{Budget, LimitUse, Usage};
