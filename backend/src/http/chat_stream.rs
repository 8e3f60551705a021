//! Pieces of a conversation's answer to `text/event-stream` as OpenAI's clients read it. Dropping the stream drops the work.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Interval;

use super::sse::{HEARTBEAT, heartbeat};
use crate::telemetry::{LevelGuard, Metrics, Route};

/// The line behind the last chunk.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// Writes the frames and ends.
pub(super) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Where the work puts its frames.
#[derive(Clone)]
pub(super) struct Frames(pub(super) UnboundedSender<Bytes>);

impl Frames {
    /// A chunk or an error.
    pub(super) fn put(&self, data: &impl Serialize) {
        // These types always serialise; a reader that has left drops the work as well.
        let json = serde_json::to_string(data).unwrap_or_default();
        let _ = self.0.send(format!("data: {json}\n\n").into());
    }

    /// The last line.
    pub(super) fn done(&self) {
        let _ = self.0.send(Bytes::from_static(DONE));
    }
}

/// The body of a streamed answer.
pub(super) struct ChatStream {
    /// What was there before the head was sent.
    first: Option<Bytes>,
    frames: UnboundedReceiver<Bytes>,
    /// `None` when it has ended.
    work: Option<Work>,
    heartbeat: Interval,
    metrics: Arc<Metrics>,
    _open: LevelGuard,
}

impl ChatStream {
    pub(super) fn new(
        first: Option<Bytes>,
        frames: UnboundedReceiver<Bytes>,
        work: Option<Work>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            first,
            frames,
            work,
            heartbeat: heartbeat(),
            _open: metrics.open_stream(),
            metrics,
        }
    }
}

impl Stream for ChatStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if let Some(work) = self.work.as_mut()
            && work.as_mut().poll(context).is_ready()
        {
            self.work = None;
        }
        match self.frames.poll_recv(context) {
            Poll::Ready(Some(frame)) => {
                self.heartbeat.reset();
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            // Whoever still holds a sender has nothing more to say.
            Poll::Pending if self.work.is_none() => return Poll::Ready(None),
            Poll::Pending => {}
        }
        self.heartbeat
            .poll_tick(context)
            .map(|_| Some(Ok(Bytes::from_static(HEARTBEAT))))
    }
}

impl Drop for ChatStream {
    fn drop(&mut self) {
        if self.work.is_some() {
            self.metrics.cancelled(Route::Chat);
        }
    }
}
