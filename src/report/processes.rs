//! What the services of a run and the processes it watched used, and whether their memory grows.
//!
//! loadrun itself is not among them: what it used is told as the generator.

use super::figures::percent;
use crate::metric::{Course, Growth, Total, Unit, levels};
use crate::outcome::{Outcome, SeriesOutcome};
use crate::plan::GENERATOR;
use crate::units::Bytes;

/// Heads of the cells of [`Process::cells`]; one that ends in a colon is of a column of figures.
pub const HEADS: [&str; 8] =
    ["process", "CPU:", "p95:", "memory:", "most:", "read:", "written:", "memory over time"];

/// What one process used.
pub struct Process<'a> {
    /// Its name in the run.
    pub name: &'a str,
    /// Processors in use, second by second, the least first.
    cpu: Vec<f64>,
    /// Resident bytes at the end.
    pub memory: f64,
    /// Most resident bytes.
    pub most: f64,
    /// Bytes read from and written to disk; none where the system did not tell.
    pub disk: Option<[f64; 2]>,
    /// How its memory rose; none when the run was too short to say anything.
    pub growth: Option<Growth>,
}

/// Every process there is something to say of, by name.
pub fn of(outcome: &Outcome) -> Vec<Process<'_>> {
    let memories = outcome.series.iter().filter(|series| series.metric == "process.memory");
    let told = memories.filter_map(|memory| {
        let name = memory.tags.find("process").filter(|name| *name != GENERATOR)?;
        let Total::Gauge(gauge) = memory.total else { return None };
        let cpu = of_process(outcome, "process.cpu", name).map(|cpu| levels(&cpu.points));
        let mut cpu: Vec<_> = cpu.into_iter().flatten().map(|(_, cpu)| cpu).collect();
        cpu.sort_by(f64::total_cmp);
        let counted = |metric| match of_process(outcome, metric, name)?.total {
            Total::Counter(sum) => Some(sum),
            _ => None,
        };
        Some(Process {
            name,
            cpu,
            memory: gauge.last,
            most: gauge.max,
            disk: counted("process.read").zip(counted("process.written")).map(<[f64; 2]>::from),
            growth: Growth::of(&levels(&memory.points), Unit::Bytes),
        })
    });
    told.collect()
}

fn of_process<'a>(outcome: &'a Outcome, metric: &str, name: &str) -> Option<&'a SeriesOutcome> {
    let mut own = outcome.series.iter().filter(|series| series.metric == metric);
    own.find(|series| series.tags.find("process") == Some(name))
}

impl Process<'_> {
    /// Processors in use, on average.
    pub fn cpu(&self) -> f64 {
        self.cpu.iter().sum::<f64>() / self.cpu.len().max(1) as f64
    }

    /// Processors in use in all but one of twenty seconds.
    pub fn cpu_p95(&self) -> f64 {
        let rank = (0.95 * self.cpu.len() as f64).ceil() as usize;
        self.cpu.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// Whether its memory rises and goes on to.
    pub fn leaks(&self) -> bool {
        self.growth.is_some_and(|growth| growth.course() == Course::Leaks)
    }

    /// It in a row, as people read it.
    pub fn cells(&self) -> Vec<String> {
        let bytes = |bytes: f64| Bytes(bytes as u64).to_string();
        let disk = self.disk.map_or(["-".to_owned(), "-".to_owned()], |both| both.map(bytes));
        let used = [
            self.name.to_owned(),
            percent(self.cpu()),
            percent(self.cpu_p95()),
            bytes(self.memory),
            bytes(self.most),
        ];
        used.into_iter().chain(disk).chain([self.course()]).collect()
    }

    /// What is to be said of its memory. An interval as wide as that memory itself says nothing.
    fn course(&self) -> String {
        const SHORT: &str = "too short a run to tell";
        let Some(growth) = self.growth else { return SHORT.to_owned() };
        let pace = growth.pace.times(3600.0);
        let (low, high) = (signed(pace.low), signed(pace.high));
        match growth.course() {
            Course::Leaks => format!("leaks {}/h ({low} to {high})", signed(pace.value)),
            Course::Stable => format!("stable (at most {high}/h)"),
            Course::Unknown if pace.high - pace.low > self.memory => SHORT.to_owned(),
            Course::Unknown => format!("{SHORT} ({low} to {high} an hour)"),
        }
    }
}

fn signed(bytes: f64) -> String {
    let sign = if bytes < 0.0 { "-" } else { "" };
    format!("{sign}{}", Bytes(bytes.abs() as u64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metric::{Gauge, Kind, Point, Reading, Tags};

    fn levels_of(
        metric: &str,
        unit: Unit,
        name: &str,
        level: impl Fn(f64) -> f64,
    ) -> SeriesOutcome {
        let points: Vec<_> = (0..60)
            .map(|second| Point { second, reading: Reading::Gauge(level(f64::from(second))) })
            .collect();
        let mut gauge = Gauge::new(level(0.0));
        (1..60).for_each(|second| gauge.set(level(f64::from(second))));
        let tags = Tags::new([("process", name)]);
        let (metric, total) = (metric.to_owned(), Total::Gauge(gauge));
        let (kind, phases) = (Kind::Gauge, BTreeMap::new());
        SeriesOutcome { metric, kind, unit, tags, total, phases, points, slices: None }
    }

    fn told(level: impl Fn(f64) -> f64) -> String {
        let mut outcome = crate::report::tests::outcome();
        outcome.series.extend([
            levels_of("process.cpu", Unit::Share, "shop", |at| at / 100.0),
            levels_of("process.memory", Unit::Bytes, "shop", level),
            levels_of("process.memory", Unit::Bytes, "loadrun", |at| at * 1e9),
        ]);
        let processes = of(&outcome);
        let [shop] = &processes[..] else { panic!("only the shop is told of") };
        format!("{} {}", shop.leaks(), shop.cells().join(" | "))
    }

    #[test]
    fn a_process_that_leaks_is_told_with_how_much_an_hour() {
        let mib = f64::from(1 << 20);
        assert_eq!(
            told(|at| (100.0 + at) * mib),
            "true shop | 29 % | 56 % | 159 MiB | 159 MiB | - | - | leaks 3.52 GiB/h (3.5 GiB to 3.53 GiB)"
        );
    }

    #[test]
    fn nothing_is_called_stable_after_a_minute() {
        let said = told(|_| 1e8);
        assert!(said.ends_with("too short a run to tell (-15 MiB to 15 MiB an hour)"), "{said}");
        let said = told(|_| 2e7);
        assert!(said.ends_with("too short a run to tell"), "±15 MiB of 19 MiB: {said}");
    }
}
