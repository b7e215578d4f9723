//! What failed, in words: the commonest failure, operations of which most calls failed, and
//! thresholds on times of calls that all failed.
//!
//! A failed call has a real duration, so it is in the times of its operation: `0.4 ms` for a
//! statement that is refused at once. Where every call of an operation failed, those times say how
//! fast it fails, which nobody asked; a threshold on them is missed whatever they are, but for one on
//! `phase=fault`, where failing fast may be what is asked. And as a run whose operation hardly ever
//! worked can hold all that was asked of it, that is told right under the verdict.

use std::cmp::Reverse;

use super::evidence::Did;
use super::validity::Commonest;
use crate::client::FailureKind;
use crate::metric::{Comparison, Filter, Metric, Phase, Summary, Tags, Threshold, Total};
use crate::outcome::operations::Operation;
use crate::outcome::{FailureSample, SeriesOutcome, Verdict};
use crate::plan::Plan;

/// Most operations that are told one by one.
const TOLD: usize = 3;

/// Share of an operation's calls that fail from which its times say more of failing than of anything
/// else: its median is a failure's.
const MOSTLY: f64 = 0.5;

/// The commonest kind of failure in these scenarios, with an example.
pub fn commonest<'a>(failures: impl Iterator<Item = &'a FailureSample>) -> Option<Commonest> {
    let mut kinds: Vec<(&FailureSample, u64)> = Vec::new();
    for failure in failures {
        match kinds.iter_mut().find(|(known, _)| known.kind == failure.kind) {
            Some((example, count)) => {
                *count += failure.count;
                if failure.count > example.count {
                    *example = failure;
                }
            }
            None => kinds.push((failure, failure.count)),
        }
    }
    let answered = kinds.iter().all(|(example, _)| {
        FailureKind::ALL.iter().any(|kind| kind.as_str() == example.kind && kind.is_answer())
    });
    let (example, _) = kinds.iter().max_by_key(|(_, count)| *count)?;
    let detail = if example.detail.is_empty() { "" } else { ": " };
    let words = format!("{}{detail}{}", example.kind, example.detail);
    Some(Commonest { words, only: kinds.len() == 1, answered })
}

/// How many calls a threshold on times speaks of, where all of them failed.
pub fn in_vain(summary: &Summary, threshold: &Threshold) -> Option<u64> {
    let fast =
        |filter: &Filter| filter.key == "phase" && filter.wanted && filter.values == ["fault"];
    let thing = threshold.metric.strip_suffix(".duration")?;
    let failed = Metric::builtin(&format!("{thing}.failed"))?;
    if !threshold.asks_how_long() || threshold.filters.iter().any(fast) {
        return None;
    }
    match summary.select(&failed.name, &threshold.filters, None) {
        Some(Total::Rate { hits, total }) if hits == total && total > 0 => Some(total),
        _ => None,
    }
}

/// What no threshold told of: operations of scenarios of which at least half of the calls failed.
pub fn unasked(
    plan: &Plan,
    verdicts: &[Verdict],
    did: &Did<'_>,
    series: &[SeriesOutcome],
) -> Vec<String> {
    let failing = did.calls.iter().filter(|operation| {
        let mostly = operation.count() > 0 && operation.failed_share() >= MOSTLY;
        mostly && did.is_load(&operation.scenario) && !is_judged(plan, verdicts, operation, series)
    });
    let mut failing: Vec<_> = failing.collect();
    failing.sort_by_key(|operation| Reverse(operation.failed));
    let mut told: Vec<_> =
        failing.iter().take(TOLD).map(|operation| told(operation, did)).collect();
    if failing.len() > TOLD {
        let more = failing.len() - TOLD;
        told.push(format!("of {more} more operations half of the calls or more failed as well"));
    }
    told
}

fn told(operation: &Operation, did: &Did<'_>) -> String {
    let Operation { scenario, name, .. } = operation;
    let metric = failed_metric(operation);
    let own = did
        .failures
        .iter()
        .filter(|f| (&f.scenario, &f.metric, &f.name) == (scenario, &metric, name));
    let how = commonest(own).map_or_else(String::new, |commonest| commonest.in_brackets());
    let of = if did.scenarios.len() > 1 { format!(" in {scenario}") } else { String::new() };
    let those = match (operation.failed, operation.count()) {
        (_, 1) => "the one call".to_owned(),
        (failed, count) if failed == count => format!("all {count} calls"),
        (failed, count) => format!("{failed} of {count} calls"),
    };
    let label = &operation.label;
    format!("{those} of {label:?}{of} failed{how}, and no threshold on {metric} was missed for it")
}

