//! When a command that serves is told to end.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal as catch};

/// Completes at SIGTERM, Ctrl-C or SIGHUP, all of which are caught from the moment of the call.
pub(super) fn signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = catch(SignalKind::terminate())?;
    let mut interrupt = catch(SignalKind::interrupt())?;
    let mut hangup = catch(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
