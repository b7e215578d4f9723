//! Wiring: the threads, and the one order in which a run happens.
//!
//! The control thread starts services, runs `setup`, lets the workers begin at one instant,
//! collects what they recorded once a second, and at the end runs `teardown` and writes down the
//! [`Outcome`]. A worker is a thread with its own runtime, Lua state and recorder; it shares
//! nothing with the others, and its only words to the control thread are a message a second.
//!
//! Nothing is lost on the way out: an interrupted run stops its users gracefully, runs its
//! `teardown`, stops its services and has an outcome like any other.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;

use tokio::runtime::LocalRuntime;
use tokio::sync::{mpsc, watch};

use crate::outcome::{Outcome, Second};
use crate::plan::Problem;
use crate::script::Loaded;

mod account;
mod breaking;
mod closing;
mod collector;
mod conduct;
mod evidence;
mod failing;
mod faults;
mod foreseen;
mod listeners;
mod machine;
mod own;
mod progress;
mod proxies;
mod services;
mod share;
mod signals;
mod validity;
mod waiting;
mod worker;

pub use progress::{Progress, ScenarioProgress, Stage};
pub use proxies::outside as outside_upstream;

/// What a run is told besides its script.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name the results are kept under.
    pub name: String,
    /// Threads that make the load; `None`: one a processor this process may use.
    pub workers: Option<usize>,
    /// Whether the script may run commands: whoever runs it has said so.
    pub allow_command: bool,
    /// Hosts beyond this machine that faults may concern.
    pub allow_fault: Vec<String>,
    /// Who is told of each second once it is complete; `None`: nobody.
    pub seconds: Option<mpsc::UnboundedSender<Second>>,
    /// Where it is written down what has to be put right, whatever becomes of the run.
    pub journals: PathBuf,
}

/// Why there is no outcome.
#[derive(Debug)]
pub enum EngineError {
    /// Declared services did not start.
    Services(Vec<Problem>),
    /// `setup` raised an error: what, and where.
    Setup(Problem),
    /// A worker could not load the script the control thread had loaded.
    Worker(Vec<Problem>),
    /// The system refused something the engine cannot do without.
    System(String),
    /// Interrupted before the load began.
    Interrupted,
    /// A worker ended without saying why: a defect of loadrun.
    Broke(String),
}

impl EngineError {
    /// 4: could not start; 5: broke while running; 130: interrupted before the load.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Services(_) | Self::Setup(_) | Self::Worker(_) | Self::System(_) => 4,
            Self::Interrupted => 130,
            Self::Broke(_) => 5,
        }
    }
}

impl EngineError {
    /// What went wrong, in one sentence.
    fn what(&self) -> String {
        match self {
            Self::Setup(problem) => problem.what.clone(),
            Self::Services(problems) | Self::Worker(problems) => {
                problems.first().map_or_else(String::new, |problem| problem.what.clone())
            }
            Self::System(what) | Self::Broke(what) => what.clone(),
            Self::Interrupted => "interrupted".to_owned(),
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(problem) => problem.fmt(f),
            Self::Services(problems) | Self::Worker(problems) => {
                let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
                f.write_str(&told.join("\n\n"))
            }
            Self::System(what) => write!(f, "error: {what}"),
            Self::Interrupted => f.write_str("interrupted before the load began"),
            Self::Broke(what) => write!(
                f,
                "error: {what}\n  hint: this is a defect of loadrun; please report it with the script"
            ),
        }
    }
}

impl std::error::Error for EngineError {}

/// What keeps a loaded script from starting, as far as that is known before anything is started.
pub fn foresee(loaded: &Loaded, options: &Options) -> Result<Vec<Problem>, EngineError> {
    foreseen::problems(&loaded.plan, &loaded.control.world(), options)
}

/// Runs a loaded script to its outcome. `watch` is given the run's state to follow, once a second
/// and at each stage; the run does not wait for it.
pub fn run<W: Future<Output = ()>>(
    loaded: Loaded,
    options: Options,
    watch: impl FnOnce(watch::Receiver<Progress>) -> W,
) -> Result<Outcome, EngineError> {
    let runtime = LocalRuntime::new();
    let runtime = runtime.map_err(|e| EngineError::System(format!("no event loop: {e}")))?;
    let (progress, states) = watch::channel(Progress::default());
    let follow = watch(states);
    own::forget_peak();
    runtime.block_on(async {
        let (outcome, ()) = tokio::join!(conduct::run(loaded, options, progress), follow);
        outcome
    })
}
