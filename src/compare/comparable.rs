//! Whether two runs can be compared: whether all but the target was the same.
//!
//! The target is where the load goes: a parameter whose value is an address on both sides may differ.

use std::collections::BTreeMap;

use crate::outcome::{Outcome, RunVerdict};
use crate::plan::{Plan, Scenario, is_address};

/// Two runs of one and the same process.
pub fn is_same_run(a: &Outcome, b: &Outcome) -> bool {
    (&a.run.name, &a.run.started, a.run.elapsed.to_bits())
        == (&b.run.name, &b.run.started, b.run.elapsed.to_bits())
}

/// Every reason why `now` cannot be held against `base`; parameters named in `varied` may differ.
pub fn differences(base: &Outcome, now: &Outcome, varied: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    if is_same_run(base, now) {
        found.push(format!("both are the run of {} at {}", now.run.name, now.run.started));
    }
    for (which, outcome) in [("base", base), ("now", now)] {
        if outcome.verdict != RunVerdict::Valid {
            let cause = outcome.reasons.first().map(|r| format!(": {}", r.cause));
            let cause = cause.unwrap_or_default();
            found.push(format!("{which} is {}, not VALID{cause}", outcome.verdict));
        }
        if outcome.series.iter().all(|series| series.slices.is_none()) {
            let version = &outcome.loadrun;
            found.push(format!("{which} has no histograms along the run (loadrun {version})"));
        }
    }
    if base.run.fingerprint != now.run.fingerprint {
        found.push("the script's text is not the same".to_owned());
    }
    found.extend(parameters(&base.plan, &now.plan, varied));
    found.extend(loads(&base.plan, &now.plan));
    found.extend(hosts(base, now));
    found
}

/// What is known to differ before a run of this plan has begun.
pub fn foreseen(base: &Outcome, now: &Plan) -> Vec<String> {
    parameters(&base.plan, now, &[]).into_iter().chain(loads(&base.plan, now)).collect()
}

fn parameters(base: &Plan, now: &Plan, varied: &[String]) -> Vec<String> {
    let told = |kind: &str, name: &str, a: Option<&String>, b: Option<&String>| {
        let shown = |value: &String| if value.is_empty() { "empty" } else { value }.to_owned();
        let [a, b] = [a, b].map(|value| value.map_or("nothing".to_owned(), shown));
        format!("{kind} {name} is {a} in base, {b} now")
    };
    let is_target = |value: Option<&String>| value.is_some_and(|value| is_address(value));
    let mut found = Vec::new();
    let (a, b) = (values(base), values(now));
    for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
        let sides = [a.get(name), b.get(name)];
        let moved = sides.into_iter().all(is_target);
        if sides[0] != sides[1] && !moved && !varied.contains(name) {
            found.push(told("parameter", name, sides[0], sides[1]));
        }
    }
    found
}

/// Parameters by name, secrets left out.
fn values(plan: &Plan) -> BTreeMap<String, String> {
    let shown = plan.parameters.iter().filter(|parameter| !parameter.secret);
    shown.map(|parameter| (parameter.name.clone(), parameter.value.to_string())).collect()
}

/// Where the load went, where that is not the same on both sides, a line a parameter:
/// `base: 10.0.0.7:1 before, 10.0.0.8:1 now`.
pub fn targets(base: &[Outcome], now: &[Outcome]) -> Vec<String> {
    let addresses = |side: &[Outcome]| {
        let mut addresses = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in side.iter().flat_map(|outcome| values(&outcome.plan)) {
            let known = addresses.entry(name).or_default();
            if is_address(&value) && !known.contains(&value) {
                known.push(value);
            }
        }
        addresses
    };
    let (mut before, now) = (addresses(base), addresses(now));
    let both = now.into_iter().filter_map(|(name, now)| Some((before.remove(&name)?, name, now)));
    let moved = both.filter(|(before, _, now)| !before.is_empty() && !now.is_empty());
    let moved = moved.filter(|(before, _, now)| before != now);
    moved
        .map(|(before, name, now)| format!("{name}: {} before, {} now", few(&before), few(&now)))
        .collect()
}

/// The first of several addresses, and how many more there are: each run may have had its own.
fn few(addresses: &[String]) -> String {
    match addresses {
        [only] => only.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
        [] => String::new(),
    }
}

/// A scenario's load, without where it is written.
fn loads(base: &Plan, now: &Plan) -> Vec<String> {
    let load = |scenario: &Scenario| {
        let parts = (&scenario.load, &scenario.start, scenario.max_users, &scenario.tags);
        serde_json::to_string(&parts).unwrap_or_default()
    };
    let names = base.scenarios.iter().chain(&now.scenarios).map(|scenario| &*scenario.name);
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let differs =
        names.into_iter().filter_map(|name| match (base.scenario(name), now.scenario(name)) {
            (Some(a), Some(b)) if load(a) == load(b) => None,
            (Some(_), Some(_)) => Some(format!("the load of scenario {name} is not the same")),
            (Some(_), None) => Some(format!("scenario {name} is only in base")),
            (None, _) => Some(format!("scenario {name} is only in the run now")),
        });
    differs.collect()
}

/// What a host is to a load test: its system, its processors, how many of them.
fn hosts(base: &Outcome, now: &Outcome) -> Option<String> {
    let class = |outcome: &Outcome| {
        let host = &outcome.environment;
        let cpu = host.cpu.as_deref().unwrap_or("unknown processor");
        format!("{} {}, {} x {cpu}", host.os, host.arch, host.cpus)
    };
    let (a, b) = (class(base), class(now));
    (a != b).then(|| format!("the host was {a} in base, is {b} now"))
}
