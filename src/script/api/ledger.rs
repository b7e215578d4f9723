//! `loadrun.ledger`: what was sent and what became of it, held against what is found afterwards.
//!
//! A ledger is known by its name and is one for all workers. Users write down what they expect
//! and what was answered; `teardown` writes down what it finds stored, and may look at the
//! balance. At the end of the run the engine records every ledger's losses and duplicates.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mlua::{Lua, LuaString, UserData, UserDataMethods, Value};

use super::super::call::Call;
use super::super::context::{Context, World};
use super::super::measure::{builtin, nanoseconds};
use super::super::options;
use super::super::plain::Plain;
use crate::ledger::{Balance, Ledger};
use crate::metric::{SeriesId, Tags};

/// What a script can call.
pub const FUNCTIONS: &[&str] = &[
    "Ledger:acked",
    "Ledger:balance",
    "Ledger:expect",
    "Ledger:indeterminate",
    "Ledger:refused",
    "Ledger:seen",
    "new",
];

/// A ledger as all workers share it.
#[derive(Default)]
struct Book(Mutex<Ledger>);

/// A ledger in a script's hands.
struct Handle {
    book: Arc<Book>,
    world: Arc<World>,
    landing: Landing,
}

/// Where the times of landings are recorded, in one Lua state.
struct Landing {
    tags: Tags,
    series: OnceCell<SeriesId>,
}

impl Landing {
    fn new(ledger: &str) -> Self {
        Self { tags: Tags::new([("ledger", ledger)]), series: OnceCell::new() }
    }

    /// Records a landing under the second it was sent in, while there is load: a reader that looks
    /// afterwards says only that it has landed by then.
    fn record(&self, context: &Context, now: Duration, took: Duration) {
        if context.world.is_over() {
            return;
        }
        let mut recorder = context.recorder.borrow_mut();
        recorder.turn_to_now();
        let series =
            *self.series.get_or_init(|| recorder.series(&builtin("ledger.landing"), &self.tags));
        let second = now.saturating_sub(took).as_secs() as u32;
        recorder.record(series, second, nanoseconds(took));
    }
}

impl World {
    /// What became of the ids of every ledger of the run, by its name.
    pub fn balances(&self) -> BTreeMap<String, Balance> {
        let all = self.all_kept::<Book>().into_iter();
        all.map(|(name, book)| (name, book.write(|ledger| ledger.balance()))).collect()
    }

    /// Time since load began; zero before.
    fn elapsed(&self) -> Duration {
        self.begin.get().map_or(Duration::ZERO, tokio::time::Instant::elapsed)
    }
}

