//! The load of a scenario: a number with a duration, or a curve of steps.

use std::time::Duration;

use mlua::{Table, Value};

use super::{At, Part, Reading, values};
use crate::plan::{Arrivals, Curve, Load, Step};
use crate::script::options::{self, shown};

/// The keys of which a scenario has exactly one.
const SHAPES: &[&str] = &["users", "rate", "iterations"];
/// Keys of a step of a curve.
const STEP: &[&str] = &["burst", "hold", "jump", "over", "to"];

impl Reading<'_> {
    /// The one of `users`, `rate` and `iterations` that is there.
    pub(super) fn load(&mut self, part: &Part<'_>) -> Load {
        let stand_in = Load::Users(Curve::constant(1.0, Duration::from_secs(1)));
        let has = |key: &&&str| part.table.contains_key(**key).unwrap_or(false);
        let shapes: Vec<&&str> = SHAPES.iter().filter(has).collect();
        let duration = self.field(part, "duration", options::duration);
        match shapes.as_slice() {
            [] => {
                let what = format!("{}no load", part.called);
                let hint = "give it one of `users`, `rate`, `iterations`";
                self.problem(&part.path, what, Some(hint));
                stand_in
            }
            [one] => self.shape(part, one, duration).unwrap_or(stand_in),
            many => {
                let names: Vec<_> = many.iter().map(|shape| format!("`{shape}`")).collect();
                let what = format!("{}{} at the same time", part.called, names.join(" and "));
                let hint = "a scenario has one of them; make a second scenario of the other";
                self.problem(&part.to(At::Key(many[1])), what, Some(hint));
                stand_in
            }
        }
    }

    fn shape(
        &mut self,
        part: &Part<'_>,
        shape: &'static str,
        duration: Option<Duration>,
    ) -> Option<Load> {
        let value: Value = part.table.raw_get(shape).ok()?;
        if let Value::Table(steps) = &value {
            let curve = Curve::steps(0.0, &self.steps(part, shape, steps)?);
            if duration.is_some() && shape != "iterations" {
                let what = format!("{}duration: the curve of `{shape}` has its own", part.called);
                let hint = "leave `duration` out, or make the load a number";
                self.problem(&part.to(At::Key("duration")), what, Some(hint));
            }
            return Some(match shape {
                "users" => Load::Users(curve),
                "rate" => Load::Rate { curve, arrivals: Arrivals::Even },
                _ => {
                    let total = curve.last().max(0.0).round() as u64;
                    Load::Iterations { curve, total, duration }
                }
            });
        }
        if shape == "iterations" {
            let total = self.field(part, shape, options::count)?;
            return Some(Load::iterations(total, duration));
        }
        let read = if shape == "rate" { rate } else { options::number };
        let level = self.field(part, shape, read)?;
        // A duration that is there but malformed has been reported already.
        if duration.is_none() && !part.table.contains_key("duration").unwrap_or(false) {
            let what = format!("{}`{shape} = {}` needs a `duration`", part.called, shown(&value));
            let hint = Some("add `duration = \"1m\"`, or give a list of steps");
            self.problem(&part.to(At::Key(shape)), what, hint);
        }
        let curve = Curve::constant(level, duration?);
        Some(match shape {
            "users" => Load::Users(curve),
            _ => Load::Rate { curve, arrivals: Arrivals::Even },
        })
    }

    /// Every step of a curve; `None` when one of them is wrong.
    fn steps(&mut self, part: &Part<'_>, shape: &'static str, steps: &Table) -> Option<Vec<Step>> {
        let before = self.problems.len();
        let mut read = Vec::new();
        let list = match values::items(steps) {
            Ok(list) => list,
            Err(what) => {
                let what = format!("{}{shape}: {what}", part.called);
                self.problem(&part.to(At::Key(shape)), what, None);
                return None;
            }
        };
        if list.is_empty() {
            let what = format!("{}{shape}: expected a number or a list of steps", part.called);
            let hint =
                "a step is `{ to = 200, over = \"1m\" }`, `{ hold = \"5m\" }` or `{ jump = 10 }`";
            self.problem(&part.to(At::Key(shape)), what, Some(hint));
        }
        for (index, value) in list.iter().enumerate() {
            let mut path = part.to(At::Key(shape));
            path.push(At::Item(index + 1));
            let called = format!("{}{shape}: step {}: ", part.called, index + 1);
            if let Value::Table(table) = value {
                let step = Part { table, path, called };
                self.unknown_keys(&step, STEP);
                read.extend(self.step(&step, shape));
            } else {
                self.problem(
                    &path,
                    format!("{called}expected a table, got {}", shown(value)),
                    None,
                );
            }
        }
        (self.problems.len() == before).then_some(read)
    }

    fn step(&mut self, part: &Part<'_>, shape: &str) -> Option<Step> {
        let before = self.problems.len();
        let level = if shape == "rate" { rate } else { options::number };
        let to = self.field(part, "to", level);
        let over = self.field(part, "over", options::duration);
        let hold = self.field(part, "hold", options::duration);
        let jump = self.field(part, "jump", level);
        let burst = self.field(part, "burst", options::count);
        if self.problems.len() > before {
            return None;
        }
        let (what, hint) = match (to, over, hold, jump, burst) {
            (Some(to), Some(over), None, None, None) => return Some(Step::To { to, over }),
            (None, None, Some(hold), None, None) => return Some(Step::Hold(hold)),
            (None, None, hold, Some(to), None) => return Some(Step::Jump { to, hold }),
            (None, None, None, None, Some(burst)) if shape == "rate" => {
                return Some(Step::Burst(burst));
            }
            (None, None, None, None, Some(_)) => {
                ("only a `rate` has bursts", "use `{ jump = n }` to change the load at once")
            }
            (Some(_), None, ..) => ("`to` needs `over`", "write `{ to = 200, over = \"1m\" }`"),
            _ => (
                "expected one of: `to` with `over`; `hold`; `jump`, with or without `hold`; `burst`",
                "split it into several steps",
            ),
        };
        self.problem(&part.path, format!("{}{what}", part.called), Some(hint));
        None
    }
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
