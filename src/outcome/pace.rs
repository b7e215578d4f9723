//! Over what time a rate is counted.
//!
//! A load of 10 s may be over after 40, because one call of thousands ran into its timeout, and a
//! scenario is a part of its run. Counted over the whole, 100 arrivals a second would be told as 25.
//! So what was offered and begun is counted over the time in which load was offered, what ended over
//! the time until all but one in a hundred of the iterations had, and what several scenarios did over
//! the time in which any of them was at it.

use super::ScenarioOutcome;
use crate::metric::{Kind, Phase, Tags, Threshold};

/// Metrics of what is counted over the time in which load was offered.
const OFFERED: [&str; 3] = ["iteration.offered", "iteration.started", "iteration.dropped"];

impl ScenarioOutcome {
    /// Seconds in which load was offered.
    pub fn offered_for(&self) -> f64 {
        if self.offering > 0.0 { self.offering } else { self.elapsed }
    }

    /// Seconds until all but one in a hundred of its iterations had ended.
    pub fn settled_after(&self) -> f64 {
        if self.settled > 0.0 { self.settled } else { self.elapsed }
    }

    /// From when to when it lasted so long; `None` for results that do not say.
    fn span(&self, lasted: f64) -> Option<(f64, f64)> {
        (lasted > 0.0).then_some((self.begun, self.begun + lasted))
    }

    /// Iterations that ended a second.
    pub fn finished_per_second(&self) -> f64 {
        self.finished as f64 / self.settled_after().max(1e-9)
    }
}

/// Iterations that ended a second, in a run of so many seconds.
pub fn finished_per_second(scenarios: &[ScenarioOutcome], elapsed: f64) -> f64 {
    let finished: u64 = scenarios.iter().map(|scenario| scenario.finished).sum();
    let spans = scenarios.iter().map(|scenario| scenario.span(scenario.settled));
    let spans: Option<Vec<_>> = spans.collect();
    let length = spans.map_or(elapsed, |spans| covered(spans, elapsed));
    finished as f64 / length.max(1e-9)
}

/// Seconds over which a threshold counts what there was of a metric of this kind; `tags` are those of
/// its series. All the run where it speaks of phases or of more than scenarios.
pub fn length<'a>(
    threshold: &Threshold,
    kind: Kind,
    tags: impl Iterator<Item = &'a Tags>,
    scenarios: &[ScenarioOutcome],
    elapsed: f64,
) -> f64 {
    let phased = threshold.filters.iter().any(|f| Phase::KEYS.contains(&f.key.as_str()));
    if phased || !threshold.is_throughput(kind) {
        return elapsed;
    }
    let offered = OFFERED.contains(&threshold.metric.as_str());
    let meant = tags.filter(|tags| threshold.filters.iter().all(|filter| filter.matches(tags)));
    let spans = meant.map(|tags| {
        let name = tags.find("scenario")?;
        let scenario = scenarios.iter().find(|scenario| scenario.name == name)?;
        scenario.span(if offered { scenario.offering } else { scenario.settled })
    });
    spans.collect::<Option<Vec<_>>>().map_or(elapsed, |spans| covered(spans, elapsed))
}

/// How long any of these spans lasted; `elapsed` where there are none, or none that is known.
fn covered(mut spans: Vec<(f64, f64)>, elapsed: f64) -> f64 {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut end = f64::MIN;
    let mut whole = 0.0;
    for (from, to) in spans {
        whole += (to - from.max(end)).max(0.0);
        end = end.max(to);
    }
    if whole > 0.0 { whole } else { elapsed }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scenario that began then, offered load for so long, and had settled after so long.
    fn scenario(name: &str, begun: f64, offering: f64, settled: f64) -> ScenarioOutcome {
        ScenarioOutcome {
            name: name.to_owned(),
            offered: 300,
            started: 300,
            finished: 300,
            begun,
            offering,
            settled,
            elapsed: 40.0,
            ..ScenarioOutcome::default()
        }
    }

    #[test]
    fn a_rate_is_counted_over_the_time_of_what_it_speaks_of() {
        let scenarios = [scenario("a", 0.0, 3.0, 3.5), scenario("b", 10.0, 2.0, 4.0)];
        let tags = |name, tag| Tags::new([(tag, name)]);
        let all = [tags("a", "scenario"), tags("b", "scenario")];
        let of = |text: &str, all: &[Tags]| {
            length(&Threshold::parse(text).unwrap(), Kind::Trend, all.iter(), &scenarios, 50.0)
        };
        for (text, expected) in [
            ("http.duration{scenario=a} rate > 90/s", 3.5),
            ("http.duration rate > 90/s", 7.5),
            ("iteration.started{scenario=b} rate > 90/s", 2.0),
            ("http.duration{phase=fault} rate > 1/s", 50.0),
            ("http.duration p95 < 1s", 50.0),
            ("http.duration{scenario=c} rate > 1/s", 50.0),
        ] {
            assert!((of(text, &all) - expected).abs() < 1e-9, "{text}");
        }
        let host = [tags("lo", "interface")];
        assert!((of("host.sent rate > 1/s", &host) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn one_straggler_does_not_slow_down_what_was_offered_and_what_ended() {
        let did = scenario("a", 0.0, 3.0, 3.0);
        assert!((did.finished_per_second() - 100.0).abs() < 1e-9);
        // Of a result that says nothing of it, all of its time counts.
        let old = scenario("a", 0.0, 0.0, 0.0);
        assert!((old.finished_per_second() - 7.5).abs() < 1e-9);
        assert!((old.offered_for() - 40.0).abs() < 1e-9);
        assert!((finished_per_second(&[did], 50.0) - 100.0).abs() < 1e-9);
        assert!((finished_per_second(&[old], 50.0) - 6.0).abs() < 1e-9);
    }
}
