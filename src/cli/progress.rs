//! The only file that draws: what a run shows of itself while it goes on, on stderr.
//!
//! On a terminal one line a scenario, redrawn every second; elsewhere (CI, a file) plain lines
//! every [`PLAIN_EVERY`], so that a log stays readable.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::engine::{Progress as State, ScenarioProgress, Stage};
use crate::report::visible;
use crate::script::{Level, Line, World};
use crate::units::{show_duration, show_many};

/// Between two blocks of plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What the script says, and no progress.
    Quiet,
    /// Also progress.
    Normal,
    /// Also what the script logs at level debug.
    Verbose,
}

/// Follows a run and shows it.
pub struct Progress {
    detail: Detail,
    world: Arc<World>,
    bars: Option<Bars>,
    last_plain: Option<Duration>,
    stage: Option<Stage>,
}

impl Progress {
    /// Draws on a terminal, writes plain lines elsewhere; also what is logged in `world`.
    pub fn new(detail: Detail, terminal: bool, world: Arc<World>) -> Self {
        let bars = (terminal && detail != Detail::Quiet).then(Bars::default);
        Self { detail, world, bars, last_plain: None, stage: None }
    }

    /// Shows every state until the run has ended.
    pub async fn follow(mut self, mut states: watch::Receiver<State>) {
        while states.changed().await.is_ok() {
            let state = states.borrow_and_update().clone();
            self.show(&state);
        }
        self.drain();
        if let Some(bars) = &self.bars {
            bars.clear();
        }
    }

    /// Shows what was logged since the last time.
    fn drain(&self) {
        for line in self.world.log.drain() {
            self.log(&line);
        }
    }

    fn show(&mut self, state: &State) {
        self.drain();
        if self.detail == Detail::Quiet {
            return;
        }
        match &mut self.bars {
            Some(bars) => bars.draw(state),
            None => self.plain(state),
        }
    }

    fn log(&self, line: &Line) {
        let least = match self.detail {
            Detail::Quiet | Detail::Normal => Level::Info,
            Detail::Verbose => Level::Debug,
        };
        if line.level < least {
            return;
        }
        let text = visible(&line.text);
        let text = match line.level {
            Level::Debug => format!("debug: {text}"),
            Level::Info => text.into_owned(),
            Level::Warn => format!("warning: {text}"),
            Level::Error => format!("error: {text}"),
        };
        match &self.bars {
            Some(bars) => bars.above(&text),
            None => plainly(&text),
        }
    }

    fn plain(&mut self, state: &State) {
        if self.stage != Some(state.stage) {
            self.stage = Some(state.stage);
            if let Some(text) = stage(state.stage) {
                plainly(text);
            }
        }
        let due = self.last_plain.is_none_or(|last| state.elapsed >= last + PLAIN_EVERY);
        if state.stage != Stage::Load || state.elapsed < Duration::from_secs(1) || !due {
            return;
        }
        self.last_plain = Some(state.elapsed);
        for scenario in state.scenarios.iter().filter(|s| s.begun && !s.ended) {
            let elapsed = state.elapsed.as_secs();
            let name = visible(&scenario.name);
            plainly(&format!("{elapsed:>4} s  {name}  {}", facts(scenario)));
        }
    }
}

/// The lines on the terminal.
#[derive(Debug, Default)]
struct Bars {
    all: MultiProgress,
    head: Option<ProgressBar>,
    scenarios: Vec<ProgressBar>,
}

impl Bars {
    fn draw(&mut self, state: &State) {
        let all = &self.all;
        let head = self.head.get_or_insert_with(|| {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {msg}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        head.set_message(headline(state));
        if self.scenarios.is_empty() && !state.scenarios.is_empty() {
            let width = state.scenarios.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
            self.scenarios = state.scenarios.iter().map(|s| line(all, &s.name, width)).collect();
        }
        for (bar, scenario) in self.scenarios.iter().zip(&state.scenarios) {
            bar.set_message(facts(scenario));
        }
    }

    fn above(&self, text: &str) {
        // Where stderr is gone there is nobody to tell.
        let _ = self.all.println(text);
    }

    fn clear(&self) {
        self.scenarios.iter().chain(&self.head).for_each(ProgressBar::finish_and_clear);
        // Where stderr is gone there is nothing to clear.
        let _ = self.all.clear();
    }
}

fn line(all: &MultiProgress, name: &str, width: usize) -> ProgressBar {
    let bar = all.add(ProgressBar::new_spinner());
    bar.set_style(style("  {prefix}  {msg}"));
    bar.set_prefix(format!("{:width$}", visible(name)));
    bar
}

/// A template of ours; one that does not parse would show as indicatif's own default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn headline(state: &State) -> String {
    if let Some(text) = stage(state.stage) {
        return text.to_owned();
    }
    let elapsed = clock(state.elapsed);
    match state.planned {
        Some(planned) => format!("{elapsed} of {}", clock(planned)),
        None => elapsed,
    }
}

fn stage(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::Services => Some("starting services"),
        Stage::Setup => Some("setup"),
        Stage::Load => None,
        Stage::Stopping => Some("stopping: waiting for running iterations (again to stop at once)"),
        Stage::Teardown => Some("teardown"),
        Stage::Leaving => Some("stopping: waiting for teardown (again to stop at once)"),
    }
}

/// One scenario in one line.
fn facts(scenario: &ScenarioProgress) -> String {
    let errors = match scenario.errors {
        0 => String::new(),
        errors => format!(", {}", show_many(errors, "script error")),
    };
    if scenario.ended {
        return format!("done, {} calls, {} failed{errors}", scenario.calls, scenario.failed);
    }
    if !scenario.begun {
        return "waiting".to_owned();
    }
    let left = scenario.left.map_or_else(String::new, |left| format!("{} left  ", clock(left)));
    let asked = scenario.asked.map_or_else(String::new, |asked| format!(" of {asked:.0}"));
    let p95 = scenario.p95.map_or_else(|| "-".to_owned(), show_duration);
    let share = scenario.failed as f64 * 100.0 / scenario.calls.max(1) as f64;
    format!(
        "{left}{}  {:.0}{asked} per s  p95 {p95}  {} failed ({share:.1} %){errors}",
        show_many(scenario.users, "user"),
        scenario.reached,
        scenario.failed
    )
}

/// `4:05`, or `1:04:05` from an hour up.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn plainly(text: &str) {
    // Where stderr is gone there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_told_in_one_line() {
        let mut scenario = ScenarioProgress {
            begun: true,
            users: 12,
            asked: Some(200.0),
            reached: 198.0,
            failed: 3,
            calls: 1000,
            p95: Some(Duration::from_millis(12)),
            left: Some(Duration::from_secs(245)),
            ..ScenarioProgress::default()
        };
        assert_eq!(
            facts(&scenario),
            "4:05 left  12 users  198 of 200 per s  p95 12 ms  3 failed (0.3 %)"
        );
        (scenario.users, scenario.errors) = (1, 1);
        let one =
            "4:05 left  1 user  198 of 200 per s  p95 12 ms  3 failed (0.3 %), 1 script error";
        assert_eq!(facts(&scenario), one);
        (scenario.ended, scenario.errors) = (true, 0);
        assert_eq!(facts(&scenario), "done, 1000 calls, 3 failed");
    }

    #[test]
    fn hours_are_shown_only_when_there_are_any() {
        assert_eq!(clock(Duration::from_secs(59)), "0:59");
        assert_eq!(clock(Duration::from_secs(3845)), "1:04:05");
    }
}
