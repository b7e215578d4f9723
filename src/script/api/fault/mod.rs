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
use std::time::Duration;

use mlua::Value;
use mlua::{
    Function, Lua, MetaMethod, MultiValue, Table, UserData, UserDataFields, UserDataMethods,
};

pub use calls::calls_of;

use super::service::{Declaration, Service};
use crate::fault::{Holder, Record, Thing, address};
use crate::plan::FaultDecl;
use crate::script::context::Context;
use crate::script::coroutine::{self, Coroutine};
use crate::script::fault::{Saying, Trouble, numbered, several};
use crate::script::options::{self, Options, shown};
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
        coroutine::function(
            lua,
            |lua, (on, spec, run): (Value, Value, Value)| {
                Wanted::read(lua, "fault.during", &on, &spec, Some(&run))
            },
            Wanted::during,
        )?,
    )?;
    table.set(
        "start",
        coroutine::function(
            lua,
            |lua, (on, spec): (Value, Value)| Wanted::read(lua, "fault.start", &on, &spec, None),
            Wanted::start,
        )?,
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
    let missing =
        "upstream: expected a service of this script, \"host:port\" or a URL, got nothing";
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
    if let Some(name) = super::service::name_of(value) {
        return Ok(format!("service:{name}"));
    }
    let given = options::string(value).map_err(|what| format!("{what}; or a service"))?;
    address(&given).map(|_| given)
}

/// A fault that is to begin, or one on each of several things.
struct Wanted {
    /// The function that was called.
    call: &'static str,
    faults: Vec<FaultDecl>,
    holder: Holder,
    context: Rc<Context>,
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
        context.may_wait(lua, call)?;
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
        let faults = read(table, on, &context, lua).map_err(wrong)?;
        let holder = context.world.faults.get().cloned();
        let holder = holder.ok_or_else(|| wrong("nothing can be broken here".to_owned()))?;
        Ok(Self { call, faults, holder, context, run })
    }

    /// Begins it, does what is to be done, and ends it whatever comes of that.
    async fn during(self, lua: Lua) -> mlua::Result<MultiValue> {
        let (call, lasts, run) = (self.call, self.faults[0].lasts, self.run.clone());
        let context = Rc::clone(&self.context);
        // Ended in the middle, the fault ends with it.
        let scope = self.begin(&lua).await?;
        let done = if let Some(run) = run {
            let (holder, names) = (scope.holder.clone(), scope.names.clone());
            let standing = Standing { holder, names };
            Coroutine::new(&lua, &context, run, standing).await
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
        let mut scope = self.begin(&lua).await?;
        Ok(Standing { holder: scope.holder.clone(), names: std::mem::take(&mut scope.names) })
    }

    /// Begins all of them at once; those that begun end again where one cannot.
    async fn begin(self, lua: &Lua) -> mlua::Result<Scope> {
        let Self { call, faults, holder, .. } = self;
        let begun: Vec<_> = faults.into_iter().map(|fault| holder.begin(fault)).collect();
        let mut scope = Scope { holder, names: Vec::new() };
        let mut failed = None;
        for begun in begun {
            match begun.await {
                Ok(name) => scope.names.push(name),
                Err(why) => failed = failed.or(Some(why)),
            }
        }
        let Some(why) = failed else { return Ok(scope) };
        scope.end().await;
        Err(misuse(lua, format!("{call}: {why}")))
    }
}

/// What a table says, on each of a list or on one thing; or everything that is wrong with it.
fn read(table: &Table, on: &Value, context: &Context, lua: &Lua) -> Result<Vec<FaultDecl>, String> {
    for key in ["at", "on"] {
        if table.contains_key(key).is_ok_and(|there| there) {
            return Err(format!(
                "`{key}` is for `faults`: this one begins now, on the first argument"
            ));
        }
    }
    let place = context.world.source.caller(lua);
    let (mut faults, mut troubles) = (Vec::new(), Vec::new());
    for (nth, on) in several(on).map_err(|what| format!("on: {what}"))?.iter().enumerate() {
        let mut saying = Saying::new(table, context);
        let fault = saying.read(Some(on), Duration::ZERO, place.clone());
        faults.extend(fault.map(|fault| numbered(fault, nth)));
        for Trouble { what, hint, .. } in saying.troubles {
            let told = hint.map_or_else(|| what.clone(), |hint| format!("{what}; {hint}"));
            // What is wrong with the table is wrong for each thing.
            if !troubles.contains(&told) {
                troubles.push(told);
            }
        }
    }
    if troubles.is_empty() { Ok(faults) } else { Err(troubles.join("\n  ")) }
}

/// An error where a fault may still be there.
fn sound(lua: &Lua, call: &str, record: Option<&Record>) -> mlua::Result<()> {
    match record.and_then(|record| record.unclean.as_ref()) {
        Some(why) => Err(misuse(lua, format!("{call}: the fault may still be there: {why}"))),
        None => Ok(()),
    }
}

/// The time in which faults stand that end with it.
struct Scope {
    holder: Holder,
    /// None once they have been ended.
    names: Vec<String>,
}

impl Scope {
    async fn end(mut self) -> Option<Record> {
        let names = std::mem::take(&mut self.names);
        ended(&self.holder, &names).await
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        for name in self.names.drain(..) {
            drop(self.holder.let_go(&name));
        }
    }
}

/// Ends faults at once; what became of all of them together.
async fn ended(holder: &Holder, names: &[String]) -> Option<Record> {
    let ending: Vec<_> = names.iter().map(|name| holder.let_go(name)).collect();
    let mut all: Option<Record> = None;
    for ending in ending {
        let Some(record) = ending.await.ok().flatten() else { continue };
        all = Some(match all {
            None => record,
            Some(before) => before.beside(record),
        });
    }
    all
}

/// The names of the faults that a value is.
pub fn names_of(value: &Value) -> Option<Vec<String>> {
    Some(value.as_userdata()?.borrow::<Standing>().ok()?.names.clone())
}

/// A fault in a script's hands, or one on each of several things.
struct Standing {
    holder: Holder,
    /// At least one.
    names: Vec<String>,
}

impl UserData for Standing {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("name", |_, this| Ok(this.names.first().cloned()));
        coroutine::method(
            fields,
            "clear",
            |lua, this, ()| {
                Context::of(lua)?.may_wait(lua, "fault:clear")?;
                Ok(this)
            },
            |this, lua| async move {
                let record = ended(&this.holder, &this.names).await;
                sound(&lua, "fault:clear", record.as_ref())?;
                record.map(|record| told(&lua, &record)).transpose()
            },
        );
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Close, |_, this, _: MultiValue| {
            for name in &this.names {
                drop(this.holder.let_go(name));
            }
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
