//! `loadrun.redis`: commands that read like blocking calls.
//!
//! `local value, err = cache:get("cart:7")`: a value is what the server replied, a missing key is
//! `nil` without an error, and a failure is the second value, never raised; a wrong call raises at
//! the caller's line. As with HTTP this is a hot path: a call costs one lookup of its series, one
//! request and one reply.

mod commands;
mod script;
mod settings;
mod subscription;
mod value;

use std::rc::Rc;

use mlua::{Lua, MultiValue, UserData, UserDataFields, UserDataMethods, UserDataRef, Value};

use crate::client::redis::{Address, Client, Command, Connections, Exchange, Interest, Request};
use crate::script::calls::strike;
use crate::script::context::{Context, UserState};
use crate::script::coroutine;
use crate::script::failed::Failed;
use crate::script::measure::{Meant, Operation, Thing};
use crate::script::naming::Naming;
use crate::script::options::{self, shown};
use crate::script::own;
use crate::script::traceback::misuse;
use crate::wire::frame::Protocol;

use commands::{COMMANDS, CallOptions};
use subscription::Wanted;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &[
    "Client:append",
    "Client:blpop",
    "Client:brpop",
    "Client:command",
    "Client:dbsize",
    "Client:decr",
    "Client:decrby",
    "Client:del",
    "Client:eval",
    "Client:exists",
    "Client:expire",
    "Client:flushdb",
    "Client:get",
    "Client:getdel",
    "Client:getex",
    "Client:hdel",
    "Client:hexists",
    "Client:hget",
    "Client:hgetall",
    "Client:hincrby",
    "Client:hkeys",
    "Client:hlen",
    "Client:hmget",
    "Client:hset",
    "Client:hvals",
    "Client:incr",
    "Client:incrby",
    "Client:incrbyfloat",
    "Client:info",
    "Client:llen",
    "Client:lpop",
    "Client:lpush",
    "Client:lrange",
    "Client:lrem",
    "Client:ltrim",
    "Client:mget",
    "Client:mset",
    "Client:persist",
    "Client:pexpire",
    "Client:ping",
    "Client:pipeline",
    "Client:psubscribe",
    "Client:pttl",
    "Client:publish",
    "Client:rpop",
    "Client:rpush",
    "Client:sadd",
    "Client:scan",
    "Client:scard",
    "Client:script",
    "Client:set",
    "Client:setex",
    "Client:setnx",
    "Client:sismember",
    "Client:smembers",
    "Client:spop",
    "Client:srem",
    "Client:strlen",
    "Client:subscribe",
    "Client:transaction",
    "Client:ttl",
    "Client:type",
    "Client:unlink",
    "Client:xack",
    "Client:xadd",
    "Client:xdel",
    "Client:xgroup",
    "Client:xlen",
    "Client:xrange",
    "Client:xread",
    "Client:xreadgroup",
    "Client:xtrim",
    "Client:zadd",
    "Client:zcard",
    "Client:zcount",
    "Client:zincrby",
    "Client:zpopmin",
    "Client:zrange",
    "Client:zrank",
    "Client:zrem",
    "Client:zscore",
    "Script:run",
    "Subscription:close",
    "Subscription:messages",
    "Subscription:receive",
    "client",
];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("client", lua.create_function(client)?)?;
    Ok(Value::Table(table))
}

fn client(lua: &Lua, options: Value) -> mlua::Result<Caller> {
    let context = Context::of(lua)?;
    context.may_declare(lua, "redis.client")?;
    let settings = settings::read(lua, &context, options)?;
    let client =
        Client::new(settings).map_err(|what| misuse(lua, format!("redis.client: {what}")))?;
    let name = own::name(&context, "redis.client").into();
    Ok(Caller { client, context, name })
}

