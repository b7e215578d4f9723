//! Coroutines, and the functions of modules that wait.
//!
//! A function that waits is three steps. Its Rust half says at once what is wrong with the call, and
//! leaves the rest of it, a future, with the Lua state; its Lua half yields; whoever drives the
//! coroutine ([`Coroutine`]) polls that future and resumes the coroutine with what came of it. So a
//! call costs Lua one yield and one resume, however often it is polled, and its future is Rust's: it
//! is gone the moment the call or its user has ended, with the connection it may hold, and never
//! waits for Lua's collector.
//!
//! mlua's own async functions poll from within Lua and leave a finished future to the collector: with
//! them a scripted GET took 13 % more instructions, and what waited for a connection could wait for
//! Lua.
//!
//! Invariant: nothing yields but these functions. Scripts have no coroutines of their own, which would
//! swallow the yields of a call. Not every call that has begun comes to yield: where Lua forbids it, as
//! in a handler of `xpcall` or while a variable is closed, it raises, and what was left is dropped.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll, ready};

use mlua::{Either, FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Thread};
use mlua::{UserData, UserDataFields, UserDataRef, Value};

use super::context::Context;
use super::mistakes;
use super::options::shown;
use super::stall;
use super::traceback::{misuse, placed};

/// Finished coroutines kept for reuse.
const SPARE: usize = 4096;

/// The Lua half of a function that waits. A failed wait raises where the script called.
const WAITS: &str = "
local yield, raise = ...
local function settle(wrong, ...)
  if wrong then raise(wrong) end
  return ...
end
return function(begin)
  return function(...)
    begin(...)
    return settle(yield())
  end
end
";

/// The rest of a call that has begun: any future whose output Lua can have.
trait Rest {
    /// Polls it; once it has ended, resumes the coroutine with what came of it, and gives what the
    /// coroutine returned or, having come to its next wait, nothing.
    fn go_on(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        thread: &Thread,
    ) -> Poll<mlua::Result<MultiValue>>;
}

impl<W, R> Rest for W
where
    W: Future<Output = mlua::Result<R>>,
    R: IntoLuaMulti,
{
    fn go_on(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        thread: &Thread,
    ) -> Poll<mlua::Result<MultiValue>> {
        Poll::Ready(match ready!(self.poll(cx)) {
            Ok(came) => match resume(thread, (Value::Nil, came)) {
                // It could not be made into Lua, and the coroutine has not heard of it yet.
                Err(wrong) if thread.is_resumable() => {
                    resume(thread, Value::Error(Box::new(wrong)))
                }
                resumed => resumed,
            },
            Err(wrong) => resume(thread, Value::Error(Box::new(wrong))),
        })
    }
}

/// Resumes a coroutine, and stops it when it stalls.
fn resume(thread: &Thread, with: impl IntoLuaMulti) -> mlua::Result<MultiValue> {
    stall::running(thread, || thread.resume(with))
}

/// What the coroutines of a Lua state have in common.
#[derive(Default)]
pub(super) struct Coroutines {
    /// Finished ones, to be used again.
    spare: RefCell<Vec<Thread>>,
    /// What the coroutine that is just yielding waits for.
    left: RefCell<Option<Pin<Box<dyn Rest>>>>,
    /// Makes a function that waits of its Rust half.
    waits: OnceCell<Function>,
}

impl Coroutines {
    /// A coroutine that will call the function.
    fn take(&self, lua: &Lua, function: Function) -> mlua::Result<Thread> {
        match self.spare.borrow_mut().pop() {
            Some(thread) => thread.reset(function).map(|()| thread),
            None => lua.create_thread(function),
        }
    }

    /// Keeps a coroutine that has come to its end.
    fn keep(&self, thread: Thread) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(thread);
        }
    }

    /// Closes what a coroutine that ends before its end has open.
    fn close(&self, thread: &Thread) {
        // Resetting it does that, and some function has to be named for what it would run next. Where
        // it ended with an error, that comes out again, and is known.
        if let Some(any) = self.waits.get() {
            let _ = stall::running(thread, || thread.reset(any.clone()));
        }
        // What is closed may have begun a call, and cannot wait for it.
        let left = self.left.take();
        drop(left);
    }

    fn waits(&self, lua: &Lua) -> mlua::Result<&Function> {
        if let Some(waits) = self.waits.get() {
            return Ok(waits);
        }
        let library: mlua::Table = lua.globals().raw_get("coroutine")?;
        let raise =
            lua.create_function(|lua, wrong: mlua::Error| Err::<(), _>(placed(lua, wrong)))?;
        let made = lua.load(WAITS).set_name("=[lib wait]");
        let made = made.call((library.raw_get::<Function>("yield")?, raise))?;
        Ok(self.waits.get_or_init(|| made))
    }
}

