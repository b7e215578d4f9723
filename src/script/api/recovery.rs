//! `loadrun.recovery`: waiting until what was broken has recovered, as the run's own calls tell.
//!
//! Whoever holds the faults of the run is asked ([`Holder`]), and judges once a second as the report
//! does at the end. A deadline that passes is a value; nothing to wait for is an error.
//!
//! A call that a script wanted and did not make is none of its calls, but its user went without: so it
//! is told here, and counts as one that never reached the target.

use std::time::Duration;

use mlua::{Lua, Table, Value};
use tokio::time::Instant;

use super::fault::names_of;
use crate::fault::{Awaited, Holder, Told};
use crate::recovery::Verdict;
use crate::script::context::Context;
use crate::script::coroutine;
use crate::script::fault::{lease, several, subject};
use crate::script::options::{self, Options};
use crate::script::traceback::misuse;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &["await", "unmade"];

const NAME: &str = "recovery.await";

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("await", coroutine::function(lua, Wanted::read, Wanted::wait)?)?;
    let context = Context::of(lua)?;
    let unmade = lua.create_function(move |_, ()| {
        context.unmade();
        Ok(())
    })?;
    table.set("unmade", unmade)?;
    Ok(Value::Table(table))
}

/// What is waited for, and how long.
struct Wanted {
    awaited: Awaited,
    within: Duration,
    holder: Holder,
}

impl Wanted {
    fn read(lua: &Lua, given: Value) -> mlua::Result<Self> {
        let context = Context::of(lua)?;
        context.may_wait(lua, NAME)?;
        let wrong = |what: &str| misuse(lua, format!("{NAME}: {what}"));
        let world = &context.world;
        if world.begin.get().is_none() || world.is_over() {
            let hint = "call it in the `run` of a scenario";
            return Err(wrong(&format!("there is no load that could tell\n  hint: {hint}")));
        }
        let given = Options::new(lua, NAME, given, &["fault", "on", "within"])?;
        let within = given.read("within", lease)?;
        let missing =
            "no `within`; add `within = ...`: how long it is waited at most, such as \"30s\"";
        let within = within.ok_or_else(|| given.wrong(missing))?;
        let faults = given.read("fault", faults)?;
        let on =
            given.read("on", |on| several(on)?.iter().map(|on| subject(&context, on)).collect())?;
        let awaited = match (faults, on) {
            (None, None) => Awaited::All,
            (Some(names), None) => Awaited::Faults(names),
            (None, Some(things)) => Awaited::On(things),
            (Some(_), Some(_)) => return Err(given.wrong("expected `fault` or `on`, got both")),
        };
        let holder = world.faults.get().cloned();
        let holder = holder.ok_or_else(|| wrong("nothing can be broken here"))?;
        Ok(Self { awaited, within, holder })
    }

    async fn wait(self, lua: Lua) -> mlua::Result<Table> {
        let begun = Instant::now();
        let waited = self.holder.recovered(self.awaited, begun + self.within).await;
        let told = waited.map_err(|why| misuse(&lua, format!("{NAME}: {why}")))?;
        let each: Vec<Table> =
            told.iter().map(|told| answer(&lua, told)).collect::<mlua::Result<_>>()?;
        let worst = told.iter().max_by(|a, b| badness(a).total_cmp(&badness(b)));
        let table = worst.map_or_else(|| lua.create_table(), |worst| answer(&lua, worst))?;
        table.raw_set("waited", begun.elapsed().as_secs_f64())?;
        table.raw_set("faults", each)?;
        Ok(table)
    }
}

/// Faults by their names, or what `fault.start` gave.
fn faults(value: &Value) -> Result<Vec<String>, String> {
    if let Some(names) = names_of(value) {
        return Ok(names);
    }
    let name = options::string(value);
    Ok(vec![name.map_err(|what| format!("{what}; or what `fault.start` gave"))?])
}

