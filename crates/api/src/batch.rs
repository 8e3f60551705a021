//! `POST /v1/batches`: many summaries without somebody who waits.

use crate::{Problem, Summary, SummaryRequest, TokenUsage};

wire! {
    /// Many requests at once. Accepted whole or not at all.
    #[serde(deny_unknown_fields)]
    pub struct BatchRequest {
        /// At least one; results come in this order.
        #[cfg_attr(feature = "openapi", schema(min_items = 1))]
        pub items: Vec<BatchItem>,
        /// Who is told when the batch is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub webhook: Option<WebhookRequest>,
    }

    /// One request of a batch.
    #[serde(deny_unknown_fields)]
    pub struct BatchItem {
        /// The caller's name for it, 1 to 128 characters; comes back in the result. Each item has its own.
        #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 128))]
        pub id: String,
        /// As for `POST /v1/summaries`, with pictures as `data:` URIs. `priority` is always `batch`.
        pub request: SummaryRequest,
    }

    /// Where the end of a batch is told.
    #[serde(deny_unknown_fields)]
    pub struct WebhookRequest {
        /// `https`, and a public address unless the operator allows it.
        #[cfg_attr(feature = "openapi", schema(max_length = 2048))]
        pub url: String,
    }

    /// A batch, without its requests and results.
    pub struct Batch {
        /// Its name.
        pub id: String,
        /// Where it stands.
        pub status: BatchStatus,
        /// How many items there are in which state.
        pub items: BatchCounts,
        /// Tokens of the items that are done.
        pub usage: TokenUsage,
        /// Unix time in milliseconds.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub created_at: u64,
        /// Unix time in milliseconds at which the last item was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub finished_at: Option<u64>,
        /// Unix time in milliseconds from which on batch and results are gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub expires_at: Option<u64>,
        /// The webhook, when there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub webhook: Option<Webhook>,
    }

    /// Where a batch stands.
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum BatchStatus {
        /// Some items are not done.
        Running,
        /// Every item is done: with a summary or with a problem.
        Finished,
        /// It was cancelled; what was done before has its result.
        Cancelled,
    }

    /// How many items are in which state.
    #[derive(Copy, Eq, Default)]
    pub struct BatchCounts {
        /// All.
        pub total: u32,
        /// With a summary.
        pub completed: u32,
        /// With a problem.
        pub failed: u32,
        /// Given up by the caller.
        pub cancelled: u32,
    }

    /// A webhook and what became of it.
    pub struct Webhook {
        /// Where.
        pub url: String,
        /// Whether it was told.
        pub state: WebhookState,
        /// How often it was tried.
        pub attempts: u32,
        /// What the deliveries are signed with, `whsec_` and base64; the same for every batch of the key. Only in the
        /// answer to `POST /v1/batches`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub secret: Option<String>,
    }

    /// Whether a webhook was told.
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum WebhookState {
        /// Not yet: the batch runs, or the next try is to come.
        Pending,
        /// The receiver answered 2xx.
        Delivered,
        /// Given up.
        Failed,
    }

    /// The body of a webhook.
    pub struct WebhookEvent {
        /// `batch.finished` or `batch.cancelled`.
        pub r#type: String,
        /// Unix time in milliseconds of this try.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub timestamp: u64,
        /// The batch as it is now.
        pub data: Batch,
    }

    /// The caller's batches.
    pub struct BatchList {
        /// Newest first.
        pub batches: Vec<Batch>,
        /// Send it as `before` for those that are older; absent at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub next: Option<String>,
    }

    /// One line of the results.
    pub struct BatchResult {
        /// The item's place in the batch, from 0.
        pub index: u32,
        /// The caller's name for it.
        pub id: String,
        /// How it ended.
        pub status: ItemStatus,
        /// When it is completed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub summary: Option<Box<Summary>>,
        /// When it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub problem: Option<Box<Problem>>,
    }

    /// How an item ended.
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum ItemStatus {
        /// With a summary.
        Completed,
        /// With a problem.
        Failed,
        /// It was given up before it was done.
        Cancelled,
    }
}
