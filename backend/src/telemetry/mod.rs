//! What an operator sees: numbers, log lines, and the clock that both share with the rest of the server.

mod clock;
mod log;
mod metrics;
mod refusals;

pub use clock::{Clock, ManualClock, SystemClock};
pub use log::set_up as set_up_log;
pub use metrics::{
    BatchOutcome, CacheOutcome, EngineEnd, EngineMemory, LevelGuard, Levels, Metrics, QuotaKind,
    Reuse, Route, Stage, UpstreamEnd, Verdict, WebhookOutcome,
};
pub use refusals::{Refusals, Refused};
