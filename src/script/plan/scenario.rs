//! One scenario: what its users run, and all that is said about it but its load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Value};

use super::values::{arrivals, function, table};
use super::{At, LONG, Part, Reading, Run, Scripted, sorted, values};
use crate::plan::{Load, Place, Scenario, Start};
use crate::script::measure::ScenarioMeter;
use crate::script::options::{self, shown};

/// Keys of a scenario.
pub(super) const KEYS: &[&str] = &[
    "arrivals",
    "duration",
    "graceful_stop",
    "init",
    "iterations",
    "max_users",
    "rate",
    "run",
    "start",
    "tags",
    "users",
    "weights",
];
/// The keys of which a scenario has exactly one, for what its users run.
const RUNS: &[&str] = &["run", "weights"];
/// What `weights` look like.
const WEIGHTS: &str = "a list such as `{ {60, read}, {40, write} }`";

impl Reading<'_> {
    /// The scenario of that name. One that cannot be read at all is there all the same, so that
    /// what refers to it by name is not reported as well.
    pub(super) fn scenario(&mut self, name: &Value, value: &Value, script: &mut Scripted) {
        let called = options::string(name).unwrap_or_else(|_| {
            let what = format!("scenarios: expected names as keys, got {}", shown(name));
            self.problem(&[At::Key("scenarios")], what, Some("write `name = { ... }`"));
            shown(name)
        });
        let last = match name {
            Value::Integer(number) => At::Item(usize::try_from(*number).unwrap_or(0)),
            _ => At::Key(&called),
        };
        let path = vec![At::Key("scenarios"), last];
        let (scenario, init, mix) = if let Value::Table(table) = value {
            let part = Part { table, path, called: format!("scenario `{called}`: ") };
            self.unknown_keys(&part, KEYS);
            let mix = self.mix(&part);
            let init = self.field(&part, "init", function);
            (self.settings(&part, &called), init, mix)
        } else {
            let what = format!("scenario `{called}`: expected a table, got {}", shown(value));
            self.problem(&path, what, None);
            (unread(&called, self.place(&path)), None, Vec::new())
        };
        let tags: Vec<_> = scenario.tags.clone().into_iter().collect();
        script.runs.push(Run {
            meter: ScenarioMeter::new(&self.context.world, &scenario.name, &tags),
            own_iterations: matches!(scenario.load, Load::Users(_)),
            init,
            mix,
        });
        script.plan.scenarios.push(scenario);
    }

    fn settings(&mut self, part: &Part<'_>, name: &str) -> Scenario {
        let written = KEYS.iter().filter(|key| part.has(key));
        let usual = unread(name, self.place(&part.path));
        Scenario {
            load: self.arriving(part),
            start: self.start(part).unwrap_or(usual.start),
            graceful_stop: self
                .field(part, "graceful_stop", options::duration)
                .unwrap_or(usual.graceful_stop),
            // One that cannot be read may have no meaning besides.
            max_users: part
                .has("max_users")
                .then(|| self.field(part, "max_users", options::count).unwrap_or(1)),
            tags: self.tags(part),
            keys: written.map(|key| (*key, self.place(&part.to(At::Key(key))))).collect(),
            ..usual
        }
    }

    /// The load, and how its arrivals are spread.
    fn arriving(&mut self, part: &Part<'_>) -> Load {
        let load = self.load(part);
        let spread = self.field(part, "arrivals", arrivals);
        if let Load::Rate { curve, .. } = load {
            return Load::Rate { curve, arrivals: spread.unwrap_or_default() };
        }
        let another = part.has("users") || part.has("iterations");
        if part.has("arrivals") && another && !part.has("rate") {
            let what = format!("{}arrivals: only a `rate` has arrivals", part.called);
            self.problem(&part.to(At::Key("arrivals")), what, None);
        }
        load
    }

    /// A time, or `{ after = "name" }`; `None` where nothing is said.
    fn start(&mut self, part: &Part<'_>) -> Option<Start> {
        let Ok(Value::Table(table)) = part.table.raw_get("start") else {
            let at = self.field(part, "start", options::duration);
            return part.has("start").then(|| Start::At(at.unwrap_or(LONG)));
        };
        let path = part.to(At::Key("start"));
        let part = Part { table: &table, path, called: format!("{}start: ", part.called) };
        self.unknown_keys(&part, &["after"]);
        let first = self.needed(&part, "after", options::string, "the name of a scenario");
        Some(first.map_or(Start::At(LONG), |first| Start::After(Arc::from(first))))
    }

    fn tags(&mut self, part: &Part<'_>) -> BTreeMap<String, String> {
        let Some(tags) = self.field(part, "tags", table) else { return BTreeMap::new() };
        let path = part.to(At::Key("tags"));
        let mut read = BTreeMap::new();
        for (key, value) in sorted(&tags) {
            let tag = options::string(&key)
                .map_err(|_| format!("expected names as keys, got {}", shown(&key)))
                .and_then(|key| match options::scalar(&value) {
                    Ok(text) => Ok((key, text)),
                    Err(what) => Err(format!("{key}: {what}")),
                });
            match tag {
                Ok((key, text)) => drop(read.insert(key, text)),
                Err(what) => self.problem(&path, format!("{}tags: {what}", part.called), None),
            }
        }
        read
    }

    /// `run`, or the functions of `weights`.
    fn mix(&mut self, part: &Part<'_>) -> Vec<(f64, Function)> {
        if part.has("run") && part.has("weights") {
            let what = format!("{}`run` and `weights` at the same time", part.called);
            self.problem(&part.to(At::Key("weights")), what, Some("keep one of them"));
        } else if !part.has("run") && !part.has("weights") && !Self::means(part, RUNS, KEYS) {
            let what = format!("{}nothing to run", part.called);
            let hint = format!("`run` is a function, or `weights` {WEIGHTS}");
            self.problem(&part.path, what, Some(&hint));
        }
        let weights = self.weights(part);
        match self.field(part, "run", function) {
            Some(run) => vec![(1.0, run)],
            None => weights,
        }
    }

    /// Each function with the sum of the weights up to and including its own.
    fn weights(&mut self, part: &Part<'_>) -> Vec<(f64, Function)> {
        let list = self.field(part, "weights", |value| {
            table(value).map_err(|_| format!("expected {WEIGHTS}, got {}", shown(value)))
        });
        let Some(list) = list else { return Vec::new() };
        let path = part.to(At::Key("weights"));
        let (called, hint) = (format!("{}weights: ", part.called), format!("write {WEIGHTS}"));
        let (list, mut whole) = self.items(&list, &path, &called, &hint);
        let (mut mix, mut sum) = (Vec::new(), 0.0);
        for (index, entry) in list.iter().enumerate() {
            match values::weighted(entry) {
                Ok((weight, function)) => {
                    sum += weight;
                    mix.push((sum, function));
                }
                Err(wrong) => {
                    whole = false;
                    let path = [&path[..], &[At::Item(index + 1)]].concat();
                    for what in wrong {
                        let what = format!("{}weights: entry {}: {what}", part.called, index + 1);
                        self.problem(&path, what, None);
                    }
                }
            }
        }
        if whole && sum <= 0.0 {
            let what = format!("{}weights: expected {WEIGHTS} with a weight above 0", part.called);
            self.problem(&path, what, None);
        }
        mix
    }
}

/// A scenario of which nothing but its name is known: a load of no consequence.
fn unread(name: &str, place: Place) -> Scenario {
    Scenario {
        name: Arc::from(name),
        load: Load::iterations(1, None),
        start: Start::At(Duration::ZERO),
        graceful_stop: Scenario::GRACEFUL_STOP,
        max_users: None,
        tags: BTreeMap::new(),
        place,
        keys: BTreeMap::new(),
    }
}
