//! Ctrl-C and termination: the first ends the run gracefully, the second at once.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::watch;

use crate::executor::Halt;

/// Turns signals into halts until dropped, and notes that there was one. Where the system gives no
/// signals, nothing happens.
pub async fn listen(halt: watch::Sender<Halt>, interrupted: Rc<Cell<bool>>) {
    loop {
        next().await;
        interrupted.set(true);
        halt.send_modify(|state| {
            *state = match state {
                Halt::Run => Halt::Graceful,
                Halt::Graceful | Halt::Now => Halt::Now,
            };
        });
    }
}

/// The next SIGINT, SIGTERM or SIGHUP.
#[cfg(unix)]
async fn next() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// The next Ctrl-C.
#[cfg(not(unix))]
async fn next() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
