//! All that a report may say about a run, as one value, saved and loaded as one JSON file.
//!
//! Running and telling are two programs joined by this file: a report is a pure function of an
//! [`Outcome`] and asks nothing else. It holds whole histograms, so runs can be merged and
//! compared later, and no secret: parameters marked secret are shown as `***` by the plan.

pub mod operations;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::ledger::Balance;
use crate::metric::{Kind, Metric, Point, Slices, Tags, Total, Unit};
use crate::plan::{Place, Plan};
use crate::recovery::Recovery;

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
    /// What was broken, and what that did.
    #[serde(default)]
    pub faults: Vec<FaultOutcome>,
    /// What the generator itself used.
    pub generator: Generator,
    /// Warnings of the run and the script's own log lines, oldest first.
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

impl FaultOutcome {
    /// Whether there is no sign that it did anything. A refused connection never reaches a proxy,
    /// so calls that failed meanwhile are a sign as well.
    pub fn no_effect(&self) -> bool {
        let failed = self.recovery.as_ref().is_some_and(|recovery| recovery.fault.failed > 0);
        self.effect.is_none() && self.touched == 0 && !failed
    }
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

/// Whether the numbers can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunVerdict {
    /// They can.
    Valid,
    /// The generator itself was too slow: they tell about it, not about the target.
    GeneratorLimited,
    /// The script was too slow or broke too often.
    ScriptLimited,
    /// Nothing succeeded.
    TargetDown,
    /// The run was ended before its plan was done.
    Incomplete,
    /// A fault may still be there.
    Unclean,
}

impl fmt::Display for RunVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "VALID",
            Self::GeneratorLimited => "GENERATOR_LIMITED",
            Self::ScriptLimited => "SCRIPT_LIMITED",
            Self::TargetDown => "TARGET_DOWN",
            Self::Incomplete => "INCOMPLETE",
            Self::Unclean => "UNCLEAN",
        })
    }
}

/// One cause for which the numbers cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The verdict it speaks for.
    pub verdict: RunVerdict,
    /// One sentence.
    pub cause: String,
}

/// How the thresholds came out together, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Grade {
    /// Every limit and every goal held.
    Excellent,
    /// Every limit held.
    Good,
    /// At least half of the limits held.
    Fair,
    /// Fewer held, or a critical one was missed.
    Poor,
}

impl Grade {
    /// The grade of a set of thresholds; `None` for an empty set.
    pub fn of(verdicts: &[Verdict]) -> Option<Self> {
        if verdicts.is_empty() {
            return None;
        }
        let held = verdicts.iter().filter(|v| v.limit_held).count();
        let critical = verdicts.iter().any(|v| v.critical && !v.limit_held);
        Some(if held == verdicts.len() {
            let goals = verdicts.iter().all(|v| v.goal_held != Some(false));
            if goals { Self::Excellent } else { Self::Good }
        } else if !critical && 2 * held >= verdicts.len() {
            Self::Fair
        } else {
            Self::Poor
        })
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excellent => "EXCELLENT",
            Self::Good => "GOOD",
            Self::Fair => "FAIR",
            Self::Poor => "POOR",
        })
    }
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By its plan, or by a threshold that aborts.
    Own,
    /// By a signal.
    Interrupted,
    /// By a defect of loadrun.
    Broken,
}

/// The exit code of a run that began.
pub fn exit_code(verdict: RunVerdict, grade: Option<Grade>, end: End) -> u8 {
    match end {
        End::Own => {}
        End::Interrupted => return 130,
        End::Broken => return 5,
    }
    match (verdict, grade) {
        (RunVerdict::Valid, None | Some(Grade::Excellent | Grade::Good)) => 0,
        (RunVerdict::Valid, Some(Grade::Fair)) => 1,
        (RunVerdict::Valid, Some(Grade::Poor)) => 2,
        _ => 3,
    }
}

/// A threshold, judged at the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// As the script wrote it.
    pub threshold: String,
    /// What was measured, as shown to people; `None` when no sample matched.
    pub shown: Option<String>,
    /// What was measured, in the metric's raw unit (nanoseconds, bytes, a share, a number).
    pub value: Option<f64>,
    /// Whether the limit held, at the end and at every second it was judged when windowed.
    pub limit_held: bool,
    /// Whether the goal held; `None` without a goal.
    pub goal_held: Option<bool>,
    /// Missing it makes the grade POOR.
    pub critical: bool,
}

/// What became of a scenario's load.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

