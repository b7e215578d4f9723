//! Everything that is wrong with a plan, found at once.
//!
//! Each rule is one function from a part of the plan to the problems it finds; none stops at the
//! first, and none depends on another having passed. What a rule refuses could never do what its
//! author meant; what merely may turn out empty, like a threshold on a tag that a script sets
//! while it runs, is left to the run to report. That there is no scenario at all is told by who
//! reads the script and knows where it should be.

use std::time::Duration;

use super::{Curve, FaultDecl, Load, Plan, Problem, Scenario, Start, nearest};
use crate::metric::{BUILTIN, Builtin, FAILURES, Filter, Stage, Threshold};
use crate::units::show_duration;

/// Every reason why `plan` cannot be run; empty if it can.
pub fn validate(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    for scenario in &plan.scenarios {
        problems.extend(self::scenario(plan, scenario).map(|(key, problem)| Problem {
            what: format!("scenario `{}`: {}", scenario.name, problem.what),
            at: Some(scenario.place_of(key).clone()),
            ..problem
        }));
    }
    problems.extend(circles(plan));
    problems.extend(plan.faults.iter().filter_map(|fault| too_late(plan, fault)));
    problems.extend(watched(plan));
    problems.extend(metrics(plan));
    for (threshold, place) in &plan.thresholds {
        problems.extend(self::threshold(plan, threshold).into_iter().map(|found| found.at(place)));
    }
    problems
}

/// What is wrong with a scenario, by the key it is about.
fn scenario<'a>(
    plan: &'a Plan,
    scenario: &'a Scenario,
) -> impl Iterator<Item = (&'a str, Problem)> {
    let about = |key| move |problem| (key, problem);
    let name = name(scenario).map(about("")).into_iter();
    name.chain(load(scenario))
        .chain(max_users(scenario).map(about("max_users")))
        .chain(tags(scenario).map(about("tags")))
        .chain(start(plan, scenario).map(about("start")))
}

/// A fault has to begin while there is load.
fn too_late(plan: &Plan, fault: &FaultDecl) -> Option<Problem> {
    let open_ended = |load: &Load| matches!(load, Load::Iterations { duration: None, .. });
    let endless = plan.scenarios.iter().any(|scenario| open_ended(&scenario.load));
    let timed = !plan.scenarios.is_empty() && !endless;
    (timed && fault.at >= plan.duration()).then(|| {
        let (at, load) = (show_duration(fault.at), show_duration(plan.duration()));
        Problem::new(format!("fault {:?} begins at {at}, when the load is over", fault.name))
            .hint(format!("the load lasts {load}; begin earlier, or let it go on for longer"))
            .at(&fault.place)
    })
}

/// A process that is watched needs a name of its own.
fn watched(plan: &Plan) -> impl Iterator<Item = Problem> {
    let others = |at: usize| plan.processes().take(1 + plan.services.len() + at);
    plan.watch.iter().enumerate().filter_map(move |(at, watched)| {
        let taken = others(at).any(|name| name == watched.name);
        taken.then(|| {
            Problem::new(format!("watch: there is a process {:?} already", watched.name))
                .at(&watched.place)
                .hint("loadrun, the services of the run and the others have their names")
        })
    })
}

/// A name is shown on one line and typed in filters.
fn name(scenario: &Scenario) -> Option<Problem> {
    let unseen = scenario.name.trim().is_empty() || scenario.name.contains(char::is_control);
    unseen.then(|| Problem::new("a name needs a visible character, and no control characters"))
}

/// A load has to be made of sensible numbers, take time, and start something.
fn load(scenario: &Scenario) -> Vec<(&'static str, Problem)> {
    let load = &scenario.load;
    let (word, curve) = (load.word(), load.curve());
    let mut impossible: Vec<f64> =
        curve.values().filter(|value| !(value.is_finite() && *value >= 0.0)).collect();
    impossible.dedup_by(|a, b| a.total_cmp(b).is_eq());
    if !impossible.is_empty() {
        let what = |value| format!("{word} cannot be {value}; expected a finite number from 0");
        return impossible.into_iter().map(|value| (word, Problem::new(what(value)))).collect();
    }
    if let Some(problem) = absurd(load) {
        return vec![(word, problem)];
    }
    let mut problems = Vec::new();
    if curve.has_burst() && !matches!(load, Load::Rate { .. }) {
        problems.push((
            word,
            Problem::new(format!("{word} cannot burst; expected `to`, `hold` or `jump`"))
                .hint("a burst is a number of arrivals, which only `rate` has"),
        ));
    }
    let nothing = |most| nothing(word, curve, most).map(|problem| (word, problem));
    match load {
        Load::Users(_) => problems.extend(nothing(curve.peak())),
        Load::Rate { .. } => problems.extend(nothing(curve.total())),
        Load::Iterations { total, duration, .. } => {
            problems.extend(amount(curve, *total, *duration));
        }
    }
    problems
}