/// Whether failures of all its series are told by a threshold: one that was missed, or one that asks
/// for them.
fn is_judged(
    plan: &Plan,
    verdicts: &[Verdict],
    operation: &Operation,
    series: &[SeriesOutcome],
) -> bool {
    let metric = failed_metric(operation);
    let mut failed = series.iter().filter(|series| {
        let own = |key: &str, value: &str| series.tags.find(key) == Some(value);
        series.metric == metric
            && matches!(series.total, Total::Rate { hits, .. } if hits > 0)
            && own("name", &operation.name)
            && own("scenario", &operation.scenario)
    });
    let thresholds = plan.thresholds.iter().map(|(threshold, _)| threshold).zip(verdicts);
    failed.all(|series| {
        thresholds.clone().any(|(threshold, verdict)| {
            let asked = matches!(
                threshold.limit.comparison,
                Comparison::More | Comparison::AtLeast | Comparison::Equal
            ) && threshold.limit.value > 0.0;
            threshold.metric == metric
                && speaks_of(threshold, &series.tags)
                && (asked || !verdict.limit_held)
        })
    })
}

fn failed_metric(operation: &Operation) -> String {
    operation.metric.replace(".duration", ".failed")
}

/// Whether such a series counts for a threshold, in whichever phase.
fn speaks_of(threshold: &Threshold, tags: &Tags) -> bool {
    let of_tags = threshold.filters.iter().filter(|f| !Phase::KEYS.contains(&f.key.as_str()));
    of_tags.into_iter().all(|filter| filter.matches(tags))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::metric::{Distribution, Recorder};
    use crate::outcome::ScenarioOutcome;
    use crate::plan::Place;

    fn threshold(text: &str) -> Threshold {
        Threshold::parse(text).unwrap()
    }

    fn failure(kind: &str, detail: &str, count: u64) -> FailureSample {
        let (kind, detail) = (kind.to_owned(), detail.to_owned());
        FailureSample {
            scenario: "s".to_owned(),
            metric: "sql.failed".to_owned(),
            name: "order".to_owned(),
            kind,
            detail,
            count,
        }
    }

    #[test]
    fn the_commonest_failure_is_one_of_the_kind_that_came_most_often() {
        let failures = [
            failure("refused", "by a", 5),
            failure("server", "no such table", 4),
            failure("server", "syntax", 3),
        ];
        let told = commonest(failures.iter()).unwrap();
        assert_eq!(told.in_brackets(), " (mostly server: no such table)");
        assert!(!told.answered, "one of them was no answer");
        let told = commonest(failures[1..].iter()).unwrap();
        assert_eq!(
            (told.in_brackets().as_str(), told.answered),
            (" (server: no such table)", true)
        );
        assert_eq!(commonest(failures[..1].iter()).unwrap().in_brackets(), " (refused: by a)");
        assert!(commonest([].iter()).is_none());
    }

    /// Three calls of `order`, all of which failed, and one of `page`, which did not.
    fn summary() -> Summary {
        let mut recorder = Recorder::new();
        let mut hit = |name, kind, failed| {
            let tags = Tags::new([("name", name), ("scenario", "s")]).with("kind", kind);
            let id = recorder.series(&Metric::builtin("sql.failed").unwrap(), &tags);
            recorder.hit(id, failed);
        };
        [("order", "server", true), ("order", "server", true), ("order", "reset", true)]
            .into_iter()
            .chain([("page", "", false)])
            .for_each(|(name, kind, failed)| hit(name, kind, failed));
        let mut summary = Summary::new(Duration::ZERO);
        summary.absorb(0, recorder.take());
        summary
    }

    #[test]
    fn a_threshold_on_times_is_in_vain_where_every_call_it_speaks_of_failed() {
        let summary = summary();
        for (text, calls) in [
            ("sql.duration{name=order} p95 < 1s", Some(3)),
            ("sql.duration{name=order} max < 1s over 10s", Some(3)),
            ("sql.duration p95 < 1s", None),
            ("sql.duration{name=page} p95 < 1s", None),
            ("sql.duration{name=nowhere} p95 < 1s", None),
            ("sql.duration{name=order} count > 1", None),
            ("sql.duration{name=order,phase=fault} p95 < 1s", None),
            ("sql.wait{name=order} p95 < 1s", None),
            ("iteration.duration p95 < 1s", None),
        ] {
            assert_eq!(in_vain(&summary, &threshold(text)), calls, "{text}");
        }
    }

    /// What is told of three calls of `order`, all of which failed, by whether a threshold held.
    fn told(asked: &[(&str, bool)]) -> Vec<String> {
        told_of(asked, 3, 3)
    }

    fn told_of(asked: &[(&str, bool)], hits: u64, total: u64) -> Vec<String> {
        let place = Place { file: "shop.lua".to_owned(), line: 1 };
        let thresholds = asked.iter().map(|(text, _)| (threshold(text), place.clone()));
        let plan = Plan { thresholds: thresholds.collect(), ..Plan::default() };
        let verdict = |(text, limit_held): &(&str, bool)| Verdict {
            threshold: (*text).to_owned(),
            shown: None,
            value: None,
            limit_held: *limit_held,
            goal_held: None,
            critical: false,
        };
        let verdicts: Vec<_> = asked.iter().map(verdict).collect();
        let scenario =
            ScenarioOutcome { name: "s".to_owned(), elapsed: 1.0, ..ScenarioOutcome::default() };
        let mut times = Distribution::new();
        (0..total).for_each(|_| times.record(1_000_000));
        let metric = |name: &str| Metric::builtin(name).unwrap();
        let of = |name: &str, tags: Tags, total: Total| SeriesOutcome {
            metric: name.to_owned(),
            kind: total.kind(),
            unit: metric(name).unit,
            tags,
            total,
            phases: BTreeMap::new(),
            points: Vec::new(),
            slices: None,
        };
        let tags = Tags::new([("name", "order"), ("scenario", "s")]);
        let failed = Total::Rate { hits, total: hits };
        let series = [
            of("sql.duration", tags.clone(), Total::Trend(times)),
            of("sql.failed", tags.with("kind", "server"), failed),
        ];
        let scenarios = [scenario];
        let calls = crate::outcome::operations::among(&series, &scenarios, 1.0);
        let failures = [failure("server", "no such table", 3)];
        let did = Did { scenarios: &scenarios, calls: &calls, failures: &failures };
        unasked(&plan, &verdicts, &did, &series)
    }

    #[test]
    fn an_operation_that_fails_as_often_as_not_is_told_as_well() {
        assert!(told_of(&[], 1, 3).is_empty());
        let warning = "2 of 3 calls of \"order\" failed (server: no such table), and no threshold on \
                       sql.failed was missed for it";
        assert_eq!(told_of(&[("sql.duration p95 < 1s", true)], 2, 3), [warning]);
    }

    #[test]
    fn an_operation_that_never_worked_is_told_unless_a_threshold_tells_of_it() {
        let warning = "all 3 calls of \"order\" failed (server: no such table), and no threshold on \
                       sql.failed was missed for it";
        assert_eq!(told(&[]), [warning]);
        for (asked, held) in [
            ("sql.failed rate < 60%", true),
            ("sql.failed{kind=serialization} rate < 1%", true),
            ("sql.failed{kind=serialization} rate < 1%", false),
            ("sql.failed{name=page} rate < 1%", false),
            ("http.failed rate < 1%", false),
            ("sql.duration p95 < 1s", false),
        ] {
            assert_eq!(told(&[(asked, held)]), [warning], "{asked}");
        }
        for (asked, held) in [
            ("sql.failed rate < 1%", false),
            ("sql.failed{kind=server} count == 0", false),
            ("sql.failed{phase=recovery} rate < 1%", false),
            ("sql.failed{name=order} rate > 99%", true),
        ] {
            assert!(told(&[(asked, held)]).is_empty(), "{asked}");
        }
    }
}