/// One example of one kind of failure of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSample {
    /// Scenario it happened in.
    pub scenario: String,
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

/// An outcome or a report that could not be saved or loaded.
#[derive(Debug)]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What went wrong, in words.
    pub what: String,
    /// What to do next.
    pub hint: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for FileError {}

/// Where a results folder keeps the outcome.
pub const FILE: &str = "outcome.json";

impl Outcome {
    /// Writes `outcome.json` into `folder`: whole or not at all, even when the machine stops.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, FileError> {
        let path = folder.join(FILE);
        save_sealed(self, &path)?;
        Ok(path)
    }

    /// The same with every text in it passed through `mask`, wherever it stands: a file that is
    /// shared holds no secret, in whatever name, tag or message a script put it.
    pub fn masked(self, mask: &dyn Fn(&str) -> String) -> serde_json::Result<Self> {
        let mut whole = serde_json::to_value(self)?;
        mask_texts(&mut whole, mask);
        serde_json::from_value(whole)
    }

    /// Reads an outcome, from its file or from the results folder it lies in. What cannot be
    /// trusted to be what a run left there is refused, with the reason.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let path = if path.is_dir() { path.join(FILE) } else { path.to_owned() };
        load_sealed(&path, "outcome", SCHEMA)
    }
}

/// Writes a value with a `schema` and a version as JSON, sealed with a digest.
pub fn save_sealed(value: &impl Serialize, path: &Path) -> Result<(), FileError> {
    let text = serde_json::to_string(value)
        .map_err(|e| FileError::new(path, e.to_string(), "please report it"))?;
    write_whole(path, sealed(&text).as_bytes())
}

/// Reads what [`save_sealed`] wrote, a `noun` of this `schema`.
pub fn load_sealed<T: DeserializeOwned>(
    path: &Path,
    noun: &str,
    schema: u32,
) -> Result<T, FileError> {
    let told = |what: &str, hint: &str| FileError::new(path, what.to_owned(), hint);
    let text = fs::read(path).map_err(|e| told(&e.to_string(), NAME_ONE))?;
    let text = String::from_utf8(text).map_err(|_| told("not text", NAME_ONE))?;
    let head: Head = serde_json::from_str(&text).map_err(|e| {
        let foreign = format!("not an {noun} of loadrun");
        let cut = if e.is_eof() { "cut off" } else { &foreign };
        told(&format!("{cut}: {e}"), if e.is_eof() { RUN_AGAIN } else { NAME_ONE })
    })?;
    if head.schema != schema {
        let what = format!(
            "schema {}, this program reads {schema} (written by loadrun {})",
            head.schema, head.loadrun
        );
        let newer = "read it with that version of loadrun, or a later one";
        let older = "read it with that version of loadrun, or run the script again";
        return Err(told(&what, if head.schema > schema { newer } else { older }));
    }
    if head.sha256.is_some_and(|digest| !is_sealed(&text, &digest)) {
        let what = "edited or damaged: its content is not what its digest was made of";
        return Err(told(what, "use the file as the run wrote it, or run the script again"));
    }
    serde_json::from_str(&text).map_err(|e| told(&format!("damaged: {e}"), RUN_AGAIN))
}

const NAME_ONE: &str = "name an outcome.json, or the results folder it lies in";
const RUN_AGAIN: &str = "run the script again";

/// The text of an outcome, an object, with the digest of the rest as its first field.
fn sealed(text: &str) -> String {
    let rest = text.strip_prefix('{').unwrap_or(text);
    format!("{{\"sha256\":\"{}\",{rest}\n", digest(rest))
}

