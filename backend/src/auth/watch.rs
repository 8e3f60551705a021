//! The thread that notices changes by other processes and writes last uses and new hashes, off every request's way.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::keys::Keys;

/// How often the store is asked; a change counts after at most this and the asking itself.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks between two writings of last uses: a minute.
const WRITE_AFTER_LOOKS: u32 = 240;

/// Looks between two counts of keys with an earlier pepper: five seconds.
const COUNT_AFTER_LOOKS: u32 = 20;

/// Ends its thread when it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(keys: Arc<Keys>) -> Self {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            let mut looks = 0;
            while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                keys.refresh();
                keys.write_rehashed();
                if looks % COUNT_AFTER_LOOKS == 0 {
                    keys.count_earlier();
                }
                looks += 1;
                if looks == WRITE_AFTER_LOOKS {
                    looks = 0;
                    keys.write_uses();
                }
            }
            keys.write_uses();
        };
        let thread = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(run);
        if let Err(error) = &thread {
            // Without it a revocation by another process would count only when a key's time in memory is over.
            tracing::error!(%error, "changes of keys by other processes cannot be watched");
        }
        Self {
            stop: Some(stop),
            thread: thread.ok(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}
