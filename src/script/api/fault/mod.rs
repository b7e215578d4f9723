//! `loadrun.fault`: links that can be broken, and breaking things while the script runs.
//!
//! `fault.proxy {}` at file scope declares a proxy of the run; it is a service like any other, and
//! clients take it as their address. `fault.calls {}` declares a fault on the script's own calls.
//! What is broken by the clock stands in the `faults` of the table the script returns. `fault.during` and `fault.start` break something from the script itself, in
//! `setup`, `teardown` or the `run` of a scenario; whoever holds the faults of the run is asked
//! ([`Holder`]), so a fault ends at its lease, and with the run, whatever becomes of the coroutine.

mod calls;

use std::rc::Rc;
use std::sync::atomic::Ordering;

use mlua::{
    Function, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields, UserDataMethods,
};
use mlua::{UserDataRef, Value};

pub use calls::calls_of;

use super::service::{Declaration, Service};
use crate::fault::{Holder, Record, Thing};
use crate::plan::FaultDecl;
use crate::script::context::{Context, UserState};
use crate::script::fault::{Saying, Trouble};
use crate::script::options::{self, Options, shown};
use crate::script::running::Running;
use crate::script::traceback::misuse;
use crate::wire::frame::Protocol;

/// What a script can call or read.
pub const FUNCTIONS: &[&str] =
    &["Standing:clear", "Standing:name", "calls", "during", "proxy", "start"];

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    Context::of(lua)?.world.breaks.store(true, Ordering::Relaxed);
    let table = lua.create_table()?;
    table.set("calls", lua.create_function(calls::declare)?)?;
    table.set("proxy", lua.create_function(proxy)?)?;
    table.set(
        "during",
        lua.create_async_function(|lua, (on, spec, run): (Value, Value, Value)| {
            let wanted = Wanted::read(&lua, "fault.during", &on, &spec, Some(&run));
            let user = wanted.as_ref().ok().map(|wanted| Rc::clone(&wanted.user));
            Running::new(user, wanted, |wanted| wanted.during(lua))
        })?,
    )?;
    table.set(
        "start",
        lua.create_async_function(|lua, (on, spec): (Value, Value)| {
            let wanted = Wanted::read(&lua, "fault.start", &on, &spec, None);
            let user = wanted.as_ref().ok().map(|wanted| Rc::clone(&wanted.user));
            Running::new(user, wanted, |wanted| wanted.start(lua))
        })?,
    )?;
    Ok(Value::Table(table))
}

fn proxy(lua: &Lua, given: Value) -> mlua::Result<Service> {
    const NAME: &str = "fault.proxy";
    Context::of(lua)?.may_declare(lua, NAME)?;
    let given = Options::new(lua, NAME, given, &["name", "protocol", "upstream"])?;
    let mut declaration = Declaration { kind: Thing::PROXY, ..Declaration::default() };
    declaration.name = given.read("name", super::service::name)?;
    let upstream = given.read("upstream", upstream)?;
    let missing = "needs its upstream: a service of this script, \"host:port\" or a URL";
    let upstream = upstream.ok_or_else(|| given.wrong(missing))?;
    declaration.options.insert("upstream".to_owned(), upstream);
    if let Some(spoken) = given.read("protocol", protocol)? {
        declaration.options.insert("protocol".to_owned(), spoken.name().to_owned());
    }
    Service::declare(lua, declaration)?.map_err(|what| given.wrong(&what))
}

/// What is spoken through a proxy.
fn protocol(value: &Value) -> Result<Protocol, String> {
    let name = options::string(value)?;
    let known = || Protocol::ALL.map(Protocol::name).join(", ");
    Protocol::named(&name).ok_or_else(|| format!("expected one of {}; got {name:?}", known()))
}

/// Where a proxy leads: a service by name, or an address as it is.
fn upstream(value: &Value) -> Result<String, String> {
    match super::service::name_of(value) {
        Some(name) => Ok(format!("service:{name}")),
        None => options::string(value).map_err(|what| format!("{what}; or a service")),
    }
}

/// A fault that is to begin.
struct Wanted {
    /// The function that was called.
    call: &'static str,
    fault: FaultDecl,
    holder: Holder,
    user: Rc<UserState>,
    /// What is done while it stands; without it, it stands until its lease is over.
    run: Option<Function>,
}

