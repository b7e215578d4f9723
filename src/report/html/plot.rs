//! One chart: lines over an axis, as an SVG that stretches to the room there is.
//!
//! The drawing holds only lines, in a box of 1000 by 100 that is stretched while its strokes keep
//! their width; every label is HTML beside it. So no text is ever scaled: a phone, a wide screen
//! and paper read alike. Colours are classes of the style sheet, so that one drawing serves light,
//! dark and paper; `plotters` writes the colour and the pixel of every label into the drawing.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::cells::jointed;
use crate::metric::{Kind, Unit, show};
use crate::units::show_share;

/// A label from here on ends under its place, or it would stand out of the page.
const NEAR_END: f64 = 0.97;

/// What the values of a chart are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Nanoseconds.
    Time,
    /// A number.
    Number,
    /// A share of a whole, 1 being all of it.
    Share,
    /// Bytes.
    Bytes,
}

/// One line of a chart.
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Its colour and dashes, a class of the style sheet.
    pub look: String,
    /// A value for each place on the axis; none where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// The axis of a chart.
pub struct Axis {
    /// Where each value stands, 0 to 1.
    pub places: Vec<f64>,
    /// What each place is called.
    pub names: Vec<String>,
    /// Labels and where they stand, 0 to 1.
    pub ticks: Vec<(f64, String)>,
    /// Stretches that are shaded.
    pub bands: Vec<Band>,
    /// Moments that are marked.
    pub marks: Vec<Mark>,
}

/// A shaded stretch of an axis.
pub struct Band {
    /// What stands at its top: short.
    pub name: String,
    /// Where it begins, 0 to 1.
    pub from: f64,
    /// Where it ends, 0 to 1.
    pub to: f64,
}

/// A marked place on an axis.
pub struct Mark {
    /// Its look, a class of the style sheet.
    pub look: &'static str,
    /// Where it stands, 0 to 1.
    pub at: f64,
}

/// Lines over one axis.
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What has to be known to read it.
    pub note: String,
    /// What its values are.
    pub scale: Scale,
    /// Its lines, the first one lowest.
    pub lines: Vec<Line>,
}

impl Scale {
    /// A value for people.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Time => show(Unit::Time, Kind::Gauge, value),
            Self::Number => show(Unit::Number, Kind::Gauge, value),
            Self::Share => show_share(value),
            Self::Bytes => show(Unit::Bytes, Kind::Gauge, value),
        }
    }

    /// A value beside an axis; nothing needs no unit.
    fn label(self, value: f64) -> String {
        if value == 0.0 { "0".to_owned() } else { self.show(value) }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Number => "number",
            Self::Share => "share",
            Self::Bytes => "bytes",
        }
    }

    /// About four round values from 0 to at least `most`.
    fn ticks(self, most: f64) -> Vec<f64> {
        let unit = match self {
            Self::Bytes => 1024_f64.powf(most.max(1.0).log(1024.0).floor()),
            Self::Time | Self::Number | Self::Share => 1.0,
        };
        let most = if most > 0.0 { most / unit } else { 1.0 };
        let rough = most / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let count = (most / step - 1e-9).ceil() as usize;
        (0..=count).map(|n| n as f64 * step * unit).collect()
    }
}

impl Chart {
    /// The chart as a figure; the script of the page moves a cursor over all that have `shared`
    /// axes at once.
    pub fn draw(&self, axis: &Axis, shared: bool) -> Markup {
        let most = self.lines.iter().flat_map(|line| &line.values).flatten().copied();
        let ticks = self.scale.ticks(most.fold(0.0, f64::max));
        let top = ticks.last().copied().unwrap_or(1.0);
        let values: Vec<_> = self.lines.iter().map(|line| rounded(&line.values)).collect();
        html! {
            figure.chart data-scale=(self.scale.word()) data-shared[shared]
                data-values={ "[" (values.join(",")) "]" } data-names=(axis.names.join("|")) {
                figcaption {
                    h3 { (self.title) }
                    @if !self.note.is_empty() { p.note { (self.note) } }
                    (self.legend())
                }
                div.plot {
                    div.y aria-hidden="true" {
                        @for tick in &ticks {
                            span style={ "bottom:" (percent(tick / top)) } { (self.scale.label(*tick)) }
                        }
                    }
                    div.field tabindex="0" role="img" aria-label=(self.told()) {
                        (self.svg(axis, &ticks, top))
                        @for band in &axis.bands {
                            span.band style={ "left:" (percent(band.from)) } { (band.name) }
                        }
                        div.cursor hidden {}
                    }
                    div.x aria-hidden="true" {
                        @for (n, (place, name)) in axis.ticks.iter().enumerate() {
                            span.odd[n % 2 == 1].end[*place > NEAR_END] style={ "left:" (percent(*place)) } { (name) }
                        }
                    }
                }
            }
        }
    }

