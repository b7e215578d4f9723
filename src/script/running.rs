//! A call of a module that waits, under way.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::context::UserState;

/// A future in a box.
type Boxed<T> = Pin<Box<dyn Future<Output = mlua::Result<T>>>>;

/// A call under way, in a box that is given back the moment the call or its user ends. mlua leaves a
/// future that has finished, or whose coroutine was ended, to Lua's collector, which comes late
/// because it takes a future for a few bytes; and what the future holds, such as a connection that
/// others wait for, with it. So the user holds the box too, and empties it when it is ended.
pub(super) struct Running<T> {
    call: Rc<RefCell<Option<Boxed<T>>>>,
    user: Option<Rc<UserState>>,
}

/// The calls of a user that are under way.
#[derive(Default)]
pub(super) struct UnderWay(RefCell<Vec<Rc<dyn Abandon>>>);

/// A box that can be emptied, whatever is in it.
trait Abandon {
    fn abandon(&self);
}

impl<T> Abandon for RefCell<Option<Boxed<T>>> {
    fn abandon(&self) {
        // In the middle of being polled it is not the user that ended.
        let call = self.try_borrow_mut().ok().and_then(|mut call| call.take());
        drop(call);
    }
}

impl UnderWay {
    /// Gives up what is under way.
    pub(super) fn abandon(&self) {
        for call in self.0.take() {
            call.abandon();
        }
    }
}

impl<T: 'static> Running<T> {
    /// Goes on with what was begun well; what was not ends at once.
    pub(super) fn new<B, F>(
        user: Option<Rc<UserState>>,
        begun: mlua::Result<B>,
        go_on: impl FnOnce(B) -> F,
    ) -> Self
    where
        F: Future<Output = mlua::Result<T>> + 'static,
    {
        let call: Boxed<T> = match begun {
            Ok(begun) => Box::pin(go_on(begun)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        };
        let call = Rc::new(RefCell::new(Some(call)));
        if let Some(user) = &user {
            user.under_way.0.borrow_mut().push(Rc::clone(&call) as Rc<dyn Abandon>);
        }
        Self { call, user }
    }
}

impl<T> Future for Running<T> {
    type Output = mlua::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut call = self.call.borrow_mut();
        let Some(under_way) = call.as_mut() else {
            return Poll::Pending;
        };
        let polled = under_way.as_mut().poll(cx);
        if polled.is_ready() {
            *call = None;
            drop(call);
            if let Some(user) = &self.user {
                let own = Rc::as_ptr(&self.call).cast::<()>();
                let mut all = user.under_way.0.borrow_mut();
                all.retain(|other| Rc::as_ptr(other).cast::<()>() != own);
            }
        }
        polled
    }
}
