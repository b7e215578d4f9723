//! The table a script returns, read into a plan.
//!
//! Reading does not stop at the first mistake: everything that is wrong becomes a [`Problem`] with
//! its line, so that a script is put right in one go. What cannot be read is stood in for by
//! something harmless of its kind, value by value: what stands beside it is judged all the same,
//! and nothing is reported that only follows from the stand-in.

mod faults;
mod load;
mod profiles;
mod recovery;
mod scenario;
mod values;
mod watch;

use std::rc::Rc;
use std::time::Duration;

use mlua::{Function, Table, Value};

use super::context::{Context, mixed};
use super::locate::{Locator, Step as At};
use super::measure::ScenarioMeter;
use super::options::{self, shown};
use crate::metric::Threshold;
use crate::plan::{Place, Plan, Problem};
use values::{function, table};

/// What stands in for a time that cannot be read: longer than anything that waits for its end, so
/// that nothing is said to be too late by it.
const LONG: Duration = Duration::from_hours(7 * 24);
/// Keys of the returned table.
const SCRIPT: &[&str] =
    &["faults", "profiles", "recovery", "scenarios", "setup", "teardown", "thresholds", "watch"];
/// What a script returned: the plan, and the functions the plan's scenarios run, by index.
pub(super) struct Scripted {
    pub(super) plan: Plan,
    pub(super) runs: Vec<Run>,
    pub(super) setup: Option<Function>,
    pub(super) teardown: Option<Function>,
    /// Where `setup` is written.
    pub(super) place_of_setup: Place,
}

/// What the users of one scenario run, in one Lua state.
pub(super) struct Run {
    /// Where their samples go.
    pub(super) meter: Rc<ScenarioMeter>,
    /// True in a closed loop, where an iteration's number counts those of its user.
    pub(super) own_iterations: bool,
    /// Run once for each user.
    pub(super) init: Option<Function>,
    /// Each function with the sum of the weights up to and including its own.
    mix: Vec<(f64, Function)>,
}

impl Run {
    /// The function of the iteration with this seed.
    pub(super) fn choose(&self, seed: u64) -> Option<&Function> {
        if let [(_, only)] = self.mix.as_slice() {
            return Some(only);
        }
        let (total, last) = self.mix.last()?;
        // The upper 53 bits make a number from 0 to below 1.
        let point = (mixed(seed, 1) >> 11) as f64 / (1u64 << 53) as f64 * total;
        let chosen = self.mix.iter().find(|(upto, _)| point < *upto);
        Some(chosen.map_or(last, |(_, function)| function))
    }
}

/// Reads what the script returned.
pub(super) fn read(returned: &Value, context: &Context) -> (Scripted, Vec<Problem>) {
    let source = &context.world.source;
    let mut reading = Reading {
        context,
        locator: Locator::new(&source.text),
        file: source.path.display().to_string(),
        problems: Vec::new(),
    };
    let script = reading.script(returned);
    (script, reading.problems)
}

struct Reading<'a> {
    context: &'a Context,
    locator: Locator,
    file: String,
    problems: Vec<Problem>,
}

/// A table being read: the way to it, and how messages call it.
struct Part<'a> {
    table: &'a Table,
    path: Vec<At<'a>>,
    /// What messages begin with, for example ``scenario `buy`: ``.
    called: String,
}

impl<'a> Part<'a> {
    /// Whether something stands under a key, whatever it is.
    fn has(&self, key: &str) -> bool {
        self.table.contains_key(key).unwrap_or(false)
    }

