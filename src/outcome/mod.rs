//! All that a report may say about a run, as one value, saved and loaded as one JSON file.
//!
//! Running and telling are two programs joined by this file: a report is a pure function of an
//! [`Outcome`] and asks nothing else. It holds whole histograms, so runs can be merged and
//! compared later, and no secret: parameters marked secret are shown as `***` by the plan.
//! The value stands here, how it came out in `judged.rs`, how it is kept in `file.rs`.

pub mod operations;
pub mod pace;

mod file;
mod judged;
mod namesakes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::Balance;
use crate::metric::{Edge, Kind, Metric, Point, Slices, Tags, Total, Unit};
use crate::plan::{Place, Plan};
use crate::recovery::Recovery;

pub use file::{FILE, FileError, load_sealed, save_sealed, write_whole};
pub use judged::{End, Grade, Reason, RunVerdict, Verdict, exit_code};
pub use namesakes::Namesakes;

/// The format of `outcome.json`; raised when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// What one run did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// [`SCHEMA`] of the program that wrote the file.
    pub schema: u32,
    /// Version of the program that wrote the file.
    pub loadrun: String,
    /// When, how long and with which seed.
    pub run: Run,
    /// Where.
    pub environment: Environment,
    /// What was asked.
    pub plan: Plan,
    /// The script's text, the values of secrets masked; empty where it was not kept.
    #[serde(default)]
    pub script: String,
    /// Whether the numbers can be believed; stands above all thresholds.
    pub verdict: RunVerdict,
    /// Why, when the verdict is not [`RunVerdict::Valid`]; the first one made it.
    pub reasons: Vec<Reason>,
    /// What a reader of the verdict has to know besides, each one sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How the thresholds came out together; `None` when none was asked.
    pub grade: Option<Grade>,
    /// The process's exit code.
    pub exit: u8,
    /// Each threshold with what was measured.
    pub thresholds: Vec<Verdict>,
    /// Offered, started, finished: what became of each scenario.
    pub scenarios: Vec<ScenarioOutcome>,
    /// Every series with its total and its points over time.
    pub series: Vec<SeriesOutcome>,
    /// One example of each kind of failure of each operation.
    pub failures: Vec<FailureSample>,
    /// Script errors, one traceback a distinct place.
    pub script_errors: Vec<ScriptErrorSample>,
    /// What was accepted against what landed, by ledger.
    pub ledgers: BTreeMap<String, Balance>,
    /// The phases of a run in which something was broken, by when they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Edge>,
    /// What was broken, and what that did.
    #[serde(default)]
    pub faults: Vec<FaultOutcome>,
    /// What the generator itself used.
    pub generator: Generator,
    /// What was told while the run went on, and the script's own log lines, oldest first.
    pub log: Vec<LogLine>,
}

/// Something that was broken for a while, and what that did. Times in seconds from the begin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FaultOutcome {
    /// The tag `fault` of its metrics.
    pub name: String,
    /// What it was on.
    pub on: String,
    /// What it did, with its amounts.
    pub what: String,
    /// When it was to begin.
    pub at: f64,
    /// How long it was to last.
    pub lasts: f64,
    /// When it was in force; `None` when the load ended before.
    pub injected: Option<f64>,
    /// Why it could not begin, if it was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// When it was gone.
    pub cleared: f64,
    /// Why it may still be there; `None` when it was seen to be gone.
    pub unclean: Option<String>,
    /// Connections that were there while it was.
    pub eligible: u64,
    /// Of these, those it disturbed.
    pub touched: u64,
    /// Bytes in the chunks it disturbed.
    pub bytes: u64,
    /// What showed that it was there, where it was not on a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// When its process was away, or stood still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Absence>,
    /// What it did to the calls; `None` when it never began.
    pub recovery: Option<Recovery>,
}

/// When a process was away, or stood still. Times in seconds from the begin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Absence {
    /// Since when.
    pub away: f64,
    /// When there was a process again, or it went on.
    pub back: Option<f64>,
    /// When it answered again.
    pub ready: Option<f64>,
}

/// When, how long and with which seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Folder and file stem the results are kept under.
    pub name: String,
    /// Wall-clock start, RFC 3339.
    pub started: String,
    /// Seconds from the first intended start to the end of the last iteration.
    pub elapsed: f64,
    /// What every random choice of the run grew from.
    pub seed: u64,
    /// Threads that made the load.
    pub workers: usize,
    /// Ended early by Ctrl-C or a termination signal.
    pub interrupted: bool,
    /// The threshold whose `abort` ended the run early.
    pub aborted_by: Option<String>,
    /// SHA-256 of the script and of every Lua file it required, in hex; empty where not kept.
    #[serde(default)]
    pub fingerprint: String,
}

