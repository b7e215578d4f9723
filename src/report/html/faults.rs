//! What was broken: a block for each fault, and where it stood on the charts over time.

use maud::{Markup, html};

use super::cells::{facts, jointed, table};
use super::plot::{Band, Mark};
use crate::outcome::{FaultOutcome, Outcome};
use crate::report::faults::{self, HEADS, doubt, force, is_well, rows, verdict, what};
use crate::report::figures::seconds;

/// Every fault, with what it did.
pub fn blocks(outcome: &Outcome) -> Markup {
    html! { @for fault in &outcome.faults { (block(fault)) } }
}

fn block(fault: &FaultOutcome) -> Markup {
    let (look, sign) = match is_well(fault) {
        Some(true) => ("good", "✓ "),
        Some(false) => ("bad", "✗ "),
        None => ("", ""),
    };
    html! {
        article.fault {
            h3 { (jointed(&fault.name)) " " span.(look) { (sign) (verdict(fault)) } }
            p.note { (what(fault)) "; " (force(fault)) "." }
            @if let Some(why) = &fault.unclean { p.bad { "It may still be there: " (why) } }
            @if let Some(recovery) = &fault.recovery {
                @if let Some(doubt) = doubt(recovery) { p { (doubt) "." } }
                (table("operations", &HEADS, rows(recovery).into_iter().map(cells).collect()))
                @for group in faults::facts(recovery) { (facts(&group)) }
            }
        }
    }
}

fn cells(row: Vec<String>) -> Vec<Markup> {
    row.into_iter().map(|cell| html! { (cell) }).collect()
}

/// When each fault stood, on an axis of so many seconds.
pub fn bands(outcome: &Outcome, length: f64) -> Vec<Band> {
    let stood = outcome.faults.iter().enumerate().filter_map(|(n, fault)| {
        let from = fault.injected? / length;
        let to = fault.cleared / length;
        Some(Band {
            name: (n + 1).to_string(),
            from: from.min(1.0),
            to: to.clamp(from.min(1.0), 1.0),
        })
    });
    stood.collect()
}

/// When each fault was detected and recovered from, on an axis of so many seconds.
pub fn marks(outcome: &Outcome, length: f64) -> Vec<Mark> {
    let seen = outcome.faults.iter().filter_map(|fault| {
        let (injected, recovery) = (fault.injected?, fault.recovery.as_ref()?);
        let detected = recovery.detect.map(|after| ("detected", injected + after));
        let recovered = recovery.recover.map(|after| ("recovered", fault.cleared + after));
        Some([detected, recovered])
    });
    let marks = seen.flatten().flatten();
    marks.map(|(look, at)| Mark { look, at: (at / length).min(1.0) }).collect()
}

/// What shades and lines mean, once for all charts.
pub fn key(outcome: &Outcome) -> Markup {
    let stood = || outcome.faults.iter().enumerate().filter(|(_, fault)| fault.injected.is_some());
    let seen = |which: fn(&crate::recovery::Recovery) -> Option<f64>| {
        outcome
            .faults
            .iter()
            .filter_map(|fault| fault.recovery.as_ref())
            .any(|r| which(r).is_some())
    };
    html! {
        @if stood().next().is_some() {
            ul.legend.faults {
                @for (n, fault) in stood() {
                    li {
                        svg.key viewBox="0 0 22 8" aria-hidden="true" {
                            rect.band x="0" y="0" width="22" height="8" {}
                        }
                        span {
                            (n + 1) " " (fault.name) " stood from "
                            (seconds(fault.injected.unwrap_or_default())) " to " (seconds(fault.cleared))
                        }
                    }
                }
                @if seen(|recovery| recovery.detect) { (mark_key("detected")) }
                @if seen(|recovery| recovery.recover) { (mark_key("recovered")) }
            }
        }
    }
}

fn mark_key(look: &str) -> Markup {
    html! {
        li {
            svg.key viewBox="0 0 22 8" aria-hidden="true" { path.mark.(look) d="M11 0V8" {} }
            span { (look) }
        }
    }
}