    fn to(&self, step: At<'a>) -> Vec<At<'a>> {
        let mut path = self.path.clone();
        path.push(step);
        path
    }
}

impl Reading<'_> {
    fn place(&self, path: &[At<'_>]) -> Place {
        Place { file: self.file.clone(), line: self.locator.line(path) }
    }

    fn problem(&mut self, path: &[At<'_>], what: String, hint: Option<&str>) {
        let at = Some(self.place(path));
        self.problems.push(Problem { what, at, hint: hint.map(str::to_owned) });
    }

    fn unknown_keys(&mut self, part: &Part<'_>, known: &[&str]) {
        for (key, _) in sorted(part.table) {
            match options::string(&key) {
                Ok(name) if known.contains(&name.as_str()) => {}
                Ok(name) => {
                    let what = format!("{}{}", part.called, options::unknown_key(&name, known));
                    let belongs = part.path.is_empty() && scenario::KEYS.contains(&name.as_str());
                    let hint = belongs.then_some("it belongs in `scenarios = { name = { ... } }`");
                    self.problem(&part.to(At::Key(&name)), what, hint);
                }
                Err(_) => {
                    let what =
                        format!("{}expected names as keys, got {}", part.called, shown(&key));
                    self.problem(&part.path, what, None);
                }
            }
        }
    }

    /// Whether a key that is not known, which is told, was meant as one of these.
    fn means(part: &Part<'_>, keys: &[&str], known: &[&str]) -> bool {
        part.table.pairs::<Value, Value>().flatten().any(|(key, _)| {
            let name = options::string(&key).ok().filter(|name| !known.contains(&name.as_str()));
            let meant = name.and_then(|name| options::meant(&name, known));
            meant.is_some_and(|meant| keys.contains(&meant))
        })
    }

    /// The items of a list, and whether nothing stands beside them, which is told.
    fn items(
        &mut self,
        list: &Table,
        path: &[At<'_>],
        called: &str,
        hint: &str,
    ) -> (Vec<Value>, bool) {
        let (items, strays) = options::items_and_strays(list);
        let whole = strays.is_empty();
        for what in strays {
            self.problem(path, format!("{called}{what}"), Some(hint));
        }
        (items, whole)
    }

    /// The value of a key, read by one of the functions of [`options`].
    fn field<T>(
        &mut self,
        part: &Part<'_>,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value: Value = part.table.raw_get(key).ok()?;
        if value.is_nil() || self.context.mistakes.left_out(&value) {
            return None;
        }
        match read(&value) {
            Ok(value) => Some(value),
            Err(what) => {
                let what = format!("{}{key}: {what}", part.called);
                self.problem(&part.to(At::Key(key)), what, None);
                None
            }
        }
    }

    /// A value that has to be there.
    fn needed<T>(
        &mut self,
        part: &Part<'_>,
        key: &'static str,
        read: impl FnOnce(&Value) -> Result<T, String>,
        form: &str,
    ) -> Option<T> {
        if !part.has(key) {
            let what = format!("{}no `{key}`", part.called);
            self.problem(&part.path, what, Some(&format!("add `{key} = ...`: {form}")));
            return None;
        }
        self.field(part, key, read)
    }

    fn script(&mut self, returned: &Value) -> Scripted {
        let source = &self.context.world.source;
        let mut script = Scripted {
            plan: Plan { script: source.path.clone(), ..Plan::default() },
            runs: Vec::new(),
            setup: None,
            teardown: None,
            place_of_setup: self.place(&[At::Key("setup")]),
        };
        let Value::Table(table) = returned else {
            let what = format!("the script returned {}, not a table", shown(returned));
            let hint = "end it with `return { scenarios = { ... } }`";
            self.problem(&[], what, Some(hint));
            return script;
        };
        let part = Part { table, path: Vec::new(), called: String::new() };
        self.unknown_keys(&part, SCRIPT);
        script.setup = self.field(&part, "setup", function);
        script.teardown = self.field(&part, "teardown", function);
        script.plan.has_setup = script.setup.is_some();
        script.plan.has_teardown = script.teardown.is_some();
        script.plan.thresholds = self.thresholds(&part);
        self.scenarios(&part, &mut script);
        self.faults(&part, &mut script);
        script.plan.recovery = self.recovery(&part);
        self.watch(&part, &mut script);
        {
            let declared = self.context.declared.borrow();
            script.plan.parameters.clone_from(&declared.parameters);
            script.plan.metrics.clone_from(&declared.metrics);
            script.plan.services.clone_from(&declared.services);
        }
        self.profiles(&part, &mut script);
        script
    }

    fn thresholds(&mut self, part: &Part<'_>) -> Vec<(Threshold, Place)> {
        let mut read = Vec::new();
        let Some(list) = self.field(part, "thresholds", table) else {
            return read;
        };
        let hint = "write `thresholds = { \"http.failed rate < 1%\", ... }`";
        let (items, _) = self.items(&list, &[At::Key("thresholds")], "thresholds: ", hint);
        for (index, item) in items.into_iter().enumerate() {
            let path = [At::Key("thresholds"), At::Item(index + 1)];
            match options::string(&item) {
                Ok(text) => {
                    let line = self.locator.text(&text);
                    let place = match line {
                        Some(line) => Place { file: self.file.clone(), line },
                        None => self.place(&path),
                    };
                    match Threshold::parse(&text) {
                        Ok(threshold) => read.push((threshold, place)),
                        Err(error) => self.problems.push(Problem {
                            what: error.what,
                            at: Some(place),
                            hint: Some(format!("expected {}", error.expected)),
                        }),
                    }
                }
                Err(what) => self.problem(&path, format!("threshold: {what}"), None),
            }
        }
        read
    }

    fn scenarios(&mut self, part: &Part<'_>, script: &mut Scripted) {
        let missing = part.table.raw_get::<Value>("scenarios").is_ok_and(|value| value.is_nil());
        let named = self.field(part, "scenarios", table).map(|table| sorted(&table));
        let hint = "add `scenarios = { name = { run = ..., users = 1, duration = \"10s\" } }`";
        match named {
            None if missing => self.problem(&[], "no scenarios".to_owned(), Some(hint)),
            None => {}
            Some(named) if named.is_empty() => {
                self.problem(&[At::Key("scenarios")], "no scenarios".to_owned(), Some(hint));
            }
            Some(mut named) => {
                // As they are written, which Lua forgets; where a loop made them as they start.
                named.sort_by_cached_key(|(name, value)| {
                    let name = options::string(name).unwrap_or_default();
                    let line = self.place(&[At::Key("scenarios"), At::Key(&name)]).line;
                    (line, starts(value), by_numbers(&name))
                });
                for (name, value) in named {
                    self.scenario(&name, &value, script);
                }
            }
        }
    }
}

/// When a scenario starts, if it says so in so many words; those that wait for another come last.
fn starts(scenario: &Value) -> Duration {
    let Value::Table(scenario) = scenario else { return Duration::ZERO };
    match scenario.raw_get::<Value>("start") {
        Ok(Value::Nil) | Err(_) => Duration::ZERO,
        Ok(start) => options::duration(&start).unwrap_or(Duration::MAX),
    }
}

/// A name in which numbers are so long that they compare as such: "5 users" before "10 users".
fn by_numbers(name: &str) -> Vec<u8> {
    const DIGITS: usize = 20;
    let mut long = Vec::new();
    for part in name.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        if part[0].is_ascii_digit() {
            long.resize(long.len() + DIGITS.saturating_sub(part.len()), b'0');
        }
        long.extend(part);
    }
    long
}

/// The entries of a table by key, so that every state reads them in the same order.
fn sorted(table: &Table) -> Vec<(Value, Value)> {
    let mut entries: Vec<_> = table.pairs::<Value, Value>().flatten().collect();
    entries.sort_by_key(|(key, _)| options::string(key).unwrap_or_else(|_| shown(key)));
    entries
}
