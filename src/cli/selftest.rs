//! `loadrun selftest`: proves on this machine that a stalled target is measured as arithmetic says.
//!
//! Arrivals come evenly, 200 a second for 10 s; the target stands still once for 2 s. The 400
//! arrivals due meanwhile are all answered at its end, so their response times lie evenly between
//! 0 and 2 s, and the rest is answered at once. Over 2,000 arrivals that gives a mean of
//! 400 x 1 s / 2,000 = 0.2 s; a response above *x* has the share 0.2 (1 - x / 2 s), which is 5 % at
//! x = 1.5 s. A tool that waits for an answer before it sends the next request, or that starts its
//! watch when it wakes up, reports a p95 of a few milliseconds instead.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::progress::{Detail, Progress};
use super::run::print;
use super::{state, tell};
use crate::engine::{self, Options};
use crate::error::Error;
use crate::metric::{Distribution, Merge, Total};
use crate::outcome::{Outcome, RunVerdict};
use crate::script::{self, Source};
use crate::units::show_duration;

/// How far a measured value may lie from the arithmetic one.
const TOLERANCE: f64 = 0.03;

/// Arguments of the self-test.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// No progress; only the result
    #[arg(short, long)]
    quiet: bool,
}

/// One value that arithmetic gives.
struct Expected {
    what: &'static str,
    value: f64,
    measured: f64,
    show: fn(f64) -> String,
}

impl Expected {
    fn holds(&self) -> bool {
        (self.measured - self.value).abs() <= TOLERANCE * self.value
    }
}

/// Runs the test; 0 when every value holds, 3 when this machine cannot be believed now, 130 when it
/// was interrupted.
pub fn run(args: &SelftestArgs) -> Result<u8, Error> {
    let source = Source {
        path: PathBuf::from("selftest.lua"),
        folder: std::env::temp_dir(),
        text: include_bytes!("selftest.lua").as_slice().into(),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        seed: 1,
    };
    let detail = if args.quiet { Detail::Quiet } else { Detail::Normal };
    let loaded = script::load(source)?;
    let progress = Progress::new(detail, io::stderr().is_terminal(), loaded.control.world());
    let options = Options {
        name: "selftest".to_owned(),
        workers: None,
        allow_command: false,
        allow_fault: Vec::new(),
        seconds: None,
        journals: state::journals(),
    };
    let outcome = engine::run(loaded, options, |states| progress.follow(states))?;
    if outcome.run.interrupted {
        tell("interrupted: whether this machine can be believed is not known");
        return Ok(130);
    }
    let expected = expected(&responses(&outcome));
    let held = outcome.verdict == RunVerdict::Valid && expected.iter().all(Expected::holds);
    print(|out| describe(&outcome, &expected, held, out))?;
    Ok(if held { 0 } else { 3 })
}

/// The response times of the arrivals.
fn responses(outcome: &Outcome) -> Distribution {
    let mut all = Distribution::new();
    for series in outcome.series.iter().filter(|s| s.metric == "iteration.response") {
        if let (Some("load"), Total::Trend(times)) = (series.tags.find("scenario"), &series.total) {
            all.merge(times);
        }
    }
    all
}

fn expected(responses: &Distribution) -> Vec<Expected> {
    let time = |seconds: f64| show_duration(Duration::from_secs_f64(seconds));
    let second = |nanoseconds: f64| nanoseconds / 1e9;
    let quantile = |q| second(responses.quantile(q) as f64);
    vec![
        Expected {
            what: "arrivals",
            value: 2000.0,
            measured: responses.count() as f64,
            show: |count| format!("{count}"),
        },
        Expected { what: "mean", value: 0.2, measured: second(responses.mean()), show: time },
        Expected { what: "p90", value: 1.0, measured: quantile(0.9), show: time },
        Expected { what: "p95", value: 1.5, measured: quantile(0.95), show: time },
        Expected { what: "p99", value: 1.9, measured: quantile(0.99), show: time },
    ]
}

fn describe(
    outcome: &Outcome,
    expected: &[Expected],
    held: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "response times of 200 arrivals/s for 10 s, target still for 2 s")?;
    for value in expected {
        let mark = if value.holds() { "holds" } else { "DIFFERS" };
        let (told, measured) = ((value.show)(value.value), (value.show)(value.measured));
        writeln!(out, "  {:8}  arithmetic {told:>8}  measured {measured:>8}  {mark}", value.what)?;
    }
    for reason in &outcome.reasons {
        writeln!(out, "{}: {}", reason.verdict, reason.cause)?;
    }
    let said = if held {
        "passed: this machine's numbers can be believed (within 3 %)"
    } else {
        "FAILED: this machine is too busy, or loadrun is wrong; try again with less running"
    };
    writeln!(out, "{said}")
}