/// Where the run took place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Environment {
    /// For example `linux`.
    pub os: String,
    /// For example `x86_64`.
    pub arch: String,
    /// Processors this process may use.
    pub cpus: usize,
    /// The processor's name, as the system tells it.
    pub cpu: Option<String>,
    /// Bytes of memory in the machine.
    pub memory: Option<u64>,
}

/// What became of a scenario's load.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ScenarioOutcome {
    /// As the script names it.
    pub name: String,
    /// A closed loop: its times are not corrected for coordinated omission.
    pub closed: bool,
    /// Iterations that were due.
    pub offered: u64,
    /// Iterations that began.
    pub started: u64,
    /// Iterations that came to their end, broken ones included.
    pub finished: u64,
    /// Arrivals that found no free user.
    pub dropped: u64,
    /// Iterations cut off at the end.
    pub unfinished: u64,
    /// Iterations that began more than 10 ms after they were due.
    pub late: u64,
    /// Users that never came through their `init`.
    pub unready: u64,
    /// When it began, in seconds from the begin of the load.
    #[serde(default)]
    pub begun: f64,
    /// Seconds in which load was offered; 0 where that is not known.
    #[serde(default)]
    pub offering: f64,
    /// Seconds until all but one in a hundred of its iterations had ended; 0 where that is not known.
    #[serde(default)]
    pub settled: f64,
    /// Seconds from the scenario's start to the end of its last iteration.
    pub elapsed: f64,
}

/// One series: its total and its points.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeriesOutcome {
    /// `thing.aspect`.
    pub metric: String,
    /// How samples add up.
    pub kind: Kind,
    /// What values are counted in.
    pub unit: Unit,
    /// Which part of the metric this is.
    pub tags: Tags,
    /// Over the whole run.
    pub total: Total,
    /// Over each of [`Outcome::phases`] by its number, where there are any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<u32, Total>,
    /// By second.
    pub points: Vec<Point>,
    /// Whole distributions along the run, where runs are compared by this series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<Slices>,
}

impl SeriesOutcome {
    /// The metric's definition.
    pub fn definition(&self) -> Metric {
        Metric { name: self.metric.as_str().into(), kind: self.kind, unit: self.unit }
    }
}

/// What ended in one second, told while the run goes on.
#[derive(Debug, Clone)]
pub struct Second {
    /// Seconds since the run began.
    pub second: u32,
    /// Every series in which something ended.
    pub series: Vec<SeriesSecond>,
}

/// A series in one second, by completion.
#[derive(Debug, Clone)]
pub struct SeriesSecond {
    /// `thing.aspect`.
    pub metric: String,
    /// What values are counted in.
    pub unit: Unit,
    /// Which part of the metric this is.
    pub tags: Tags,
    /// What ended.
    pub total: Total,
}

/// One example of one kind of failure of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSample {
    /// Scenario it happened in.
    pub scenario: String,
    /// The metric that counts it, for example `http.failed`.
    #[serde(default)]
    pub metric: String,
    /// The operation's name.
    pub name: String,
    /// Kind of failure, for example `refused`.
    pub kind: String,
    /// The first one's words.
    pub detail: String,
    /// How many there were.
    pub count: u64,
}

/// A place in the script that raised an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptErrorSample {
    /// What was raised.
    pub message: String,
    /// The line of the script that raised it, where that is known.
    pub place: Option<Place>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    /// The script's own frames, innermost first.
    pub traceback: Vec<String>,
    /// Scenario the first one happened in.
    pub scenario: String,
    /// Iterations it broke.
    pub count: u64,
}

/// What the generator itself used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Generator {
    /// CPU seconds of the whole process over the load.
    pub cpu: f64,
    /// Share of its time that the busiest worker's thread was on a CPU, 0 to 1.
    pub busiest_worker: f64,
    /// Largest resident memory of the process in bytes.
    pub memory: u64,
    /// Longest time a script kept its worker in one go, in seconds.
    pub longest_script: f64,
}

/// A warning, or a line the script logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// One line.
    pub text: String,
    /// How often it was logged.
    pub count: u64,
}
