//! Times by percentile, each step to the right ten times rarer.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::charts::{MOST_LINES, label, look};
use super::plot::{Axis, Chart, Line, Scale};
use crate::metric::Distribution;
use crate::outcome::{Outcome, operations};
use crate::report::figures;

/// How the times of each operation lie.
pub fn of_operations(outcome: &Outcome) -> Markup {
    let mut operations = operations::of(outcome);
    operations.sort_by_key(|operation| Reverse(operation.count()));
    operations.truncate(MOST_LINES);
    let named = operations
        .iter()
        .enumerate()
        .map(|(n, operation)| (label(outcome, operation), look(n), &operation.times));
    let note = "How many calls took at most so long; each step to the right is ten times rarer.";
    html! {
        @if !operations.is_empty() { (drawn("Time by percentile", note, &named.collect::<Vec<_>>())) }
    }
}

/// Times by percentile: for each line its name, its look and its values.
pub fn drawn(title: &str, note: &str, of: &[(String, String, &Distribution)]) -> Markup {
    let most = of.iter().map(|(_, _, times)| times.count()).max().unwrap_or(0).max(10);
    let nines = (most as f64).log10();
    let places: Vec<f64> = (0..=100).map(|n| f64::from(n) / 100.0).collect();
    let share = |place: f64| 1.0 - 10_f64.powf(-place * nines);
    let lines = of.iter().map(|(name, look, times)| {
        // Beyond one call in as many as were made there is nothing to know.
        let known = (times.count().max(1) as f64).log10() / nines;
        let value =
            |place: &f64| (*place <= known + 1e-9).then(|| times.quantile(share(*place)) as f64);
        let values = places.iter().map(value).collect();
        Line { name: name.clone(), look: look.clone(), values }
    });
    let lines = lines.collect();
    let marks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];
    let ticks = marks.into_iter().map(|q: f64| (-(1.0 - q).log10() / nines, q));
    let axis = Axis {
        names: places
            .iter()
            .map(|place| format!("p{}", figures::digits(share(*place) * 100.0)))
            .collect(),
        ticks: ticks
            .filter(|(place, _)| *place <= 1.0)
            .map(|(place, q)| (place, format!("p{}", figures::digits(q * 100.0))))
            .collect(),
        places,
        bands: Vec::new(),
        marks: Vec::new(),
    };
    let (title, note) = (title.to_owned(), note.to_owned());
    Chart { title, note, scale: Scale::Time, lines }.draw(&axis, false)
}
