//! `loadrun.metric`: what a script measures by itself, declared at file scope.
//!
//! Values of a metric in `"time"` are given like every duration, in seconds or as text; those in
//! `"bytes"` as a number or as text such as `"4MiB"`.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Lua, UserData, UserDataMethods, Value};

use crate::metric::{Builtin, Kind, Metric, Recorder, SeriesId, Unit};
use crate::script::call::Call;
use crate::script::context::{Context, UserState};
use crate::script::measure::nanoseconds;
use crate::script::options::{self, Options, shown};
use crate::units::Bytes;

/// What is said of a sample that nobody's iteration has.
const NOTHING: &str = "loading a script measures nothing\n  hint: call it in `run` or `init`";

/// What a script can call.
pub const FUNCTIONS: &[&str] =
    &["Counter:add", "Gauge:set", "Rate:hit", "Trend:record", "counter", "gauge", "rate", "trend"];

/// Most series found without asking the recorder, for one metric in one state.
const KEPT: usize = 1_000;

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("counter", declare(lua, "metric.counter", Kind::Counter, Counter)?)?;
    table.raw_set("gauge", declare(lua, "metric.gauge", Kind::Gauge, Gauge)?)?;
    table.raw_set("rate", declare(lua, "metric.rate", Kind::Rate, Rate)?)?;
    table.raw_set("trend", declare(lua, "metric.trend", Kind::Trend, Trend)?)?;
    Ok(Value::Table(table))
}

struct Counter(Own);
struct Gauge(Own);
struct Rate(Own);
struct Trend(Own);

/// Scenario and tags of a call.
type Key = (Arc<str>, Vec<(String, String)>);

/// A metric of the script.
struct Own {
    metric: Metric,
    context: Rc<Context>,
    series: RefCell<HashMap<Key, SeriesId>>,
}

fn declare<T: UserData + 'static>(
    lua: &Lua,
    name: &'static str,
    kind: Kind,
    wrap: fn(Own) -> T,
) -> mlua::Result<mlua::Function> {
    lua.create_function(move |lua, (own_name, opts): (Value, Value)| {
        let context = Context::of(lua)?;
        context.may_declare(lua, name)?;
        let call = Call::new(lua, name);
        let own_name = call.takes("name", metric_name(&own_name))?;
        let known: &[&str] = if kind == Kind::Rate { &[] } else { &["unit"] };
        let opts = Options::new(lua, name, opts, known)?;
        let unit = opts.read("unit", unit)?.unwrap_or(Unit::Number);
        opts.whole()?;
        let metric = Metric::new(&own_name, kind, unit);
        let mut declared = context.declared.borrow_mut();
        match declared.metrics.iter().find(|known| known.name == metric.name) {
            Some(known) if *known == metric => {}
            Some(_) => {
                return Err(call.wrong(format!("`{own_name}` is declared twice, differently")));
            }
            None => declared.metrics.push(metric.clone()),
        }
        let context = Rc::clone(&context);
        Ok(wrap(Own { metric, context, series: RefCell::default() }))
    })
}

fn metric_name(value: &Value) -> Result<String, String> {
    let name = options::string(value)?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(word) {
        return Err(format!("expected a name such as \"queue.depth\", got {}", shown(value)));
    }
    match Builtin::find(&name) {
        Some(_) => Err(format!("`{name}` is recorded by the engine")),
        None => Ok(name),
    }
}

fn unit(value: &Value) -> Result<Unit, String> {
    match options::string(value).as_deref() {
        Ok("time") => Ok(Unit::Time),
        Ok("bytes") => Ok(Unit::Bytes),
        Ok("number") => Ok(Unit::Number),
        _ => Err(format!("expected \"time\", \"bytes\" or \"number\", got {}", shown(value))),
    }
}

impl Own {
    /// A value in the metric's unit: nanoseconds, bytes, or the number itself.
    fn value(&self, value: &Value) -> Result<f64, String> {
        match self.metric.unit {
            Unit::Time => options::duration(value).map(|time| nanoseconds(time) as f64),
            Unit::Bytes => match value {
                Value::String(text) => Bytes::parse(&text.to_string_lossy())
                    .map(|bytes| bytes.0 as f64)
                    .map_err(|error| error.to_string()),
                other => options::number(other),
            },
            Unit::Number | Unit::Share => options::number(value),
        }
    }

    /// Where samples of now fall.
    fn recorder(&self) -> RefMut<'_, Recorder> {
        let mut recorder = self.context.recorder.borrow_mut();
        recorder.turn_to_now();
        recorder
    }

    /// The series for whoever calls now.
    fn series(&self, call: &Call<'_>, tags: &Value) -> mlua::Result<(SeriesId, Rc<UserState>)> {
        let tags = match tags {
            Value::Nil => Vec::new(),
            tags => call.takes("tags", options::pairs(tags))?,
        };
        let Some(user) = self.context.user() else {
            return Err(call.wrong(NOTHING));
        };
        let key = (Arc::clone(&user.scenario.name), tags);
        if let Some(id) = self.series.borrow().get(&key) {
            return Ok((*id, user));
        }
        let own = user.scenario.tags.clone();
        let all = key.1.iter().fold(own, |tags, (key, value)| tags.with(key, value));
        let id = self.context.recorder.borrow_mut().series(&self.metric, &all);
        let mut series = self.series.borrow_mut();
        if series.len() < KEPT {
            series.insert(key, id);
        }
        Ok((id, user))
    }
}

impl UserData for Counter {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("add", |lua, Self(own), (amount, tags): (Value, Value)| {
            let call = Call::new(lua, "counter:add");
            let amount = match amount {
                Value::Nil => 1.0,
                amount => call.takes("amount", own.value(&amount))?,
            };
            if amount < 0.0 {
                return Err(call.wrong(format!("amount: a counter only grows, got {amount}")));
            }
            let (series, _) = own.series(&call, &tags)?;
            own.recorder().add(series, amount);
            Ok(())
        });
    }
}

impl UserData for Gauge {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("set", |lua, Self(own), (value, tags): (Value, Value)| {
            let call = Call::new(lua, "gauge:set");
            let value = call.takes("value", own.value(&value))?;
            let (series, _) = own.series(&call, &tags)?;
            own.recorder().set(series, value);
            Ok(())
        });
    }
}

impl UserData for Rate {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("hit", |lua, Self(own), (hit, tags): (Value, Value)| {
            let call = Call::new(lua, "rate:hit");
            let hit = call.takes("hit", options::boolean(&hit))?;
            let (series, _) = own.series(&call, &tags)?;
            own.recorder().hit(series, hit);
            Ok(())
        });
    }
}

impl UserData for Trend {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("record", |lua, Self(own), (value, tags): (Value, Value)| {
            let call = Call::new(lua, "trend:record");
            let value = call.takes("value", own.value(&value))?;
            if value < 0.0 {
                return Err(call.wrong(format!("value: expected 0 or more, got {value}")));
            }
            let (series, _) = own.series(&call, &tags)?;
            let second = own.context.world.second(tokio::time::Instant::now());
            let raw = own.metric.unit.raw(value);
            own.recorder().record(series, second, raw);
            Ok(())
        });
    }
}