/// A function that waits: `begin` says what is wrong with a call while its line is being run, `go_on`
/// does the rest.
pub(super) fn function<A, B, W, R>(
    lua: &Lua,
    begin: impl Fn(&Lua, A) -> mlua::Result<B> + 'static,
    go_on: impl Fn(B, Lua) -> W + 'static,
) -> mlua::Result<Function>
where
    A: FromLuaMulti,
    W: Future<Output = mlua::Result<R>> + 'static,
    R: IntoLuaMulti,
{
    let context = Context::of(lua)?;
    let shared = Rc::clone(&context);
    let half = lua.create_function(move |lua, args: A| {
        let begun = begin(lua, args)?;
        shared.coroutines.left.replace(Some(Box::pin(go_on(begun, lua.clone()))));
        Ok(())
    })?;
    context.coroutines.waits(lua)?.call(half)
}

/// A method that waits, like [`function`].
pub(super) fn method<T, A, B, W, R>(
    fields: &mut impl UserDataFields<T>,
    name: &'static str,
    begin: impl Fn(&Lua, UserDataRef<T>, A) -> mlua::Result<B> + 'static,
    go_on: impl Fn(B, Lua) -> W + 'static,
) where
    T: UserData + 'static,
    A: FromLuaMulti + 'static,
    B: 'static,
    W: Future<Output = mlua::Result<R>> + 'static,
    R: IntoLuaMulti + 'static,
{
    let make = move |lua: &Lua| {
        let begin = move |lua: &Lua, (this, args): (Either<UserDataRef<T>, Value>, A)| match this {
            Either::Left(this) => begin(lua, this, args),
            Either::Right(other) => {
                let form = format!("expected a call with a colon, `x:{name}(...)`");
                let what = format!("{name}: {form}, got {} before it", shown(&other));
                Err(misuse(lua, what))
            }
        };
        mistakes::guarded(lua, function(lua, begin, go_on)?)
    };
    fields.add_field(name, Method(make));
}

/// A method that is made once its class is known to Lua.
struct Method<F>(F);

impl<F: FnOnce(&Lua) -> mlua::Result<Function>> IntoLua for Method<F> {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        (self.0)(lua).map(Value::Function)
    }
}

/// A function that runs as a coroutine; what it returns is what this comes to.
pub(super) struct Coroutine {
    context: Rc<Context>,
    /// `None` once it has ended; an error where it could not be made.
    thread: Option<mlua::Result<Thread>>,
    due: Due,
}

/// What a coroutine is resumed with.
enum Due {
    /// The first time, with the argument of its function.
    Argument(Value),
    Rest(Pin<Box<dyn Rest>>),
}

impl Coroutine {
    /// A call of the function with one argument; it begins when it is first polled.
    pub(super) fn new(
        lua: &Lua,
        context: &Rc<Context>,
        function: Function,
        argument: impl IntoLua,
    ) -> Self {
        let made = argument.into_lua(lua).and_then(|argument| {
            Ok((context.coroutines.take(lua, function)?, Due::Argument(argument)))
        });
        let (thread, due) = match made {
            Ok((thread, due)) => (Ok(thread), due),
            Err(error) => (Err(error), Due::Argument(Value::Nil)),
        };
        Self { context: Rc::clone(context), thread: Some(thread), due }
    }

    /// Gives up what is waited for, if anything, and takes the coroutine.
    fn end(&mut self) -> Option<mlua::Result<Thread>> {
        self.due = Due::Argument(Value::Nil);
        self.thread.take()
    }
}

impl Future for Coroutine {
    type Output = mlua::Result<MultiValue>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let returned = match (&this.thread, &mut this.due) {
                (None, _) => return Poll::Pending,
                (Some(Err(error)), _) => Err(error.clone()),
                (Some(Ok(thread)), Due::Rest(rest)) => ready!(rest.as_mut().go_on(cx, thread)),
                (Some(Ok(thread)), Due::Argument(argument)) => resume(thread, mem::take(argument)),
            };
            let left = this.context.coroutines.left.take();
            let yielded = matches!(&this.thread, Some(Ok(thread)) if thread.is_resumable());
            if let (Some(rest), true) = (left, yielded) {
                this.due = Due::Rest(rest);
                continue;
            }
            if let Some(Ok(thread)) = this.end() {
                let coroutines = &this.context.coroutines;
                if returned.is_ok() { coroutines.keep(thread) } else { coroutines.close(&thread) }
            }
            return Poll::Ready(returned);
        }
    }
}

impl Drop for Coroutine {
    /// What is waited for is given up, then to-be-closed variables are closed.
    fn drop(&mut self) {
        if let Some(Ok(thread)) = self.end() {
            self.context.coroutines.close(&thread);
        }
    }
}

/// The first of what a coroutine returned.
pub(super) fn first(mut returned: MultiValue) -> Value {
    returned.pop_front().unwrap_or_default()
}