    fn svg(&self, axis: &Axis, ticks: &[f64], top: f64) -> Markup {
        html! {
            svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true" {
                @for band in &axis.bands {
                    rect.band x=(across(band.from)) y="0" width=(across(band.to - band.from)) height="100" {}
                }
                @for tick in ticks {
                    @let y = height(*tick, top);
                    path.grid d={ "M0 " (y) "H1000" } {}
                }
                @for (place, _) in &axis.ticks {
                    path.grid d={ "M" (across(*place)) " 0V100" } {}
                }
                @for mark in &axis.marks {
                    path.mark.(mark.look) d={ "M" (across(mark.at)) " 0V100" } {}
                }
                @for line in &self.lines {
                    path.line.(line.look) d=(path(&line.values, &axis.places, top)) {}
                }
            }
        }
    }

    /// A line's name with its largest value; the cursor puts the value beneath it there.
    fn legend(&self) -> Markup {
        html! {
            ul.legend {
                li.at { "max" }
                @for line in &self.lines {
                    @let most = line.values.iter().flatten().copied().reduce(f64::max);
                    @let most = most.map_or("-".to_owned(), |most| self.scale.show(most));
                    li {
                        svg.key viewBox="0 0 22 8" aria-hidden="true" {
                            path.line.(line.look) d="M1 4H21" {}
                        }
                        span { (jointed(&line.name)) }
                        output data-most=(most) { (most) }
                    }
                }
            }
        }
    }

    /// The chart in one sentence, for whoever does not see it.
    fn told(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            let values = || line.values.iter().flatten().copied();
            let ends = values().reduce(f64::min).zip(values().reduce(f64::max));
            ends.map_or_else(
                || format!("{}: nothing", line.name),
                |(least, most)| {
                    let [least, most] = [least, most].map(|value| self.scale.show(value));
                    format!("{} from {least} to {most}", line.name)
                },
            )
        });
        format!("{}. {}", self.title, lines.collect::<Vec<_>>().join(", "))
    }
}

/// The values in the fewest characters that still show them.
fn rounded(values: &[Option<f64>]) -> String {
    let shown = values.iter().map(|value| match value {
        Some(value) => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        None => "null".to_owned(),
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(","))
}

/// A line through all values, broken where there is none; one that stands alone is a dot.
fn path(values: &[Option<f64>], places: &[f64], top: f64) -> String {
    let mut drawn = String::new();
    let mut down = false;
    for (value, place) in values.iter().zip(places) {
        if let Some(value) = value {
            let (x, y) = (across(*place), height(*value, top));
            let _ = if down {
                write!(drawn, "L{x} {y}")
            } else {
                // A stroke of no length, so that a value between two gaps is seen: as a dot.
                write!(drawn, "M{x} {y}h0")
            };
        }
        down = value.is_some();
    }
    drawn
}

fn across(place: f64) -> String {
    format!("{:.1}", place * 1000.0)
}

fn height(value: f64, top: f64) -> String {
    format!("{:.2}", 100.0 - value / top * 100.0)
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_start_at_zero_and_reach_the_largest_value() {
        for (scale, most, expected) in [
            (Scale::Number, 0.0, vec![0.0, 0.5, 1.0]),
            (Scale::Number, 20.0, vec![0.0, 5.0, 10.0, 15.0, 20.0]),
            (Scale::Number, 101.0, vec![0.0, 50.0, 100.0, 150.0]),
            (Scale::Share, 0.013, vec![0.0, 0.005, 0.01, 0.015]),
            (Scale::Bytes, 3.0 * 1024.0, vec![0.0, 1024.0, 2048.0, 3072.0]),
        ] {
            let ticks = scale.ticks(most);
            assert_eq!(ticks.len(), expected.len(), "{most}: {ticks:?}");
            for (tick, expected) in ticks.iter().zip(&expected) {
                assert!((tick - expected).abs() <= expected * 1e-9, "{most}: {ticks:?}");
            }
        }
    }

    #[test]
    fn a_line_is_broken_where_nothing_was_measured() {
        let values = [Some(0.0), Some(10.0), None, Some(5.0), None];
        let places = [0.0, 0.25, 0.5, 0.75, 1.0];
        let drawn = path(&values, &places, 10.0);
        assert_eq!(drawn, "M0.0 100.00h0L250.0 0.00M750.0 50.00h0");
    }
}
