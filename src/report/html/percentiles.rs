//! Times by percentile, each step to the right ten times rarer.

use std::cmp::{Ordering, Reverse};

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
    let note = "How many calls took at most so long; each step to the right is ten times rarer. \
                A line ends at its largest value.";
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
        // Beyond one call in as many as were made there is only the largest value.
        let known = (times.count().max(1) as f64).log10() / nines;
        let end = places.iter().rposition(|place| *place <= known + 1e-9).unwrap_or(0);
        let value = |(at, place): (usize, &f64)| match at.cmp(&end) {
            _ if times.is_empty() => None,
            Ordering::Less => Some(times.quantile(share(*place)) as f64),
            Ordering::Equal => Some(times.max() as f64),
            Ordering::Greater => None,
        };
        let values = places.iter().enumerate().map(value).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::time;

    #[test]
    fn a_line_ends_at_its_largest_value_and_the_legend_says_it() {
        // One far out, among so many calls that no percentile of the axis reaches it.
        let [mut many, mut few] = [Distribution::new(), Distribution::new()];
        for n in 1..=999 {
            many.record(n * 1_000);
        }
        many.record(84_000_000);
        for n in 1..=7 {
            few.record(n * 1_000_000);
        }
        let empty = Distribution::new();
        let of = [("many", &many), ("few", &few), ("none", &empty)]
            .map(|(name, times)| (name.to_owned(), String::new(), times));
        let page = drawn("", "", &of).into_string();
        for most in [time(many.max()), time(few.max()), "-".to_owned()] {
            assert!(page.contains(&format!("data-most=\"{most}\"")), "{most}: {page}");
        }
    }
}
