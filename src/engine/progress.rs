//! What a run shows of itself while it goes on: one value, replaced every second.

use std::time::Duration;

/// Where the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    /// Starting the services the script declared.
    #[default]
    Services,
    /// Running the script's `setup`.
    Setup,
    /// Making load.
    Load,
    /// No new iterations; waiting for the running ones.
    Stopping,
    /// Running the script's `teardown`.
    Teardown,
    /// The same, asked to end.
    Leaving,
}

/// The state of the run at one second.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Where the run is.
    pub stage: Stage,
    /// Since the first intended start.
    pub elapsed: Duration,
    /// How long the plan is; unknown when it ends with the work.
    pub planned: Option<Duration>,
    /// One entry a scenario, in the script's order.
    pub scenarios: Vec<ScenarioProgress>,
}

/// The state of one scenario.
#[derive(Debug, Clone, Default)]
pub struct ScenarioProgress {
    /// As the script names it.
    pub name: String,
    /// Whether it has begun.
    pub begun: bool,
    /// Whether all its users have ended.
    pub ended: bool,
    /// Users inside an iteration.
    pub users: u64,
    /// Iterations asked for in the last second; `None` in a closed loop.
    pub asked: Option<f64>,
    /// Iterations finished in the last second.
    pub reached: f64,
    /// Calls failed so far.
    pub failed: u64,
    /// Calls made so far.
    pub calls: u64,
    /// Iterations broken by script errors so far.
    pub errors: u64,
    /// Response p95 over the last ten seconds, by completion.
    pub p95: Option<Duration>,
    /// What is left of the scenario; `None` when it ends with the work.
    pub left: Option<Duration>,
}