impl Wanted {
    fn read(
        lua: &Lua,
        call: &'static str,
        on: &Value,
        spec: &Value,
        run: Option<&Value>,
    ) -> mlua::Result<Self> {
        let context = Context::of(lua)?;
        let user = context.may_wait(lua, call)?;
        let wrong = |what: String| misuse(lua, format!("{call}: {what}"));
        let run = match run {
            None | Some(Value::Nil) => None,
            Some(Value::Function(run)) => Some(run.clone()),
            Some(other) => return Err(wrong(format!("expected a function, got {}", shown(other)))),
        };
        let Value::Table(table) = spec else {
            let form = "{ kind = \"latency\", for_ = \"10s\", ... }";
            return Err(wrong(format!("expected {form}, got {}", shown(spec))));
        };
        let fault = read(table, on, &context, lua).map_err(wrong)?;
        let holder = context.world.faults.get().cloned();
        let holder = holder.ok_or_else(|| wrong("nothing can be broken here".to_owned()))?;
        Ok(Self { call, fault, holder, user, run })
    }

    /// Begins it, does what is to be done, and ends it whatever comes of that.
    async fn during(self, lua: Lua) -> mlua::Result<MultiValue> {
        let (call, lasts, run, holder) =
            (self.call, self.fault.lasts, self.run.clone(), self.holder.clone());
        let fault = lua.create_userdata(self.begin(&lua).await?)?;
        // Ended in the middle, the fault ends with it.
        let scope =
            Scope { holder: holder.clone(), name: Some(fault.borrow::<Standing>()?.name.clone()) };
        let done = if let Some(run) = run {
            run.call_async::<MultiValue>(&fault).await
        } else {
            tokio::time::sleep(lasts).await;
            Ok(MultiValue::new())
        };
        let record = scope.end().await;
        let done = done?;
        sound(&lua, call, record.as_ref())?;
        Ok(done)
    }

    async fn start(self, lua: Lua) -> mlua::Result<Standing> {
        self.begin(&lua).await
    }

    async fn begin(self, lua: &Lua) -> mlua::Result<Standing> {
        let begun = self.holder.begin(self.fault).await;
        let name = begun.map_err(|why| misuse(lua, format!("{}: {why}", self.call)))?;
        Ok(Standing { holder: self.holder, name })
    }
}

/// What a table says, or everything that is wrong with it.
fn read(table: &Table, on: &Value, context: &Context, lua: &Lua) -> Result<FaultDecl, String> {
    for key in ["at", "on"] {
        if table.contains_key(key).is_ok_and(|there| there) {
            return Err(format!(
                "`{key}` is for `faults`: this one begins now, on the first argument"
            ));
        }
    }
    let mut saying = Saying::new(table, context);
    let place = context.world.source.caller(lua);
    let fault = saying.read(on, std::time::Duration::ZERO, place);
    let told = saying.troubles.iter().map(|Trouble { what, hint, .. }| match hint {
        Some(hint) => format!("{what}; {hint}"),
        None => what.clone(),
    });
    match (told.collect::<Vec<_>>().join("\n  "), fault) {
        (told, Some(fault)) if told.is_empty() => Ok(fault),
        (told, _) => Err(told),
    }
}

/// An error where a fault may still be there.
fn sound(lua: &Lua, call: &str, record: Option<&Record>) -> mlua::Result<()> {
    match record.and_then(|record| record.unclean.as_ref()) {
        Some(why) => Err(misuse(lua, format!("{call}: the fault may still be there: {why}"))),
        None => Ok(()),
    }
}

/// The time in which a fault of `during` stands.
struct Scope {
    holder: Holder,
    /// `None` once it has been ended.
    name: Option<String>,
}

impl Scope {
    async fn end(mut self) -> Option<Record> {
        let name = self.name.take()?;
        self.holder.end(&name).await
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            drop(self.holder.let_go(&name));
        }
    }
}

/// A fault in a script's hands.
struct Standing {
    holder: Holder,
    name: String,
}

impl UserData for Standing {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("name", |_, this| Ok(this.name.clone()));
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("clear", |lua, this: UserDataRef<Self>, ()| {
            let user = Context::of(&lua).and_then(|context| context.may_wait(&lua, "fault:clear"));
            Running::new(user.as_ref().ok().cloned(), user, |_| async move {
                let record = this.holder.end(&this.name).await;
                sound(&lua, "fault:clear", record.as_ref())?;
                record.map(|record| told(&lua, &record)).transpose()
            })
        });
        methods.add_meta_method(MetaMethod::Close, |_, this, _: MultiValue| {
            drop(this.holder.let_go(&this.name));
            Ok(())
        });
    }
}

/// What became of a fault, for a script.
fn told(lua: &Lua, record: &Record) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let stood = record.injected.map(|injected| record.cleared.saturating_sub(injected));
    table.raw_set("stood", stood.map(|stood| stood.as_secs_f64()))?;
    table.raw_set("touched", record.touched.connections)?;
    table.raw_set("effect", record.effect.clone())?;
    Ok(table)
}
