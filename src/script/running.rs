//! A call of a module that waits, under way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A call under way, in a box that is given back the moment the call ends. mlua leaves a finished
/// future to Lua's collector, which comes late because it takes a future for a few bytes.
pub(super) struct Running<T>(Option<Pin<Box<dyn Future<Output = mlua::Result<T>>>>>);

impl<T: 'static> Running<T> {
    /// Goes on with what was begun well; what was not ends at once.
    pub(super) fn new<B, F>(begun: mlua::Result<B>, go_on: impl FnOnce(B) -> F) -> Self
    where
        F: Future<Output = mlua::Result<T>> + 'static,
    {
        Self(Some(match begun {
            Ok(begun) => Box::pin(go_on(begun)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }))
    }
}

impl<T> Future for Running<T> {
    type Output = mlua::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = self.0.as_mut() else {
            return Poll::Pending;
        };
        let polled = call.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}
