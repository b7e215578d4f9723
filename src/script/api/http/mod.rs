//! `loadrun.http`: requests that read like blocking calls.
//!
//! An expected failure is a value (`reply.error == "timeout"`), never raised; a wrong call raises at
//! the caller's line. This is the hot path of the whole engine, so a call without options costs one
//! lookup of its series, one request and one reply, and the reply makes Lua values only of what the
//! script looks at.

mod options;
mod reply;
mod settings;

use std::rc::Rc;

use mlua::{Lua, LuaString, UserData, UserDataFields, Value};

use crate::client::http::{Base, Client, Exchange, Request, Settings, Version};
use crate::script::calls::strike;
use crate::script::context::{Context, UserState};
use crate::script::coroutine;
use crate::script::measure::{Meant, Operation, Thing};
use crate::script::naming::Naming;
use crate::script::options::shown;
use crate::script::own;
use crate::script::traceback::misuse;
use crate::wire::frame::Protocol;

use options::CallOptions;
use reply::Reply;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &[
    "Client:delete",
    "Client:get",
    "Client:head",
    "Client:options",
    "Client:patch",
    "Client:post",
    "Client:put",
    "Client:request",
    "client",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
];

/// What a script can read of a reply.
pub const REPLY: &[&str] = reply::FIELDS;

/// Method as a script writes it, as it is sent, and for messages.
const METHODS: &[(&str, &str, &str)] = &[
    ("delete", "DELETE", "http.delete"),
    ("get", "GET", "http.get"),
    ("head", "HEAD", "http.head"),
    ("options", "OPTIONS", "http.options"),
    ("patch", "PATCH", "http.patch"),
    ("post", "POST", "http.post"),
    ("put", "PUT", "http.put"),
];

/// Bytes of bodies after which unused replies are collected: Lua sees only their small handles.
const BODIES: u64 = 64 << 20;

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let context = Context::of(lua)?;
    let table = lua.create_table()?;
    let shared = Rc::new(Caller::new(lua, &context, Settings::default())?);
    for (name, method, call) in METHODS {
        let caller = Rc::clone(&shared);
        let function = coroutine::function(
            lua,
            move |lua, (target, opts): (Value, Value)| {
                caller.begin(lua, call, method, &target, &opts)
            },
            sent,
        )?;
        table.raw_set(*name, function)?;
    }
    let request = coroutine::function(
        lua,
        move |lua, (method, target, opts): (Value, Value, Value)| {
            let method = named_method(lua, &method)?;
            shared.begin(lua, "http.request", &method, &target, &opts)
        },
        sent,
    )?;
    table.raw_set("request", request)?;
    table.raw_set(
        "client",
        lua.create_function(move |lua, options: Value| {
            let context = Context::of(lua)?;
            context.may_declare(lua, "http.client")?;
            let mut caller = Caller::new(lua, &context, settings::read(lua, &context, options)?)?;
            caller.name = Some(own::name(&context, "http.client"));
            Ok(caller)
        })?,
    )?;
    Ok(Value::Table(table))
}

/// The client object of scripts.
struct Caller {
    client: Rc<Client>,
    context: Rc<Context>,
    /// What results call it, where it is of its own options.
    name: Option<String>,
}

/// A call that is ready to be sent.
struct Begun {
    client: Rc<Client>,
    context: Rc<Context>,
    user: Rc<UserState>,
    request: Request,
    /// Where its sample goes; `None` where calls are not measured.
    operation: Option<Rc<Operation>>,
}

impl UserData for Caller {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        for (name, method, call) in METHODS {
            coroutine::method(
                fields,
                name,
                |lua, this, (target, opts): (Value, Value)| {
                    this.begin(lua, call, method, &target, &opts)
                },
                sent,
            );
        }
        coroutine::method(
            fields,
            "request",
            |lua, this, (method, target, opts): (Value, Value, Value)| {
                let method = named_method(lua, &method)?;
                this.begin(lua, "http.request", &method, &target, &opts)
            },
            sent,
        );
    }
}

