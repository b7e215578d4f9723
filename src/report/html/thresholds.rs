//! What was asked of a run, and how it came out.

use maud::{Markup, html};

use super::cells::{self, code, plain, state};
use crate::metric::{Bound, Threshold};
use crate::outcome::{Outcome, Verdict};

/// Each threshold with its value, limit and goal.
pub fn table(outcome: &Outcome) -> Markup {
    let rows = outcome.thresholds.iter().map(|verdict| {
        let read = Threshold::try_from(verdict.threshold.clone()).ok();
        let goal = match (&read, verdict.goal_held) {
            (_, None) => html! {},
            (read, Some(held)) => {
                let goal = read.as_ref().and_then(|read| read.goal.as_ref());
                state(
                    held,
                    &goal.map_or_else(String::new, |goal| bound(outcome, read.as_ref(), goal)),
                )
            }
        };
        let limit = read.as_ref().map(|read| bound(outcome, Some(read), &read.limit));
        let missed = if verdict.critical { "missed, critical" } else { "missed" };
        vec![
            code(&verdict.threshold),
            state(verdict.limit_held, if verdict.limit_held { "held" } else { missed }),
            plain(verdict.shown.as_deref().unwrap_or("no sample matched")),
            plain(limit.unwrap_or_default()),
            goal,
            bar(verdict, read.as_ref()),
        ]
    });
    let heads = ["threshold", "", "measured:", "limit:", "goal:", ""];
    cells::table("thresholds", &heads, rows.collect())
}

/// A limit or goal as people read it.
fn bound(outcome: &Outcome, threshold: Option<&Threshold>, bound: &Bound) -> String {
    let shown = threshold.and_then(|threshold| {
        let metric = outcome.plan.metric(&threshold.metric)?;
        Some(threshold.show(metric.kind, metric.unit, bound.value))
    });
    shown.map_or_else(String::new, |shown| format!("{} {shown}", bound.comparison))
}

/// The value beside its limit and goal, drawn.
fn bar(verdict: &Verdict, threshold: Option<&Threshold>) -> Markup {
    let (Some(value), Some(threshold)) = (verdict.value, threshold) else { return html! {} };
    let marks = [Some(threshold.limit.value), threshold.goal.map(|goal| goal.value)];
    let most = marks.iter().flatten().copied().fold(value, f64::max);
    if !(most > 0.0 && most.is_finite() && value >= 0.0) {
        return html! {};
    }
    let part = |value: f64| format!("{:.1}", value / most * 90.0);
    let look = if verdict.limit_held { "good" } else { "bad" };
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect.track x="0" y="3" width="100" height="4" {}
            rect.(look) x="0" y="3" width=(part(value)) height="4" {}
            @for (mark, look) in marks.iter().zip(["limit", "goal"]) {
                @if let Some(mark) = mark {
                    path.(look) d={ "M" (part(*mark)) " 0V10" } {}
                }
            }
        }
    }
}
