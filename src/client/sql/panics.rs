//! Panics of the drivers. They come of what a target does, of a packet cut short or a row of another
//! schema, so they are a failure of the target's and no end of the run. Panics of our own go on.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;

use super::FailureKind;
use super::failure::Broken;

/// What a driver does on this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Driver {
    Away,
    AtWork,
    Panicked,
}

thread_local! {
    static DRIVER: Cell<Driver> = const { Cell::new(Driver::Away) };
}

/// What a driver does to its end; a panic of its is the failure of an answer nobody can read.
pub(super) fn driven<T>(
    mut work: Pin<&mut impl Future<Output = Result<T, Broken>>>,
) -> impl Future<Output = Result<T, Broken>> {
    poll_fn(move |context| {
        let polled = caught(|| work.as_mut().poll(context));
        polled.unwrap_or_else(|| {
            let what = "the server's answer is malformed";
            Poll::Ready(Err(Broken::lost(FailureKind::Protocol, what)))
        })
    })
}

/// What comes of it; `None` where the driver panicked.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    hush();
    let before = DRIVER.replace(Driver::AtWork);
    let done = catch_unwind(AssertUnwindSafe(work));
    let driver = DRIVER.replace(before);
    match done {
        Ok(done) => Some(done),
        Err(_) if driver == Driver::Panicked => None,
        Err(own) => resume_unwind(own),
    }
}

/// Has nothing said of a panic that its caller tells of.
pub(super) fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", Location::file);
            if DRIVER.get() != Driver::Away && is_of_a_driver(file) {
                DRIVER.set(Driver::Panicked);
            } else if !(file.contains("sqlx-sqlite") && file.ends_with("row.rs")) {
                // SQLite's own thread, and a row with more values than there were columns: whoever
                // waits for it tells.
                told(info);
            }
        }));
    });
}

fn is_of_a_driver(file: &str) -> bool {
    file.contains("sqlx-") || file.contains("/bytes-")
}