/// Leads the connections of a client by way of what a fault may be on; what that is called, or why
/// there is no such way.
pub fn link(value: &Value) -> Option<Result<String, String>> {
    let caller = value.as_userdata()?.borrow::<Caller>().ok()?;
    let scheme = match &caller.client.settings().address {
        Address::Url(url) => url.split("://").next().unwrap_or_default(),
        Address::Service(_) => "redis",
    };
    if scheme.contains("unix") {
        let what = "a socket in the file system has no link; give the client a TCP address";
        return Some(Err(what.to_owned()));
    }
    let framed = (!scheme.starts_with("rediss")).then_some(Protocol::Redis);
    caller.client.disturb(own::link(&caller.context, &caller.name, framed));
    Some(Ok(caller.name.as_ref().to_owned()))
}

/// The client object of scripts.
#[derive(Clone)]
struct Caller {
    client: Rc<Client>,
    context: Rc<Context>,
    /// What results call it.
    name: Rc<str>,
}

/// A call that is ready to be sent.
struct Begun {
    client: Rc<Client>,
    context: Rc<Context>,
    user: Rc<UserState>,
    request: Request,
    /// Whether a flat list in the reply means keys and values.
    paired: bool,
    /// Where its sample goes; `None` where calls are not measured.
    operation: Option<Rc<Operation>>,
}

/// The value and the failure of a call.
type Outcome = (Value, Option<Failed>);

impl UserData for Caller {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("script", |lua, this, text: Value| script::Kept::new(lua, this, &text));
    }

    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        for (name, interest) in
            [("psubscribe", Interest::Patterns), ("subscribe", Interest::Channels)]
        {
            coroutine::method(
                fields,
                name,
                move |lua, this, args: MultiValue| Wanted::read(&this, lua, name, interest, args),
                |wanted, _| wanted.subscribe(),
            );
        }
        for (name, words) in COMMANDS {
            coroutine::method(
                fields,
                name,
                |lua, this, args: MultiValue| this.named(lua, name, words, args),
                run,
            );
        }
        let command = |lua: &Lua, this: UserDataRef<Self>, args| this.command(lua, args);
        coroutine::method(fields, "command", command, run);
        for (name, make) in [
            ("pipeline", Request::pipeline as fn(Vec<Command>) -> Request),
            ("transaction", Request::transaction),
        ] {
            coroutine::method(
                fields,
                name,
                move |lua, this, list: Value| this.several(lua, name, make, &list),
                run,
            );
        }
    }
}

impl Caller {
    /// A method that is a command.
    fn named(
        &self,
        lua: &Lua,
        name: &str,
        words: &'static str,
        mut args: MultiValue,
    ) -> mlua::Result<Begun> {
        let user = self.may_wait(lua, name)?;
        let wrong = |what: String| misuse(lua, format!("redis:{name}: {what}"));
        let options = commands::options(&mut args).map_err(wrong)?;
        let mut command = Command::new(words);
        commands::fill(&mut command, args.iter()).map_err(wrong)?;
        Ok(self.begin(user, words, Request::single(command), &options))
    }

    /// Any command, by its name.
    fn command(&self, lua: &Lua, mut args: MultiValue) -> mlua::Result<Begun> {
        let user = self.may_wait(lua, "command")?;
        let wrong = |what: String| misuse(lua, format!("redis:command: {what}"));
        let options = commands::options(&mut args).map_err(wrong)?;
        let words = commands::words(args.iter(), self.has_own_connections()).map_err(wrong)?;
        let mut command = Command::new(&words);
        commands::fill(&mut command, args.iter().skip(1)).map_err(wrong)?;
        Ok(self.begin(user, &words, Request::single(command), &options))
    }

