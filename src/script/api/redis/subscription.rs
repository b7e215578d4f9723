//! `client:subscribe` and what it gives: messages as they come.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mlua::{Function, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields};
use mlua::{UserDataMethods, Value};
use tokio::time::{Instant, timeout_at};

use super::commands::{self, CallOptions};
use super::{Caller, operation};
use crate::client::Failure;
use crate::client::redis::{Exchange, Interest, Message, Subscription, Value as Reply};
use crate::script::call::Call;
use crate::script::context::{Context, UserState};
use crate::script::coroutine;
use crate::script::failed::Failed;
use crate::script::measure::{Meant, Operation};
use crate::script::options;
use crate::script::traceback::misuse;

/// A subscription that is to be made.
pub(super) struct Wanted {
    caller: Caller,
    user: Rc<UserState>,
    interest: Interest,
    channels: Vec<Vec<u8>>,
    options: CallOptions,
    operation: Option<Rc<Operation>>,
}

impl Wanted {
    /// What a script asked for.
    pub(super) fn read(
        caller: &Caller,
        lua: &Lua,
        name: &str,
        interest: Interest,
        mut args: MultiValue,
    ) -> mlua::Result<Self> {
        let user = caller.may_wait(lua, name)?;
        let wrong = |what: String| misuse(lua, format!("redis:{name}: {what}"));
        let options: CallOptions = commands::options(&mut args).map_err(wrong)?;
        let channels: Result<Vec<_>, _> = args.iter().map(options::bytes).collect();
        let channels = channels.map_err(wrong)?;
        if channels.is_empty() {
            return Err(wrong("expected the names of channels, got none".to_owned()));
        }
        let operation = operation(&caller.context, &user, interest.command(), &options);
        Ok(Self { caller: caller.clone(), user, interest, channels, options, operation })
    }

    /// Subscribes, and records what came of it as a call.
    pub(super) async fn subscribe(self) -> mlua::Result<(Option<Listener>, Option<Failed>)> {
        let Self { caller, user, interest, channels, options, operation } = self;
        let context = Rc::clone(&caller.context);
        let meant = Meant::new(&context, &user, operation.is_some());
        let (exchange, made) = caller.client.subscribe(&user.redis, interest, &channels).await;
        record(&context, &meant, operation.as_ref(), &exchange);
        let state = |made| RefCell::new(State::Open(made));
        let listener = made.map(|made| Listener { context, interest, options, state: state(made) });
        Ok((listener, exchange.error.map(Failed)))
    }
}

fn record(
    context: &Context,
    meant: &Meant,
    operation: Option<&Rc<Operation>>,
    exchange: &Exchange,
) {
    if let Some(operation) = operation {
        let made = meant.moment(context, exchange.started);
        let counted = operation.replied(&mut context.recorder.borrow_mut(), made, exchange);
        context.counted(counted);
    }
    context.exhausted.update(|calls| calls + u64::from(exchange.exhausted));
}

/// A subscription in a script's hands.
pub(super) struct Listener {
    context: Rc<Context>,
    interest: Interest,
    options: CallOptions,
    state: RefCell<State>,
}

/// What has become of a subscription.
enum State {
    Open(Subscription),
    /// Somebody is waiting for its next message.
    Lent,
    Lost(Failure),
    Closed,
}

impl UserData for Listener {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        coroutine::method(
            fields,
            "receive",
            |lua, this, limit: Value| {
                let limit = limit_of(lua, "receive", &limit)?;
                let taken = this.take(lua, "receive")?;
                Ok((this, taken, limit))
            },
            |(this, taken, limit), lua| async move {
                match this.next(taken, limit).await {
                    Ok(Some(message)) => Ok((Some(this.table(&lua, &message)?), None)),
                    Ok(None) => Ok((None, None)),
                    Err(failure) => Ok((None, Some(Failed(failure)))),
                }
            },
        );
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_function("messages", |lua, (this, limit): (mlua::AnyUserData, Value)| {
            limit_of(lua, "messages", &limit)?;
            messages(lua, this, limit)
        });
        methods.add_method("close", |_, this, ()| {
            this.state.replace(State::Closed);
            Ok(())
        });
        methods.add_meta_method(MetaMethod::Close, |_, this, _: MultiValue| {
            this.state.replace(State::Closed);
            Ok(())
        });
    }
}

