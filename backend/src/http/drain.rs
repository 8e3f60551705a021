//! Stopping without dropping anybody: no new work, and the running work ends.

use std::sync::Arc;
use std::time::Duration;

use api::Code;
use tokio::sync::watch;

use crate::refusal::Refusal;

/// Whether the server is stopping, and how many requests are inside. A clone is the same.
#[derive(Debug, Clone)]
pub struct Drain(Arc<watch::Sender<Status>>);

#[derive(Debug, Clone, Copy, Default)]
struct Status {
    draining: bool,
    inside: usize,
}

/// One request that is inside until this is dropped.
#[derive(Debug)]
pub(super) struct Work(Arc<watch::Sender<Status>>);

impl Default for Drain {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Status::default())))
    }
}

impl Drain {
    /// Whether new work is refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.borrow().draining
    }

    /// Refuses new work from now on.
    pub fn begin(&self) {
        self.0.send_modify(|status| status.draining = true);
    }

    /// Waits until new work is refused.
    pub async fn begun(&self) {
        // The sender is ours: this only ends when it is so.
        let _ = self.0.subscribe().wait_for(|status| status.draining).await;
    }

    /// Waits until nobody is inside, at most `patience`. Gives how many are left.
    pub async fn empty(&self, patience: Duration) -> usize {
        let mut status = self.0.subscribe();
        let empty = status.wait_for(|status| status.inside == 0);
        if tokio::time::timeout(patience, empty).await.is_ok() {
            0
        } else {
            self.0.borrow().inside
        }
    }

    pub(super) fn work(&self) -> Work {
        self.0.send_modify(|status| status.inside += 1);
        Work(self.0.clone())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.send_modify(|status| status.inside -= 1);
    }
}

pub(super) fn refusal() -> Refusal {
    let detail = "The server is stopping; send the request again in a moment.";
    Refusal::new(Code::Draining, detail).retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_those_inside_and_not_for_ever() {
        let drain = Drain::default();
        assert_eq!(drain.empty(Duration::ZERO).await, 0);
        let work = drain.work();
        drain.begin();
        assert!(drain.is_draining());
        assert_eq!(drain.empty(Duration::from_secs(30)).await, 1);
        drop(work);
        assert_eq!(drain.empty(Duration::from_secs(30)).await, 0);
    }
}
