//! Whether two runs can be compared: whether all but the target was the same.

use std::collections::BTreeMap;

use crate::outcome::{Outcome, RunVerdict};
use crate::plan::{Plan, Scenario};

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

fn parameters(base: &Plan, now: &Plan, varied: &[String]) -> Vec<String> {
    let values = |plan: &Plan| -> BTreeMap<String, String> {
        let shown = plan.parameters.iter().filter(|parameter| !parameter.secret);
        shown.map(|parameter| (parameter.name.clone(), parameter.value.to_string())).collect()
    };
    let told = |kind: &str, name: &str, a: Option<&String>, b: Option<&String>| {
        let [a, b] = [a, b].map(|value| value.map_or("nothing", String::as_str));
        format!("{kind} {name} is {a} in base, {b} now")
    };
    let mut found = Vec::new();
    let (a, b) = (values(base), values(now));
    for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
        if a.get(name) != b.get(name) && !varied.contains(name) {
            found.push(told("parameter", name, a.get(name), b.get(name)));
        }
    }
    found
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
