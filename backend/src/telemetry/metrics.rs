//! The numbers of a running server, in the text format that Prometheus reads.
//!
//! Every label value comes from an enum or from the configuration, so the number of series is bounded whatever callers send.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use api::{Code, EngineName, Priority, TokenUsage};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// One label: its name and its value.
type Label = (&'static str, &'static str);
type Counters<const N: usize> = Family<[Label; N], Counter<u64, AtomicU64>>;
type Histograms<const N: usize> = Family<[Label; N], Histogram, Buckets>;
type Level = Gauge<i64, AtomicI64>;

/// The upper bounds of a histogram's buckets, in seconds.
#[derive(Clone, Copy)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// From an answer out of the cache to one that a model wrote slowly.
const REQUEST_SECONDS: Buckets = Buckets(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
]);

/// From a look into memory to a look into a store that is far.
const ADMISSION_SECONDS: Buckets = Buckets(&[
    0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.001, 0.01, 0.1,
]);

macro_rules! label {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$meaning])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The label's value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

label! {
    /// A route, never the address that was asked for.
    Route {
        /// `POST /v1/summaries`.
        Summaries = "/v1/summaries",
        /// `POST /v1/tokens`.
        Tokens = "/v1/tokens",
        /// `/v1/batches` and below.
        Batches = "/v1/batches",
        /// `POST /v1/chat/completions` and `GET /v1/models`.
        Chat = "/v1/chat/completions",
        /// The shapes of older clients: `/v1/multimodal/completion`, `/infer` and `/api/v1/inference`.
        Infer = "/infer",
        /// `GET /v1/usage`.
        Usage = "/v1/usage",
        /// `/v1/admin/keys` and below.
        Keys = "/v1/admin/keys",
        /// `/admin` and its files.
        Admin = "/admin",
        /// What that page asks: `/admin/api` and below.
        AdminApi = "/admin/api",
        /// `GET /healthz`.
        Health = "/healthz",
        /// `GET /readyz`.
        Ready = "/readyz",
        /// `GET /metrics`.
        Metrics = "/metrics",
        /// `GET /openapi.json`.
        OpenApi = "/openapi.json",
        /// `GET /docs` and below.
        Docs = "/docs",
        /// The demo's files.
        Files = "files",
        /// Every other address.
        Other = "other",
    }
}

label! {
    /// Where an answer came from.
    CacheOutcome {
        /// It was known.
        Hit = "hit",
        /// An engine had to write it.
        Miss = "miss",
        /// Another request for the same was on its way.
        Joined = "joined",
    }
}

label! {
    /// A part of an engine's work.
    Stage {
        /// Checking and decoding what was sent.
        Intake = "intake",
        /// Waiting in the model's own line.
        Queue = "queue",
        /// Pictures and words to what the model reads.
        Prepare = "prepare",
        /// The vision tower, one picture.
        See = "see",
        /// Reading the prompt and the pictures.
        Prefill = "prefill",
        /// Writing.
        Decode = "decode",
        /// Masking and drawing the tokens of one step.
        Choose = "choose",
        /// Fitting, grounding, masking.
        Finish = "finish",
    }
}

label! {
    /// How an answer of the model in this process ended.
    EngineEnd {
        /// The model was done.
        Stop = "stop",
        /// It may write no more.
        Length = "length",
        /// Nobody waited any more.
        Cancelled = "cancelled",
        /// The model or the device failed.
        Failed = "failed",
        /// The engine's thread did not go on.
        TimedOut = "timed_out",
    }
}

label! {
    /// What the moderation thinks of a text.
    Verdict {
        /// It may be worked on or told.
        Fine = "fine",
        /// It may not.
        Refused = "refused",
        /// Nobody said.
        Unknown = "unknown",
    }
}

label! {
    /// How a request to another machine's model ended.
    UpstreamEnd {
        /// It answered.
        Answered = "answered",
        /// It said that it has too much to do.
        Busy = "busy",
        /// It refused the request.
        Refused = "refused",
        /// It was not reached, failed, or broke off.
        Failed = "failed",
        /// It did not begin, or did not go on.
        TimedOut = "timed_out",
        /// What it said is no answer.
        Unusable = "unusable",
        /// Nobody waited any more.
        Left = "left",
    }
}

label! {
    /// What is computed once and used again.
    Reuse {
        /// The beginning of a prompt.
        Prefix = "prefix",
        /// A picture.
        Picture = "picture",
    }
}

