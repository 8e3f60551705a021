//! Events to `text/event-stream`, with a heartbeat. Dropping the stream drops the work.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use api::limits::HEARTBEAT_SECONDS;
use api::{Event, Summary};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::request_id::RequestId;
use crate::refusal::Refusal;
use crate::telemetry::{LevelGuard, Metrics, Route};

/// A comment line; parsers skip it.
pub(super) const HEARTBEAT: &[u8] = b":\n\n";

/// Ticks when a stream has been silent for so long that a comment is due.
pub(super) fn heartbeat() -> Interval {
    // One second earlier than promised, for a slow line.
    let pause = Duration::from_secs(HEARTBEAT_SECONDS - 1);
    let mut heartbeat = interval_at(Instant::now() + pause, pause);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat
}

/// The work of a stream: it tells events and ends in the answer.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Summary, Refusal>>>>;

/// Where the work tells its events.
#[derive(Clone, Default)]
pub(super) struct Outbox(Arc<Mutex<VecDeque<Event>>>);

impl Outbox {
    pub(super) fn put(&self, event: Event) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(event);
    }

    pub(super) fn take(&self) -> Option<Event> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

/// The body of a streamed answer.
pub(super) struct EventStream {
    outbox: Outbox,
    /// `None` when it has ended.
    work: Option<Work>,
    heartbeat: Interval,
    id: RequestId,
    metrics: Arc<Metrics>,
    _open: LevelGuard,
}

impl EventStream {
    pub(super) fn new(outbox: Outbox, work: Work, id: RequestId, metrics: Arc<Metrics>) -> Self {
        Self {
            outbox,
            work: Some(work),
            heartbeat: heartbeat(),
            id,
            _open: metrics.open_stream(),
            metrics,
        }
    }

    fn next_frame(&mut self) -> Option<Bytes> {
        let event = self.outbox.take()?;
        self.heartbeat.reset();
        Some(frame(&event))
    }

    fn end(&mut self, result: Result<Summary, Refusal>) {
        self.work = None;
        self.outbox.put(match result {
            Ok(summary) => Event::Completed(summary),
            Err(refusal) => {
                self.metrics.refused(refusal.code);
                tracing::info!(request.id = %self.id, code = refusal.code.as_str(), "stream ended in an error");
                Event::Error(refusal.problem(self.id.as_str()))
            }
        });
    }
}

impl Stream for EventStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The work may have told events before its first poll here.
        if let Some(frame) = self.next_frame() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let polled = self.work.as_mut().map(|work| work.as_mut().poll(context));
        match polled {
            None => return Poll::Ready(None),
            Some(Poll::Ready(result)) => self.end(result),
            Some(Poll::Pending) => {}
        }
        if let Some(frame) = self.next_frame() {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.heartbeat
            .poll_tick(context)
            .map(|_| Some(Ok(Bytes::from_static(HEARTBEAT))))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if self.work.is_some() {
            self.metrics.cancelled(Route::Summaries);
        }
    }
}

/// `event:`, `data:` and the empty line that ends them.
pub(super) fn frame(event: &Event) -> Bytes {
    let mut frame = String::new();
    // These types always serialise, and writing into a string cannot fail.
    let _ = write!(
        frame,
        "event: {}\ndata: {}\n\n",
        event.name(),
        event.data().unwrap_or_default()
    );
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderMap;
    use api::{Code, Delta, Field};
    use futures_util::StreamExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn delta(text: &str) -> Event {
        Event::Delta(Delta {
            field: Field::Title,
            text: text.into(),
        })
    }

    fn stream(
        outbox: Outbox,
        work: impl Future<Output = Result<Summary, Refusal>> + 'static,
    ) -> EventStream {
        let id = RequestId::of(&HeaderMap::new());
        EventStream::new(outbox, Box::pin(work), id, Arc::default())
    }

    async fn text(stream: &mut EventStream) -> String {
        String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_as_frames_and_the_error_last() {
        let outbox = Outbox::default();
        let work = {
            let outbox = outbox.clone();
            async move {
                outbox.put(delta("Line\nbreak"));
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(Refusal::new(Code::Overloaded, "busy"))
            }
        };
        let mut stream = stream(outbox, work);
        assert_eq!(
            text(&mut stream).await,
            "event: delta\ndata: {\"field\":\"title\",\"text\":\"Line\\nbreak\"}\n\n"
        );
        assert!(text(&mut stream).await.starts_with("event: error\ndata: {"));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_kept_alive() {
        let began = Instant::now();
        let mut stream = stream(Outbox::default(), std::future::pending());
        for _ in 0..3 {
            assert_eq!(text(&mut stream).await, ":\n\n");
        }
        assert!(began.elapsed() <= Duration::from_secs(3 * HEARTBEAT_SECONDS));
    }

    #[tokio::test]
    async fn dropping_the_stream_drops_the_work() {
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Flag(dropped.clone());
        let mut stream = stream(Outbox::default(), async move {
            let _flag = flag;
            std::future::pending().await
        });
        assert!(futures_util::poll!(stream.next()).is_pending());
        drop(stream);
        assert!(dropped.load(Ordering::Relaxed));
    }
}