/// The most users one machine is asked for.
const MOST_USERS_AT_ONCE: f64 = 1e6;
/// The most arrivals a second one machine is asked for.
const MOST_RATE: f64 = 1e6;
/// The most arrivals, or iterations, of one scenario.
const MOST_ITERATIONS: f64 = 1e12;

/// A load that no machine could make: a slip of the finger, that would only end with the memory.
fn absurd(load: &Load) -> Option<Problem> {
    let (amount, most, what) = match load {
        Load::Users(curve) => (curve.peak(), MOST_USERS_AT_ONCE, "users"),
        Load::Rate { curve, .. } if curve.peak() > MOST_RATE => {
            (curve.peak(), MOST_RATE, "arrivals/s")
        }
        Load::Rate { curve, .. } => (curve.total(), MOST_ITERATIONS, "arrivals"),
        Load::Iterations { total, .. } => (*total as f64, MOST_ITERATIONS, "iterations"),
    };
    (amount > most).then(|| {
        Problem::new(format!("{} asks for {amount:e} {what}", load.word()))
            .hint(format!("at most {most} {what} in one scenario"))
    })
}

/// A load of users or arrivals that would start nothing.
fn nothing(word: &str, curve: &Curve, most: f64) -> Option<Problem> {
    if most > 0.0 {
        None
    } else if curve.duration().is_zero() {
        let what = format!("{word} lasts no time");
        Some(Problem::new(what).hint("give a `duration`, or steps with `over` or `hold`"))
    } else {
        Some(Problem::new(format!("{word} is 0 throughout, so nothing would start")))
    }
}

/// An amount of work that is none, that shrinks, or that has no time.
fn amount(
    curve: &Curve,
    total: u64,
    duration: Option<Duration>,
) -> impl Iterator<Item = (&'static str, Problem)> {
    let none = (total == 0)
        .then(|| ("iterations", Problem::new("iterations is 0, so nothing would start")));
    let no_time = duration
        .is_some_and(|duration| duration.is_zero())
        .then(|| ("duration", Problem::new("duration cannot be 0 s; leave it out for no limit")));
    let falls = curve.values().zip(curve.values().skip(1)).find(|(from, to)| from > to);
    let falls = falls.filter(|_| total > 0).map(|(from, to)| {
        let what = format!("iterations cannot fall, here from {from} to {to}");
        let hint = "the curve says how many have been released so far";
        ("iterations", Problem::new(what).hint(hint))
    });
    none.into_iter().chain(no_time).chain(falls)
}

/// `max_users` bounds a load that could otherwise take any number.
fn max_users(scenario: &Scenario) -> Option<Problem> {
    match (scenario.max_users?, &scenario.load) {
        (_, Load::Users(_)) => Some(
            Problem::new("max_users has no meaning next to users")
                .hint("leave it out: `users` says how many there are"),
        ),
        (0, _) => Some(Problem::new("max_users cannot be 0; expected a number from 1")),
        _ => None,
    }
}

/// A scenario cannot set the tags that samples get by themselves.
fn tags(scenario: &Scenario) -> impl Iterator<Item = Problem> {
    let taken = |key: &&String| {
        let key = key.as_str();
        key == "phase" || BUILTIN.iter().any(|metric| metric.tags.contains(&key))
    };
    scenario.tags.keys().filter(taken).map(|key| {
        Problem::new(format!("the tag {key:?} is set by loadrun itself")).hint("choose another key")
    })
}

/// A scenario can only wait for one that is there.
fn start(plan: &Plan, scenario: &Scenario) -> Option<Problem> {
    let Start::After(first) = &scenario.start else {
        return None;
    };
    if plan.scenario(first).is_some() {
        return None;
    }
    let others = plan.scenarios.iter().filter(|other| other.name != scenario.name);
    let hint = meant(first, others.map(|other| &*other.name));
    let what = format!("starts after {first:?}, which is not a scenario");
    Some(Problem::new(what).hint(hint))
}

/// Scenarios that wait for each other; each circle is told once, at its first scenario.
fn circles(plan: &Plan) -> impl Iterator<Item = Problem> {
    plan.scenarios.iter().enumerate().filter_map(|(index, scenario)| {
        let circle = circle(plan, index)?;
        let names: Vec<&str> = circle.iter().map(|&index| &*plan.scenarios[index].name).collect();
        let what = format!("none of these can start: {} -> {}", names.join(" -> "), names[0]);
        let hint = "each starts after the next; give one of them a time to start at";
        Some(Problem::new(what).at(scenario.place_of("start")).hint(hint))
    })
}

/// The way from scenario `begin` along `after` back to itself, if it is the first of that circle.
fn circle(plan: &Plan, begin: usize) -> Option<Vec<usize>> {
    let mut way = vec![begin];
    loop {
        let Start::After(name) = &plan.scenarios[*way.last()?].start else {
            return None;
        };
        let next = plan.scenarios.iter().position(|scenario| scenario.name == *name)?;
        if next == begin {
            return way.iter().all(|&index| index >= begin).then_some(way);
        }
        if way.contains(&next) {
            return None;
        }
        way.push(next);
    }
}