/// What a script is told of one fault.
fn answer(lua: &Lua, told: &Told) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("fault", told.fault.as_str())?;
    table.raw_set("verdict", verdict_of(told))?;
    table.raw_set("recovered", has_recovered(told))?;
    let Some(recovery) = &told.recovery else { return Ok(table) };
    let cost = recovery.cost;
    for (name, value) in [
        ("time", time(told)),
        ("detect", recovery.detect),
        ("onset", recovery.onset),
        ("outage", recovery.outage),
        ("settle", recovery.settle),
        ("success", recovery.fault.success()),
        ("lost", cost.map(|cost| cost.lost)),
        ("budget", cost.map(|cost| cost.budget)),
        ("resolution", Some(recovery.resolution)),
    ] {
        table.raw_set(name, value)?;
    }
    table.raw_set("relapses", recovery.relapses)?;
    Ok(table)
}

/// All of it in a word: the report's, or that there is nothing yet that it could say.
fn verdict_of(told: &Told) -> String {
    match &told.recovery {
        None => "still_broken".to_owned(),
        Some(recovery) => match recovery.verdict {
            // Nothing was felt, but nor has enough been seen since.
            Verdict::Tolerated | Verdict::NoEffect if !told.is_decided => "undecided".to_owned(),
            verdict => verdict.to_string(),
        },
    }
}

/// Whether calls are known to be good again, or to have stayed so.
fn has_recovered(told: &Told) -> bool {
    told.is_decided && told.recovery.as_ref().is_some_and(|recovery| recovery.verdict.is_well())
}

/// From the fault's end until calls were good again, as `recovery.time` has it.
fn time(told: &Told) -> Option<f64> {
    let recovery = told.recovery.as_ref().filter(|_| told.is_decided)?;
    match recovery.verdict {
        Verdict::Tolerated => Some(0.0),
        Verdict::Recovered | Verdict::RecoveredThenRelapsed => recovery.recover,
        _ => None,
    }
}

/// The larger, the worse.
fn badness(told: &Told) -> f64 {
    time(told).filter(|_| has_recovered(told)).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Timeline, Windows};
    use crate::recovery::{Calls, Facts, Recovery, Span, Terms, assess};

    fn told(verdict: Verdict, is_decided: bool) -> Told {
        let timeline = Timeline::new(Duration::ZERO);
        timeline.begins("f", Duration::from_secs(1));
        timeline.ends("f", Duration::from_secs(2));
        let (edges, windows) = (timeline.edges(), Windows::default());
        let span = Span::of("f", &edges, Duration::from_secs(3)).unwrap();
        let calls = Calls { windows: &windows, edges: &edges };
        let recovery = assess(&calls, span, &Terms::default(), &Facts::default());
        let recovery = Recovery { verdict, recover: Some(1.5), ..recovery };
        Told { fault: "f".to_owned(), recovery: Some(recovery), is_decided }
    }

    #[test]
    fn what_is_not_decided_has_not_recovered_and_has_a_word_of_its_own() {
        for (verdict, is_decided, word, recovered, expected) in [
            (Verdict::Recovered, true, "recovered", true, Some(1.5)),
            (Verdict::Tolerated, true, "tolerated", true, Some(0.0)),
            (Verdict::Tolerated, false, "undecided", false, None),
            (Verdict::NoEffect, true, "no_effect", false, None),
            (Verdict::NoEffect, false, "undecided", false, None),
            (Verdict::RecoveredThenRelapsed, true, "recovered_then_relapsed", false, Some(1.5)),
            (Verdict::NotRecovered, false, "not_recovered", false, None),
            (Verdict::Metastable, false, "metastable", false, None),
            (Verdict::NoBaseline, true, "no_baseline", false, None),
        ] {
            let told = told(verdict, is_decided);
            assert_eq!((verdict_of(&told).as_str(), has_recovered(&told)), (word, recovered));
            assert_eq!(time(&told), expected, "{word}");
        }
        let standing = Told { fault: "f".to_owned(), recovery: None, is_decided: false };
        assert_eq!((verdict_of(&standing).as_str(), time(&standing)), ("still_broken", None));
    }

    #[test]
    fn of_several_the_one_fares_worst_that_has_not_recovered_or_took_longest() {
        let slow = told(Verdict::Recovered, true);
        let [tolerated, standing] =
            [told(Verdict::Tolerated, true), told(Verdict::NotRecovered, false)];
        assert!(badness(&standing) > badness(&slow) && badness(&slow) > badness(&tolerated));
    }
}