/// How long is waited; `None` for as long as it takes.
fn limit_of(lua: &Lua, method: &'static str, limit: &Value) -> mlua::Result<Option<Duration>> {
    Context::of(lua)?.may_wait(lua, &format!("subscription:{method}"))?;
    match limit {
        Value::Nil => Ok(None),
        limit => Call::new(lua, "subscription:receive")
            .takes("limit", options::duration(limit))
            .map(Some),
    }
}

/// The iterator of a `for` loop: it ends when nothing came for so long, or nothing can come.
fn messages(lua: &Lua, this: mlua::AnyUserData, limit: Value) -> mlua::Result<Function> {
    let receive: Function = mlua::ObjectLike::get(&this, "receive")?;
    let code = "local receive, this, limit = ... \
                return function() return (receive(this, limit)) end";
    lua.load(code).set_name("=[lib redis]").call((receive, this, limit))
}

impl Listener {
    /// Takes the connection for one wait; a failure it has had is the answer from then on.
    fn take(&self, lua: &Lua, method: &str) -> mlua::Result<Result<Subscription, Failure>> {
        let mut state = self.state.borrow_mut();
        match std::mem::replace(&mut *state, State::Lent) {
            State::Open(subscription) => Ok(Ok(subscription)),
            State::Lost(failure) => {
                *state = State::Lost(failure.clone());
                Ok(Err(failure))
            }
            State::Lent => {
                let what = "is waiting for a message already";
                Err(misuse(lua, format!("subscription:{method}: {what}")))
            }
            State::Closed => {
                *state = State::Closed;
                Err(misuse(lua, format!("subscription:{method}: it is closed")))
            }
        }
    }

    /// The next message; `None` when none came within the limit.
    async fn next(
        &self,
        taken: Result<Subscription, Failure>,
        limit: Option<Duration>,
    ) -> Result<Option<Message>, Failure> {
        let mut subscription = taken?;
        let begun = Instant::now();
        let received = match limit {
            None => subscription.receive().await.map(Some),
            Some(limit) => match timeout_at(begun + limit, subscription.receive()).await {
                Ok(received) => received.map(Some),
                Err(_) => Ok(None),
            },
        };
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::Closed) {
            return Ok(None);
        }
        *state = match &received {
            Ok(_) => State::Open(subscription),
            Err(failure) => State::Lost(failure.clone()),
        };
        drop(state);
        if let (Err(failure), Some(operation)) = (&received, self.operation()) {
            let lost = Exchange {
                value: Reply::Nil,
                error: Some(failure.clone()),
                started: begun,
                duration: begun.elapsed(),
                wait: None,
                connects: 0,
                refused: 0,
                commands: 0,
                redirects: 0,
                exhausted: false,
            };
            let made = self.context.world.moment(begun);
            let counted = operation.replied(&mut self.context.recorder.borrow_mut(), made, &lost);
            self.context.counted(counted);
        }
        received
    }

    /// Where it is counted that the connection was lost: with the call that made it, which may have
    /// been in `init`, where calls are not counted.
    fn operation(&self) -> Option<Rc<Operation>> {
        let user = self.context.user()?;
        operation(&self.context, &user, self.interest.command(), &self.options)
    }

    fn table(&self, lua: &Lua, message: &Message) -> mlua::Result<Table> {
        let table = lua.create_table_with_capacity(0, 4)?;
        table.raw_set("channel", lua.create_string(&message.channel)?)?;
        table.raw_set("text", lua.create_string(&message.text)?)?;
        if let Some(pattern) = &message.pattern {
            table.raw_set("pattern", lua.create_string(pattern)?)?;
        }
        let since = message.received.saturating_duration_since(self.context.world.made);
        table.raw_set("received", since.as_secs_f64())?;
        Ok(table)
    }
}