impl Caller {
    fn new(lua: &Lua, context: &Rc<Context>, settings: Settings) -> mlua::Result<Self> {
        let client =
            Client::new(settings).map_err(|what| misuse(lua, format!("http.client: {what}")))?;
        Ok(Self { client, context: Rc::clone(context), name: None })
    }

    /// Everything that can be wrong with a call, while the caller's line is still known.
    fn begin(
        &self,
        lua: &Lua,
        call: &'static str,
        method: &str,
        target: &Value,
        opts: &Value,
    ) -> mlua::Result<Begun> {
        let user = self.context.may_wait(lua, call)?;
        let wrong = |what: String| misuse(lua, format!("{call}: {what}"));
        let Value::String(target) = target else {
            let hint = "call it as `client:get(\"/path\")`";
            return Err(wrong(format!(
                "expected a path or URL, got {}\n  hint: {hint}",
                shown(target)
            )));
        };
        let target = text(target).map_err(wrong)?;
        let mut request = self.client.request(method, &target).map_err(wrong)?;
        let opts = CallOptions::read(opts, &mut request).map_err(wrong)?;
        let operation = user.measured.get().then(|| {
            let name = opts.name.as_ref().map(LuaString::as_bytes);
            let naming = match &name {
                Some(name) => Naming::Given(name),
                None => Naming::Made(method, target.as_bytes()),
            };
            let mut recorder = self.context.recorder.borrow_mut();
            user.scenario.operation(&mut recorder, Thing::Http, naming, &opts.tags)
        });
        let (client, context) = (Rc::clone(&self.client), Rc::clone(&self.context));
        Ok(Begun { client, context, user, request, operation })
    }
}

/// Leads the connections of a client by way of what a fault may be on; what that is called.
pub fn link(value: &Value) -> Option<String> {
    let caller = value.as_userdata()?.borrow::<Caller>().ok()?;
    let (settings, name) = (caller.client.settings(), caller.name.as_ref()?);
    let tls = matches!(&settings.base, Some(Base::Url(url)) if url.starts_with("https:"));
    let framed = settings.version != Version::H2PriorKnowledge && !tls;
    caller.client.disturb(own::link(&caller.context, name, framed.then_some(Protocol::Http)));
    Some(name.clone())
}

/// Sends what was begun, records what came of it, and hands it to the script.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps what it is given twice")]
fn sent(mut begun: Begun, lua: Lua) -> impl Future<Output = mlua::Result<Reply>> {
    async move {
        let exchange = begun.exchange().await;
        let context = &begun.context;
        let held = context.bodies.get() + exchange.body.len() as u64;
        if held > BODIES {
            lua.gc_collect()?;
        }
        context.bodies.set(if held > BODIES { 0 } else { held });
        Ok(Reply::new(exchange))
    }
}

impl Begun {
    /// Sends it, and records what came of it.
    async fn exchange(&mut self) -> Exchange {
        let Self { client, context, user, request, operation } = self;
        let meant = Meant::new(context, user, operation.is_some());
        let exchange = match operation.as_ref().and_then(|operation| operation.dangers.meet(user)) {
            None => client.send(&user.session, request).await,
            Some(effect) => {
                let limit = client.limit(request);
                Box::pin(strike(effect, limit, client.send(&user.session, request))).await
            }
        };
        if let Some(operation) = operation {
            let made = meant.moment(context, exchange.started);
            let counted = operation.exchange(&mut context.recorder.borrow_mut(), made, &exchange);
            context.counted(counted);
        }
        context.exhausted.update(|calls| calls + u64::from(exchange.exhausted));
        exchange
    }
}

fn named_method(lua: &Lua, method: &Value) -> mlua::Result<String> {
    crate::script::options::string(method)
        .map_err(|what| misuse(lua, format!("http.request: method: {what}")))
}

/// Text in UTF-8.
fn text(value: &LuaString) -> Result<mlua::BorrowedStr, String> {
    value.to_str().map_err(|_| "expected text in UTF-8, got other bytes".to_owned())
}