/// Whether the text is what [`sealed`] made, but for white space at its end.
fn is_sealed(text: &str, said: &str) -> bool {
    let rest = text.trim_end().strip_prefix(&format!("{{\"sha256\":\"{said}\","));
    rest.is_some_and(|rest| digest(rest) == said)
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

impl FileError {
    fn new(path: &Path, what: String, hint: &str) -> Self {
        Self { path: path.to_owned(), what, hint: hint.to_owned() }
    }
}

fn mask_texts(value: &mut Value, mask: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = mask(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_texts(item, mask)),
        Value::Object(fields) => {
            let masked = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                mask_texts(&mut value, mask);
                (mask(&key), value)
            });
            *fields = masked.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What every schema has.
#[derive(Deserialize)]
struct Head {
    schema: u32,
    loadrun: String,
    sha256: Option<String>,
}

/// Writes a file beside its place, syncs, then renames: a reader sees all of it or none.
pub fn write_whole(path: &Path, text: &[u8]) -> Result<(), FileError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let written = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        // As any other file: others may read it where the user's mask lets them.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(parent.unwrap_or(Path::new(".")))?;
        file.write_all(text)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    let hint = "free the disk, or choose another place";
    written().map_err(|e| FileError::new(path, e.to_string(), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(limit_held: bool, goal_held: Option<bool>, critical: bool) -> Verdict {
        let threshold = "http.failed rate < 1%".to_owned();
        Verdict { threshold, shown: None, value: None, limit_held, goal_held, critical }
    }

    #[test]
    fn the_grade_follows_limits_goals_and_critical_marks() {
        let held = || verdict(true, Some(true), false);
        let goal_missed = || verdict(true, Some(false), false);
        let missed = || verdict(false, Some(false), false);
        assert_eq!(Grade::of(&[]), None);
        assert_eq!(Grade::of(&[held(), verdict(true, None, false)]), Some(Grade::Excellent));
        assert_eq!(Grade::of(&[held(), goal_missed()]), Some(Grade::Good));
        assert_eq!(Grade::of(&[held(), missed()]), Some(Grade::Fair));
        assert_eq!(Grade::of(&[held(), missed(), missed()]), Some(Grade::Poor));
        assert_eq!(Grade::of(&[held(), held(), verdict(false, None, true)]), Some(Grade::Poor));
    }

    #[test]
    fn only_a_valid_run_can_exit_zero() {
        for verdict in [
            RunVerdict::GeneratorLimited,
            RunVerdict::ScriptLimited,
            RunVerdict::TargetDown,
            RunVerdict::Incomplete,
        ] {
            assert_eq!(exit_code(verdict, Some(Grade::Excellent), End::Own), 3);
            assert_eq!(exit_code(verdict, None, End::Own), 3);
        }
        assert_eq!(exit_code(RunVerdict::Valid, None, End::Own), 0);
        assert_eq!(exit_code(RunVerdict::Valid, Some(Grade::Good), End::Own), 0);
        assert_eq!(exit_code(RunVerdict::Valid, Some(Grade::Fair), End::Own), 1);
        assert_eq!(exit_code(RunVerdict::Valid, Some(Grade::Poor), End::Own), 2);
        assert_eq!(exit_code(RunVerdict::Incomplete, None, End::Interrupted), 130);
        assert_eq!(exit_code(RunVerdict::Incomplete, None, End::Broken), 5);
    }

    fn refused(text: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, text).unwrap();
        let error = Outcome::load(folder.path()).unwrap_err();
        assert_eq!(error.path, path);
        (error.what, error.hint)
    }

    #[test]
    fn a_file_of_something_else_is_refused_by_name() {
        for text in ["{\"version\": 3}", "[]", "hello", ""] {
            let (what, hint) = refused(text);
            let told = what.contains("not an outcome of loadrun") || what.contains("cut off");
            assert!(told, "{text}: {what}");
            assert!(!hint.is_empty());
        }
        let (what, _) = refused("{\"schema\": 1, \"loa");
        assert!(what.starts_with("cut off"), "{what}");
    }

    #[test]
    fn an_older_and_a_newer_schema_are_refused_with_their_version() {
        let (what, hint) = refused("{\"schema\": 99, \"loadrun\": \"9.0.0\"}");
        assert_eq!(what, "schema 99, this program reads 1 (written by loadrun 9.0.0)");
        assert!(hint.contains("or a later one"), "{hint}");
        let (_, hint) = refused("{\"schema\": 0, \"loadrun\": \"0.0.1\"}");
        assert!(hint.contains("run the script again"), "{hint}");
    }

    #[test]
    fn a_text_is_known_by_its_digest_wherever_it_was_changed() {
        let whole = sealed("{\"schema\":1,\"loadrun\":\"x\"}");
        let head: Head = serde_json::from_str(&whole).unwrap();
        let digest = head.sha256.unwrap();
        assert!(is_sealed(&whole, &digest));
        assert!(!is_sealed(&whole.replace(":1,", ":2,"), &digest));
        assert!(!is_sealed(&whole.replace(":1,", ": 1,"), &digest));
        let (what, _) = refused(&whole.replace("\"x\"", "\"y\""));
        assert!(what.starts_with("edited or damaged"), "{what}");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_whole(&folder.path().join("none/report.csv"), b"x").unwrap_err();
        assert!(error.to_string().contains("none/report.csv: "), "{error}");
    }
}