label! {
    /// What takes the memory in which the model computes.
    EngineMemory {
        /// What rows may take altogether.
        Budget = "budget",
        /// What the running rows have reserved.
        Rows = "rows",
        /// Kept beginnings of prompts.
        Prefixes = "prefixes",
        /// Kept pictures.
        Pictures = "pictures",
    }
}

label! {
    /// How an item of a batch went.
    BatchOutcome {
        /// It has a summary.
        Completed = "completed",
        /// It has a problem.
        Failed = "failed",
        /// It waits again.
        Later = "later",
        /// Nobody wanted it any more.
        Cancelled = "cancelled",
    }
}

label! {
    /// How a try to tell a webhook went.
    WebhookOutcome {
        /// It was heard.
        Delivered = "delivered",
        /// It is tried again.
        Retried = "retried",
        /// It is not.
        GivenUp = "given_up",
    }
}

label! {
    /// What a quota counts.
    QuotaKind {
        /// Requests a minute.
        Requests = "requests",
        /// Pictures a minute.
        Images = "images",
        /// Engine tokens a minute.
        Tokens = "tokens",
        /// Engine tokens a day.
        Budget = "budget",
        /// Unauthenticated requests of an address.
        Anonymous = "anonymous",
        /// Wrong credentials of an address.
        Failures = "failures",
    }
}

fn level(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

const fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Interactive => "interactive",
        Priority::Batch => "batch",
    }
}

/// A status as a label: the contract's own, and nothing a proxy or a scanner could invent.
const fn status_name(status: u16) -> &'static str {
    match status {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        206 => "206",
        301..=308 => "3xx",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        406 => "406",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        _ => "other",
    }
}

/// One step of a model: from a small one on a GPU to a chunk of a prompt on a CPU.
const STEP_SECONDS: Buckets = Buckets(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
]);

/// Rows of a step.
const STEP_ROWS: Buckets = Buckets(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]);

macro_rules! metrics {
    ($($field:ident: $kind:ty, $name:literal, $help:literal $(, $unit:ident)? => $new:expr;)*) => {
        /// Every number. Cheap to share behind an `Arc`; each method is a few atomic operations.
        pub struct Metrics {
            registry: Registry,
            $($field: $kind,)*
        }

        impl Default for Metrics {
            fn default() -> Self {
                let mut registry = Registry::with_prefix("smart_summary");
                $(
                    let $field: $kind = $new;
                    metrics!(@register registry, $field, $name, $help $(, $unit)?);
                )*
                Self { registry, $($field,)* }
            }
        }

        impl Metrics {
            /// Names and meanings, for the documentation.
            pub const TABLE: &[(&'static str, &'static str)] = &[$((concat!("smart_summary_", $name), $help)),*];
        }
    };
    (@register $registry:ident, $field:ident, $name:literal, $help:literal) => {
        $registry.register($name, $help, $field.clone())
    };
    (@register $registry:ident, $field:ident, $name:literal, $help:literal, $unit:ident) => {
        $registry.register_with_unit($name, $help, Unit::$unit, $field.clone())
    };
}