    /// Several commands at once: a list of lists, and options among them.
    fn several(
        &self,
        lua: &Lua,
        name: &'static str,
        make: fn(Vec<Command>) -> Request,
        list: &Value,
    ) -> mlua::Result<Begun> {
        let user = self.may_wait(lua, name)?;
        let wrong = |what: String| misuse(lua, format!("redis:{name}: {what}"));
        let form = "expected a list such as `{ { \"SET\", \"a\", 1 }, { \"GET\", \"a\" } }`";
        let Value::Table(list) = list else {
            return Err(wrong(format!("{form}, got {}", shown(list))));
        };
        if !commands::is_list(list) {
            return Err(wrong(format!("{form}, got a table without commands")));
        }
        let options = commands::call_options(list, &["name", "tags", "timeout"]).map_err(wrong)?;
        let items = options::items_among_options(list).map_err(wrong)?;
        let mut all = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            let numbered = |what: String| wrong(format!("command {}: {what}", at + 1));
            let Value::Table(item) = item else {
                return Err(numbered("expected a list such as `{ \"SET\", \"a\", 1 }`".to_owned()));
            };
            let words = options::items(&item).map_err(numbered)?;
            let word = commands::words(words.iter(), false).map_err(numbered)?;
            let mut command = Command::new(&word);
            commands::fill(&mut command, words.iter().skip(1)).map_err(numbered)?;
            all.push(command);
        }
        Ok(self.begin(user, name, make(all), &options))
    }

    fn may_wait(&self, lua: &Lua, name: &str) -> mlua::Result<Rc<UserState>> {
        match self.context.user() {
            Some(user) => Ok(user),
            None => self.context.may_wait(lua, &format!("redis:{name}")),
        }
    }

    /// Which server a script with these keys runs on, as far as that is known.
    fn home(&self, keys: &Value) -> Option<usize> {
        self.client.home(|| match keys {
            Value::Table(keys) => {
                let first: Option<mlua::LuaString> = keys.raw_get(1).ok()?;
                first.map(|key| key.as_bytes().to_vec())
            }
            _ => None,
        })
    }

    fn has_own_connections(&self) -> bool {
        self.client.settings().connections == Connections::User
    }

    /// What is left to do before a call is sent. `command` is what it is measured as.
    fn begin(
        &self,
        user: Rc<UserState>,
        command: &str,
        mut request: Request,
        options: &CallOptions,
    ) -> Begun {
        request.timeout = options.timeout;
        let operation = operation(&self.context, &user, command, options);
        let (client, context) = (Rc::clone(&self.client), Rc::clone(&self.context));
        let paired = command == "HGETALL";
        Begun { client, context, user, request, paired, operation }
    }
}

/// Where the sample of a call goes; `None` where calls are not measured.
fn operation(
    context: &Context,
    user: &UserState,
    command: &str,
    options: &CallOptions,
) -> Option<Rc<Operation>> {
    user.measured.get().then(|| {
        let name = options.name.as_ref().map(mlua::LuaString::as_bytes);
        let naming = Naming::Command(command, name.as_deref());
        let mut recorder = context.recorder.borrow_mut();
        user.scenario.operation(&mut recorder, Thing::Redis, naming, &options.tags)
    })
}

#[expect(clippy::manual_async_fn, reason = "an async fn keeps what it is given twice")]
fn run(begun: Begun, lua: Lua) -> impl Future<Output = mlua::Result<Outcome>> {
    async move { outcome(&lua, exchanged(&begun).await, begun.paired) }
}

/// Sends what was begun, and records what came of it.
async fn exchanged(begun: &Begun) -> Exchange {
    let Begun { client, context, user, request, paired: _, operation } = begun;
    let meant = Meant::new(context, user, operation.is_some());
    let exchange = match operation.as_ref().and_then(|operation| operation.dangers.meet(user)) {
        None => client.send(&user.redis, request).await,
        Some(effect) => {
            let limit = client.limit(request);
            Box::pin(strike(effect, limit, client.send(&user.redis, request))).await
        }
    };
    if let Some(operation) = operation {
        let made = meant.moment(context, exchange.started);
        let counted = operation.replied(&mut context.recorder.borrow_mut(), made, &exchange);
        context.counted(counted);
    }
    context.exhausted.update(|calls| calls + u64::from(exchange.exhausted));
    exchange
}

/// What came of a call, for the script.
fn outcome(lua: &Lua, exchange: Exchange, paired: bool) -> mlua::Result<Outcome> {
    let Exchange { value, error, .. } = exchange;
    let value = if paired { value::paired(value) } else { value };
    Ok((value::lua_value(lua, value)?, error.map(Failed)))
}