impl Book {
    fn write<T>(&self, entry: impl FnOnce(&mut Ledger) -> T) -> T {
        entry(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set(
        "new",
        lua.create_function(|lua, (name, options): (Value, Value)| {
            let call = Call::new(lua, "ledger.new");
            let name = call.takes("name", options::string(&name))?;
            let late = call.takes("options", late(&options))?;
            let world = Arc::clone(&Context::of(lua)?.world);
            let book = world.kept(&name, Book::default);
            if let Some(late) = late {
                book.write(|ledger| ledger.expect_within(late));
            }
            Ok(Handle { landing: Landing::new(&name), book, world })
        })?,
    )?;
    Ok(Value::Table(table))
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        entry(methods, "expect", "ledger:expect", |ledger, id, now| {
            ledger.expect(id, now);
        });
        entry(methods, "acked", "ledger:acked", |ledger, id, now| {
            ledger.acked(id, now);
        });
        entry(methods, "refused", "ledger:refused", |ledger, id, now| {
            ledger.refused(id, now);
        });
        entry(methods, "indeterminate", "ledger:indeterminate", |ledger, id, now| {
            ledger.indeterminate(id, now);
        });
        methods.add_method("seen", |lua, this, id: Value| {
            let id = known_as(lua, "ledger:seen", &id)?;
            let now = this.world.elapsed();
            if let Some(took) = this.book.write(|ledger| ledger.seen(&id, now)) {
                this.landing.record(&*Context::of(lua)?, now, took);
            }
            Ok(())
        });
        methods.add_method("balance", |lua, this, ()| {
            balance(lua, &this.book.write(|ledger| ledger.balance()))
        });
    }
}

/// Adds a method that writes one id down.
fn entry<M: UserDataMethods<Handle>>(
    methods: &mut M,
    name: &'static str,
    full_name: &'static str,
    write: fn(&mut Ledger, &str, Duration),
) {
    methods.add_method(name, move |lua, this, id: Value| {
        let id = known_as(lua, full_name, &id)?;
        let now = this.world.elapsed();
        this.book.write(|ledger| write(ledger, &id, now));
        Ok(())
    });
}

/// An id as text.
fn known_as(lua: &Lua, call: &'static str, id: &Value) -> mlua::Result<String> {
    let text = match id {
        Value::Integer(number) => Ok(number.to_string()),
        Value::String(text) => Ok(LuaString::to_string_lossy(text)),
        other => Err(format!("expected a string or an integer, got {}", options::shown(other))),
    };
    Call::new(lua, call).takes("id", text)
}

/// The option `late`: what a landing may take.
fn late(options: &Value) -> Result<Option<Duration>, String> {
    let Value::Table(table) = options else {
        return match options {
            Value::Nil => Ok(None),
            other => Err(format!("expected `{{ late = \"2s\" }}`, got {}", options::shown(other))),
        };
    };
    if let Some(unknown) = options::unknown_keys(table, &["late"]).first() {
        return Err(unknown.clone());
    }
    let late: Value = table.raw_get("late").map_err(|error| error.to_string())?;
    if late.is_nil() {
        return Ok(None);
    }
    options::duration(&late).map(Some).map_err(|what| format!("late: {what}"))
}

/// The balance as a table: each count under its name, a list of some that were lost, and times in
/// seconds; what there is none of is absent.
fn balance(lua: &Lua, balance: &Balance) -> mlua::Result<Value> {
    let mut written = serde_json::to_value(balance).map_err(mlua::Error::external)?;
    if let Some(fields) = written.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Plain::from_json(written).write(lua)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn what_every_state_writes_down_comes_out_as_one_balance() {
        let world = testing::world(std::path::Path::new("."));
        let [one, two] = [0, 1].map(|_| testing::state(&world, "ledger", module));
        one.load(
            "local book = ledger.new 'orders'
             for id = 1, 3 do book:expect(id) book:acked(id) end
             book:expect 'x-1' book:refused 'x-1' book:expect 'y' book:indeterminate 'y'",
        )
        .exec()
        .unwrap();
        let seen: String = two
            .load(
                "local book = ledger.new 'orders'
                 book:seen(1) book:seen(2) book:seen(2) book:seen 'other'
                 local b = book:balance()
                 return table.concat({ b.expected, b.acked, b.lost, b.duplicated, b.unexpected,
                   b.lost_sample[1] }, ' ')",
            )
            .eval()
            .unwrap();
        assert_eq!(seen, "5 3 1 1 1 3");
        assert_eq!(world.balances()["orders"].lost, 1);
    }

    #[test]
    fn times_of_a_balance_are_numbers_of_seconds_and_nil_when_there_are_none() {
        let lua = testing::state(&testing::world(std::path::Path::new(".")), "ledger", module);
        let types: String = lua
            .load(
                "local book = ledger.new 'orders'
                 local none = book:balance()
                 book:acked 'a' book:acked 'b' book:seen 'b'
                 local b = book:balance()
                 return table.concat({ type(none.lost_between), type(none.slowest_landing),
                   math.type(b.lost_between[1]), math.type(b.lost_between[2]),
                   math.type(b.slowest_landing) }, ' ')",
            )
            .eval()
            .unwrap();
        assert_eq!(types, "nil nil float float float");
    }

    #[test]
    fn an_id_that_is_neither_text_nor_integer_is_refused() {
        let lua = testing::state(&testing::world(std::path::Path::new(".")), "ledger", module);
        let error = lua.load("ledger.new('a'):seen(1.5)").exec().unwrap_err().to_string();
        assert!(error.contains("ledger:seen: id: expected a string or an integer, got 1.5"));
    }
}
