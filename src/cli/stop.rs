//! Signals: when a command that serves is told to end, and one that ends nothing.

use std::future::Future;
use std::io;

use rustix::process::Signal;
use tokio::runtime::Builder;
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

/// From now on a signal does nothing to this process; what it starts has its own way with it.
pub(super) fn ignore(signal: Signal) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    // It stays caught when nobody waits for it.
    catch(SignalKind::from_raw(signal.as_raw())).map(drop)
}
