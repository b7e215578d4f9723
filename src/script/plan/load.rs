//! The load of a scenario: a number with a duration, or a curve of steps.

use std::time::Duration;

use mlua::{Table, Value};

use super::scenario::KEYS;
use super::{At, LONG, Part, Reading};
use crate::plan::{Arrivals, Curve, Load, Step};
use crate::script::options::{self, shown};

/// The keys of which a scenario has exactly one.
const SHAPES: &[&str] = &["users", "rate", "iterations"];
/// Keys of a step of a curve.
const STEP: &[&str] = &["burst", "hold", "jump", "over", "to"];

/// What they look like.
const STEPS: &str =
    "a step is `{ to = 200, over = \"1m\" }`, `{ hold = \"5m\" }` or `{ jump = 10 }`";

/// How much load, as it was read.
enum Amount {
    /// The same all the time.
    Level(f64),
    /// A number of iterations.
    Total(u64),
    /// Steps.
    Steps(Curve),
}

impl Reading<'_> {
    /// The one of `users`, `rate` and `iterations` that is there. What of it cannot be read is
    /// stood in for by itself, so that the rest is judged all the same.
    pub(super) fn load(&mut self, part: &Part<'_>) -> Load {
        let duration = self.field(part, "duration", options::duration);
        let shapes: Vec<_> = SHAPES.iter().copied().filter(|shape| part.has(shape)).collect();
        let mut amounts: Vec<_> = shapes.iter().map(|shape| self.amount(part, shape)).collect();
        if let ([shape], Some(amount)) = (&shapes[..], amounts.pop()) {
            self.takes_time(part, shape, &amount);
            let missing = part.has("duration") || *shape != "iterations";
            return made(shape, amount, duration.or(missing.then_some(LONG)));
        }
        if let [_, second, ..] = shapes[..] {
            let names: Vec<_> = shapes.iter().map(|shape| format!("`{shape}`")).collect();
            let what = format!("{}{} at the same time", part.called, names.join(" and "));
            let hint = "a scenario has one of them; make a second scenario of the other";
            self.problem(&part.to(At::Key(second)), what, Some(hint));
        } else if !Self::means(part, SHAPES, KEYS) {
            let what = format!("{}no load", part.called);
            self.problem(&part.path, what, Some("give it one of `users`, `rate`, `iterations`"));
        }
        Load::iterations(1, None)
    }

    /// What stands under a shape's key.
    fn amount(&mut self, part: &Part<'_>, shape: &'static str) -> Amount {
        match part.table.raw_get(shape) {
            Ok(Value::Table(steps)) => Amount::Steps(self.steps(part, shape, &steps)),
            _ if shape == "iterations" => {
                Amount::Total(self.field(part, shape, options::count).unwrap_or(1))
            }
            _ => Amount::Level(self.field(part, shape, level(shape)).unwrap_or(1.0)),
        }
    }

    /// A level has to be given a duration, and steps have their own.
    fn takes_time(&mut self, part: &Part<'_>, shape: &'static str, amount: &Amount) {
        match (amount, part.has("duration")) {
            (Amount::Steps(_), true) if shape != "iterations" => {
                let what = format!("{}duration: the curve of `{shape}` has its own", part.called);
                let hint = "leave `duration` out, or make the load a number";
                self.problem(&part.to(At::Key("duration")), what, Some(hint));
            }
            (Amount::Level(_), false) if !Self::means(part, &["duration"], KEYS) => {
                let value = part.table.raw_get(shape).unwrap_or(Value::Nil);
                let what =
                    format!("{}`{shape} = {}` needs a `duration`", part.called, shown(&value));
                let hint = Some("add `duration = \"1m\"`, or give a list of steps");
                self.problem(&part.to(At::Key(shape)), what, hint);
            }
            _ => {}
        }
    }

    /// Every step of a curve that can be read; in the place of those that cannot, one that keeps
    /// the curve going.
    fn steps(&mut self, part: &Part<'_>, shape: &'static str, steps: &Table) -> Curve {
        let mut path = part.to(At::Key(shape));
        let called = format!("{}{shape}: ", part.called);
        let (list, whole) = self.items(steps, &path, &called, STEPS);
        if list.is_empty() && whole {
            let what = format!("{called}expected a number or a list of steps");
            self.problem(&path, what, Some(STEPS));
        }
        let mut read = Vec::new();
        for (index, value) in list.iter().enumerate() {
            path.push(At::Item(index + 1));
            let called = format!("{}{shape}: step {}: ", part.called, index + 1);
            if let Value::Table(table) = value {
                let step = Part { table, path: path.clone(), called };
                self.unknown_keys(&step, STEP);
                read.extend(self.step(&step, shape));
            } else {
                let what = format!("{called}expected a table, got {}", shown(value));
                self.problem(&path, what, None);
            }
            path.pop();
        }
        let curve = Curve::steps(0.0, &read);
        if whole && !read.is_empty() && read.len() == list.len() {
            return curve;
        }
        read.push(Step::Jump { to: curve.last().max(1.0), hold: Some(LONG) });
        Curve::steps(0.0, &read)
    }

    fn step(&mut self, part: &Part<'_>, shape: &'static str) -> Option<Step> {
        let to = self.field(part, "to", level(shape));
        let over = self.field(part, "over", options::duration);
        let hold = self.field(part, "hold", options::duration);
        let jump = self.field(part, "jump", level(shape));
        let burst = self.field(part, "burst", options::count);
        let has = |key| part.has(key);
        // What goes together is told by what is there, also where it cannot be read.
        let (what, hint) = match (has("to"), has("over"), has("hold"), has("jump"), has("burst")) {
            (true, true, false, false, false) => {
                return Some(Step::To { to: to?, over: over.unwrap_or(LONG) });
            }
            (false, false, true, false, false) => return Some(Step::Hold(hold.unwrap_or(LONG))),
            (false, false, false, true, false) => {
                return Some(Step::Jump { to: jump?, hold: None });
            }
            (false, false, true, true, false) => {
                return Some(Step::Jump { to: jump?, hold: Some(hold.unwrap_or(LONG)) });
            }
            (false, false, false, false, true) if shape == "rate" => {
                return Some(Step::Burst(burst?));
            }
            (false, false, false, false, true) => {
                ("only a `rate` has bursts", "use `{ jump = n }` to change the load at once")
            }
            (true, false, ..) => ("`to` needs `over`", "write `{ to = 200, over = \"1m\" }`"),
            _ => (
                "expected one of: `to` with `over`; `hold`; `jump`, with or without `hold`; `burst`",
                "split it into several steps",
            ),
        };
        if !Self::means(part, STEP, STEP) {
            self.problem(&part.path, format!("{}{what}", part.called), Some(hint));
        }
        None
    }
}

/// The load of a shape.
fn made(shape: &str, amount: Amount, duration: Option<Duration>) -> Load {
    let curve = match amount {
        Amount::Total(total) => return Load::iterations(total, duration),
        Amount::Steps(curve) if shape == "iterations" => {
            let total = curve.last().max(0.0).round() as u64;
            return Load::Iterations { curve, total, duration };
        }
        Amount::Steps(curve) => curve,
        Amount::Level(level) => Curve::constant(level, duration.unwrap_or(LONG)),
    };
    match shape {
        "users" => Load::Users(curve),
        _ => Load::Rate { curve, arrivals: Arrivals::Even },
    }
}

/// How the height of a load of this shape is read.
fn level(shape: &str) -> fn(&Value) -> Result<f64, String> {
    if shape == "rate" { rate } else { options::number }
}

/// A number a second, or text such as `"30/m"`.
fn rate(value: &Value) -> Result<f64, String> {
    match value {
        Value::String(text) => crate::units::Rate::parse(&text.to_string_lossy())
            .map(|rate| rate.0)
            .map_err(|error| error.to_string()),
        other => options::number(other),
    }
}