/// A script's metric needs a name of its own, and one meaning.
fn metrics(plan: &Plan) -> impl Iterator<Item = Problem> {
    plan.metrics.iter().enumerate().filter_map(|(index, metric)| {
        let name = &*metric.name;
        if builtin(name).is_some() {
            let what = format!("metric {name:?} is recorded by loadrun itself");
            return Some(Problem::new(what).hint("choose another name"));
        }
        let other = plan.metrics[..index].iter().find(|other| other.name == metric.name)?;
        (other != metric).then(|| Problem::new(format!("metric {name:?} is declared in two ways")))
    })
}

/// A threshold has to speak of something that can be recorded.
fn threshold(plan: &Plan, threshold: &Threshold) -> Vec<Problem> {
    let name = threshold.metric.as_str();
    let inside = |what| format!("threshold `{}`: {what}", threshold.text);
    let Some((kind, unit)) = plan.metric(name).map(|metric| (metric.kind, metric.unit)) else {
        let names = BUILTIN.iter().map(|metric| metric.name);
        let names = names.chain(plan.metrics.iter().map(|metric| &*metric.name));
        let what = inside(format!("no metric is called {name:?}"));
        return vec![Problem::new(what).hint(meant(name, names))];
    };
    let misfit = threshold
        .fits(kind, unit)
        .err()
        .map(|error| Problem::new(error.what).hint(format!("expected {}", error.expected)));
    let filters = threshold.filters.iter().filter_map(|filter| self::filter(plan, name, filter));
    let filters = filters.map(|problem| Problem { what: inside(problem.what), ..problem });
    misfit.into_iter().chain(filters).collect()
}

fn builtin(name: &str) -> Option<&'static Builtin> {
    BUILTIN.iter().find(|metric| metric.name == name)
}

/// A filter has to be able to match: by its key, and where all its values are known, by those.
fn filter(plan: &Plan, metric: &str, filter: &Filter) -> Option<Problem> {
    if filter.key == "phase" {
        let names = || Stage::ALL.map(Stage::name);
        let stray = filter.values.iter().find(|value| !names().contains(&value.as_str()))?;
        let what = format!("no phase is called {stray:?}");
        return Some(Problem::new(what).hint(meant(stray, names())));
    }
    if filter.key == "fault" {
        return None;
    }
    let own = builtin(metric).map_or(&["scenario"] as &[_], |metric| metric.tags).iter().copied();
    let set = plan.scenarios.iter().flat_map(|scenario| scenario.tags.keys().map(String::as_str));
    let mut keys: Vec<&str> = own.chain(set).collect();
    keys.dedup();
    if !keys.contains(&filter.key.as_str()) {
        let meant = nearest(&filter.key, keys.iter().copied());
        return (meant.is_some() || !takes_any_tag(metric)).then(|| {
            Problem::new(format!("{metric} has no tag {:?}", filter.key))
                .hint(self::meant(&filter.key, keys))
        });
    }
    let names: Vec<&str> = match filter.key.as_str() {
        // Where there is none, that has been said, and is no threshold's mistake.
        "scenario" if !plan.scenarios.is_empty() => {
            plan.scenarios.iter().map(|scenario| &*scenario.name).collect()
        }
        "kind" if builtin(metric).is_some_and(|metric| metric.tags.contains(&"kind")) => {
            FAILURES.to_vec()
        }
        "status" if builtin(metric).is_some_and(|metric| metric.tags.contains(&"status")) => {
            let stray = filter.values.iter().find(|value| !is_status(value))?;
            let hint = "expected one such as \"503\", or a class such as \"5xx\"";
            return Some(Problem::new(format!("no status is called {stray:?}")).hint(hint));
        }
        "process" if metric.starts_with("process.") => plan.processes().collect(),
        _ => return None,
    };
    let stray = filter.values.iter().find(|value| !names.contains(&value.as_str()))?;
    let what = format!("no {} is called {stray:?}", filter.key);
    Some(Problem::new(what).hint(meant(stray, names)))
}

/// Whether a reply can have that status, or one of that class.
fn is_status(value: &str) -> bool {
    let digits = value.strip_suffix("xx").unwrap_or(value);
    let known = digits.len() == 1 || digits.len() == value.len() && digits.len() == 3;
    known
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && ('1'..='9').contains(&value.chars().next().unwrap_or('0'))
}

/// True where a script can put tags on single samples, which no plan can foresee.
fn takes_any_tag(metric: &str) -> bool {
    builtin(metric).is_none() || metric.starts_with("http.") || metric.starts_with("check.")
}

/// A hint for a word that is not one of `names`.
fn meant<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match (nearest(word, names.iter().copied()), &names[..]) {
        (Some(name), _) => format!("did you mean {name:?}?"),
        (None, []) => "there is none".to_owned(),
        (None, [only]) => format!("there is only {only:?}"),
        (None, _) => format!("expected one of {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