metrics! {
    requests: Counters<3>, "requests", "Answered requests by route, status and problem code" => Counters::default();
    request_seconds: Histograms<1>, "request_duration", "From the request's head to the answer's end", Seconds
        => Histograms::new_with_constructor(REQUEST_SECONDS);
    in_flight: Level, "requests_in_flight", "Requests that are being answered" => Level::default();
    admission_seconds: Histograms<0>, "admission", "Identity and limits of a request, before its body is read", Seconds
        => Histograms::new_with_constructor(ADMISSION_SECONDS);
    refusals: Counters<1>, "refusals", "Refusals by problem code" => Counters::default();
    limited: Counters<1>, "limited", "Refusals by the quota that was used up" => Counters::default();
    tracked: Level, "limiter_tracked_keys", "Keys and addresses that the limits count apart" => Level::default();
    redis: Level, "redis_answering", "Whether the Redis that servers share answers: 1 or 0" => Level::default();
    queue_depth: Family<[Label; 1], Level>, "queue_depth", "Requests that wait" => Family::default();
    queue_seconds: Histograms<1>, "queue_wait", "Time spent waiting for an engine", Seconds
        => Histograms::new_with_constructor(REQUEST_SECONDS);
    cache: Counters<1>, "cache_lookups", "Look-ups by outcome" => Counters::default();
    cache_bytes: Level, "cache_size", "Bytes of kept answers", Bytes => Level::default();
    engine_seconds: Histograms<2>, "engine_stage", "Time of an engine's stages", Seconds
        => Histograms::new_with_constructor(REQUEST_SECONDS);
    tokens: Counters<2>, "tokens", "Engine tokens by kind" => Counters::default();
    images: Counters<0>, "images", "Pictures taken in" => Counters::default();
    cancelled: Counters<1>, "cancellations", "Requests whose caller left, by route" => Counters::default();
    engine_waiting: Family<[Label; 1], Level>, "engine_waiting", "Answers that wait for a row of the model in this process" => Family::default();
    engine_rows: Level, "engine_rows", "Answers that the model in this process works on" => Level::default();
    engine_step_seconds: Histograms<0>, "engine_step", "Steps of the model in this process", Seconds
        => Histograms::new_with_constructor(STEP_SECONDS);
    engine_step_rows: Histograms<0>, "engine_step_rows", "Rows of a step of the model in this process"
        => Histograms::new_with_constructor(STEP_ROWS);
    engine_tokens: Counters<1>, "engine_tokens", "Tokens that the model in this process computed, by stage" => Counters::default();
    engine_reuse: Counters<2>, "engine_reuse", "Look-ups of prefixes and pictures by outcome" => Counters::default();
    engine_ends: Counters<1>, "engine_answers", "Answers of the model in this process by how they ended" => Counters::default();
    engine_restarts: Counters<0>, "engine_restarts", "How often the model in this process was started anew" => Counters::default();
    engine_memory: Family<[Label; 1], Level>, "engine_memory", "Bytes for keys, values and pictures of the model in this process", Bytes
        => Family::default();
    gpu_memory: Family<[Label; 1], Level>, "gpu_memory", "Bytes of the GPU's memory, when there is one", Bytes => Family::default();
    gpu_busy: Family<[Label; 0], Level>, "gpu_busy_percent", "Percent of time in which the GPU computed, when there is one" => Family::default();
    upstream_requests: Counters<2>, "upstream_requests", "Requests to other machines' models by server and by how they ended" => Counters::default();
    upstream_well: Family<[Label; 1], Level>, "upstream_well", "Whether another machine's model may be asked: 1 or 0" => Family::default();
    upstream_outstanding: Family<[Label; 1], Level>, "upstream_outstanding", "Answers that another machine's model writes" => Family::default();
    moderated: Counters<1>, "moderated", "Texts that the moderation looked at, by what it thinks of them" => Counters::default();
    batch_items: Counters<1>, "batch_items", "Items of batches by how they went" => Counters::default();
    webhooks: Counters<1>, "webhooks", "Tries to tell a webhook by how they went" => Counters::default();
    streams: Level, "streams_open", "Event streams that are open" => Level::default();
    earlier_pepper_keys: Level, "earlier_pepper_keys", "Keys that work and are not hashed with the newest pepper, while there are several" => Level::default();
    key_lookups: Counters<1>, "key_lookups", "Look-ups of keys: kept in memory or read from the store" => Counters::default();
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// An answer has been sent in full, or its head when it is a stream.
    pub fn request(&self, route: Route, status: u16, code: Option<Code>, took: Duration) {
        let code = code.map_or("", Code::as_str);
        let labels = [
            ("route", route.as_str()),
            ("status", status_name(status)),
            ("code", code),
        ];
        self.requests.get_or_create(&labels).inc();
        self.request_seconds
            .get_or_create(&[("route", route.as_str())])
            .observe(took.as_secs_f64());
    }

    /// Notes how long identity and limits took.
    pub fn admitted(&self, took: Duration) {
        self.admission_seconds
            .get_or_create(&[])
            .observe(took.as_secs_f64());
    }

    /// A request was refused.
    pub fn refused(&self, code: Code) {
        self.refusals
            .get_or_create(&[("code", code.as_str())])
            .inc();
    }

    /// A quota said no.
    pub fn limited(&self, quota: QuotaKind) {
        self.limited
            .get_or_create(&[("quota", quota.as_str())])
            .inc();
    }

    /// Whether the Redis that servers share answers.
    pub fn set_redis(&self, answering: bool) {
        self.redis.set(i64::from(answering));
    }

    /// How many keys are not hashed with the newest pepper.
    pub fn set_earlier_pepper_keys(&self, count: usize) {
        self.earlier_pepper_keys.set(level(count));
    }

    /// How many keys and addresses the limits hold.
    pub fn set_tracked(&self, count: usize) {
        self.tracked.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts a request as running until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> LevelGuard {
        LevelGuard::new(&self.in_flight)
    }

    /// Counts a stream as open until the guard is dropped.
    #[must_use]
    pub fn open_stream(&self) -> LevelGuard {
        LevelGuard::new(&self.streams)
    }

    /// How many requests of a priority wait.
    pub fn set_queue_depth(&self, priority: Priority, waiting: usize) {
        let labels = [("priority", priority_name(priority))];
        self.queue_depth
            .get_or_create(&labels)
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// A request has left the queue for an engine.
    pub fn queue_wait(&self, priority: Priority, waited: Duration) {
        self.queue_seconds
            .get_or_create(&[("priority", priority_name(priority))])
            .observe(waited.as_secs_f64());
    }

    /// The cache was asked.
    pub fn cache(&self, outcome: CacheOutcome) {
        self.cache
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
    }

    /// How large the cache is.
    pub fn set_cache_bytes(&self, bytes: u64) {
        self.cache_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A stage of an engine has ended.
    pub fn stage(&self, engine: EngineName, stage: Stage, took: Duration) {
        let labels = [("engine", engine.as_str()), ("stage", stage.as_str())];
        self.engine_seconds
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// How many answers of a priority wait for a row.
    pub fn set_engine_waiting(&self, priority: Priority, waiting: usize) {
        self.engine_waiting
            .get_or_create(&[("priority", priority_name(priority))])
            .set(level(waiting));
    }

    /// How many answers the model works on.
    pub fn set_engine_rows(&self, rows: usize) {
        self.engine_rows.set(level(rows));
    }

    /// The model did one step for so many rows.
    pub fn engine_step(&self, rows: usize, took: Duration) {
        self.engine_step_seconds
            .get_or_create(&[])
            .observe(took.as_secs_f64());
        // A batch has a few hundred rows at most.
        self.engine_step_rows
            .get_or_create(&[])
            .observe(rows as f64);
    }

    /// The model computed tokens.
    pub fn engine_tokens(&self, stage: Stage, tokens: usize) {
        self.engine_tokens
            .get_or_create(&[("stage", stage.as_str())])
            .inc_by(u64::try_from(tokens).unwrap_or(u64::MAX));
    }

    /// Something was looked for that need not be computed twice.
    pub fn engine_reuse(&self, what: Reuse, found: bool) {
        let outcome = if found { "hit" } else { "miss" };
        self.engine_reuse
            .get_or_create(&[("what", what.as_str()), ("outcome", outcome)])
            .inc();
    }

    /// An answer has ended.
    pub fn engine_ended(&self, end: EngineEnd) {
        self.engine_ends
            .get_or_create(&[("end", end.as_str())])
            .inc();
    }

    /// The model's thread was started anew.
    pub fn engine_restarted(&self) {
        self.engine_restarts.get_or_create(&[]).inc();
    }

    /// The moderation looked at a text.
    pub fn moderated(&self, verdict: Verdict) {
        self.moderated
            .get_or_create(&[("verdict", verdict.as_str())])
            .inc();
    }

    /// A request to another machine's model has ended.
    pub fn upstream(&self, server: &'static str, end: UpstreamEnd) {
        self.upstream_requests
            .get_or_create(&[("server", server), ("end", end.as_str())])
            .inc();
    }

    /// How another machine's model is.
    pub fn set_upstream(&self, server: &'static str, well: bool, outstanding: usize) {
        let labels = [("server", server)];
        self.upstream_well
            .get_or_create(&labels)
            .set(i64::from(well));
        self.upstream_outstanding
            .get_or_create(&labels)
            .set(level(outstanding));
    }

    /// Bytes of the model's memory.
    pub fn set_engine_memory(&self, what: EngineMemory, bytes: usize) {
        self.engine_memory
            .get_or_create(&[("what", what.as_str())])
            .set(level(bytes));
    }

    /// The GPU's numbers.
    pub fn set_gpu(&self, used: u64, total: u64, busy_percent: Option<u32>) {
        for (what, bytes) in [("used", used), ("total", total)] {
            self.gpu_memory
                .get_or_create(&[("what", what)])
                .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        if let Some(percent) = busy_percent {
            self.gpu_busy.get_or_create(&[]).set(i64::from(percent));
        }
    }

    /// Tokens were used.
    pub fn tokens(&self, engine: EngineName, usage: TokenUsage) {
        let kinds = [
            ("prompt", usage.prompt_tokens),
            ("image", usage.image_tokens),
            ("completion", usage.completion_tokens),
        ];
        for (kind, count) in kinds {
            self.tokens
                .get_or_create(&[("engine", engine.as_str()), ("kind", kind)])
                .inc_by(u64::from(count));
        }
    }

    /// Pictures came in.
    pub fn images(&self, count: usize) {
        self.images
            .get_or_create(&[])
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A caller left before the answer.
    pub fn cancelled(&self, route: Route) {
        self.cancelled
            .get_or_create(&[("route", route.as_str())])
            .inc();
    }

    /// An item of a batch was worked on.
    pub fn batch_item(&self, outcome: BatchOutcome) {
        self.batch_items
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
    }

    /// A webhook was tried.
    pub fn webhook(&self, outcome: WebhookOutcome) {
        self.webhooks
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
    }

    /// A key was looked up.
    pub(crate) fn key_lookup(&self, kept: bool) {
        self.key_lookups
            .get_or_create(&[("from", if kept { "memory" } else { "store" })])
            .inc();
    }

    /// What is going on now. What this server does not have is `None`: a GPU, a model in this process.
    pub fn levels(&self) -> Levels {
        let read = |family: &Family<[Label; 1], Level>, name, value| {
            let level = family.get(&[(name, value)])?.get();
            Some(u64::try_from(level).unwrap_or_default())
        };
        let waiting = |family, priority| read(family, "priority", priority_name(priority));
        let unsigned = |level: &Level| u64::try_from(level.get()).unwrap_or_default();
        let busy = self.gpu_busy.get(&[]).map(|level| unsigned(&level));
        let pair = |family, names: [&'static str; 2]| {
            Some((
                read(family, "what", names[0])?,
                read(family, "what", names[1])?,
            ))
        };
        Levels {
            in_flight: unsigned(&self.in_flight),
            streams: unsigned(&self.streams),
            queued: waiting(&self.queue_depth, Priority::Interactive).unwrap_or_default(),
            queued_batch: waiting(&self.queue_depth, Priority::Batch).unwrap_or_default(),
            cache_bytes: unsigned(&self.cache_bytes),
            engine_rows: unsigned(&self.engine_rows),
            engine_waiting: waiting(&self.engine_waiting, Priority::Interactive)
                .unwrap_or_default()
                + waiting(&self.engine_waiting, Priority::Batch).unwrap_or_default(),
            engine_memory: pair(&self.engine_memory, ["rows", "budget"]),
            gpu_memory: pair(&self.gpu_memory, ["used", "total"]),
            gpu_busy_percent: busy,
        }
    }

    /// Everything, as `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    pub fn render(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!(
            "# HELP smart_summary_build_info The server's version.\n# TYPE smart_summary_build_info gauge\n\
             smart_summary_build_info{{version=\"{version}\"}} 1\n"
        );
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// What is going on in a server at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Levels {
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Event streams that are open.
    pub streams: u64,
    /// People's requests that wait.
    pub queued: u64,
    /// Batch items that wait for an engine.
    pub queued_batch: u64,
    /// Bytes of kept answers.
    pub cache_bytes: u64,
    /// Answers that the model in this process works on.
    pub engine_rows: u64,
    /// Answers that wait for a row of it.
    pub engine_waiting: u64,
    /// Bytes that its rows have reserved, of those they may take.
    pub engine_memory: Option<(u64, u64)>,
    /// Bytes of the GPU's memory, used and all.
    pub gpu_memory: Option<(u64, u64)>,
    /// Percent of time in which the GPU computed.
    pub gpu_busy_percent: Option<u64>,
}

/// Holds a level up by one until it is dropped.
#[derive(Debug)]
pub struct LevelGuard(Level);

impl LevelGuard {
    fn new(level: &Level) -> Self {
        level.inc();
        Self(level.clone())
    }
}

impl Drop for LevelGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered() {
        let metrics = Metrics::default();
        metrics.request(
            Route::Summaries,
            429,
            Some(Code::RateLimited),
            Duration::from_millis(3),
        );
        metrics.limited(QuotaKind::Images);
        let running = metrics.enter();
        let text = metrics.render();
        for line in [
            r#"smart_summary_requests_total{route="/v1/summaries",status="429",code="rate_limited"} 1"#,
            r#"smart_summary_limited_total{quota="images"} 1"#,
            "smart_summary_requests_in_flight 1",
            "smart_summary_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(running);
        assert!(
            metrics
                .render()
                .contains("smart_summary_requests_in_flight 0")
        );
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn an_invented_status_makes_no_new_series() {
        assert_eq!(status_name(799), status_name(418));
    }
}
