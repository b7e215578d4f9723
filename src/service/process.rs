//! A server of the run as whoever breaks it sees it: paused, ended, started again.
//!
//! Everything is done by its guard ([`super::guard`]), who is asked through the pipe that also keeps
//! the server alive, and nothing is believed: a call returns when the system shows that the server
//! stands still or goes on, or when the guard says that it is away or back. *Back* is not *ready*:
//! a process that was started answers only after a while, and the two are told apart.

use std::collections::BTreeMap;
use std::io::{PipeWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::guard::{Orders, Wish};
use super::probe::Probe;
use super::processes::Birth;
use super::tail::Tail;
use super::{Place, Remains, ServiceError, Site, launch, processes};
use crate::plan::ServiceDecl;

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// How long a server may take to stand still, or to go on.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A server about to be started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// What messages call it.
    pub(super) name: String,
    /// What its guard is to do.
    pub(super) orders: Orders,
    /// The port it is to have, where that is not left to it.
    pub(super) port: Option<u16>,
    /// How it is known to be ready.
    pub(super) ready: Ready,
    /// How long to wait for that.
    pub(super) ready_within: Duration,
    /// What stands in the lines it writes that give a reason; none where any may.
    pub(super) reasons: &'static [&'static str],
}

/// How a server is known to be ready: each that there is, in this order.
///
/// A port tells nothing alone: by chance it may be somebody else's who answers. What the server
/// itself writes is its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Ready {
    /// What is in the line it writes when it is ready.
    pub(super) line: Option<String>,
    /// A question it answers.
    pub(super) probe: Option<Probe>,
    /// Its URL; `None`: what follows in the line.
    pub(super) url: Option<String>,
}

/// What is known of the server from its guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Its process id, once it has been started.
    pub(super) pid: Option<u32>,
    /// Which of those that have had this id it is, where the system shows it.
    pub(super) birth: Option<Birth>,
    /// How often it was started.
    pub(super) starts: u32,
    /// While it is away because that was wanted, how it ended.
    pub(super) away: Option<String>,
    /// Once it is no more, how that came: `ended by itself (exit status: 1)`.
    pub(super) over: Option<String>,
}

/// A server of the run. Clones are of one server.
#[derive(Clone, Debug)]
pub struct Process {
    pub(super) decl: ServiceDecl,
    pub(super) site: Site,
    pub(super) place: Place,
    pub(super) launch: Launch,
    /// Which process its guard is, where the system shows it.
    pub(super) guard: Option<Birth>,
    /// Held open: at its end the guard ends the server. `None` once that has been asked for.
    pub(super) orders: Arc<Mutex<Option<PipeWriter>>>,
    pub(super) state: watch::Receiver<State>,
    /// What followed in the line that says it is ready.
    pub(super) said: watch::Sender<Option<String>>,
    pub(super) tail: Tail,
}

impl Launch {
    /// How long a service may take to become ready: long, for a busy machine's first start.
    pub(super) const READY_WITHIN: Duration = Duration::from_mins(1);

    pub(super) fn failed(&self, why: &str) -> ServiceError {
        ServiceError { what: format!("service {:?} {why}", self.name), hint: None }
    }
}

impl Process {
    /// What it was declared as.
    pub fn declared(&self) -> &ServiceDecl {
        &self.decl
    }

    /// Its process id; 0 before it has been started.
    pub fn pid(&self) -> u32 {
        self.state.borrow().pid.unwrap_or_default()
    }

    /// Whether it has been ended and not been started again.
    pub fn is_away(&self) -> bool {
        self.state.borrow().away.is_some()
    }

    /// What to do about it once its run is gone; `None` before it has been started, and where the
    /// system does not tell one process from another that has its id later.
    pub fn remains(&self) -> Option<Remains> {
        let Orders { folder, signal, within, .. } = self.launch.orders.clone();
        let server = self.state.borrow().birth.clone()?;
        // As the system shows it.
        let folder = folder.canonicalize().unwrap_or(folder);
        Some(Remains { server, guard: self.guard.clone()?, folder, signal, within })
    }

    /// Lets it stand still with all it started, and returns when it does.
    pub async fn pause(&self) -> Result<(), String> {
        self.wish(&Wish::Pause)?;
        self.stands(true).await.map_err(|()| "its process does not stand still".to_owned())
    }

    /// Lets it go on, and returns when it does.
    pub async fn proceed(&self) -> Result<(), String> {
        self.wish(&Wish::Proceed)?;
        self.stands(false).await.map_err(|()| "its process still stands still".to_owned())
    }

    /// Ends it, asked to or not, and returns when it is away: how it ended.
    pub async fn end(&self, killed: bool) -> Result<String, String> {
        self.wish(&Wish::End { killed })?;
        let mut state = self.state.clone();
        let patience = self.launch.orders.within + AT_ONCE;
        let gone = state.wait_for(|state| state.away.is_some() || state.over.is_some());
        match timeout(patience, gone).await {
            Ok(Ok(state)) => match (&state.away, &state.over) {
                (Some(how), _) => Ok(how.clone()),
                (None, over) => Err(over.clone().unwrap_or_default()),
            },
            _ => Err("did not end".to_owned()),
        }
    }

    /// Starts it again, with other settings in place of those declared, and returns when its
    /// process is back: [`Process::ready`] is another matter.
    pub async fn start(&self, with: &BTreeMap<String, String>) -> Result<(), String> {
        let mut decl = self.decl.clone();
        decl.options.extend(with.iter().map(|(name, value)| (name.clone(), value.clone())));
        let launch = launch(&decl, &self.site, &self.place).map_err(|error| error.what)?;
        let Orders { files, server, .. } = launch.orders;
        let mut state = self.state.clone();
        let starts = state.borrow().starts;
        self.said.send_replace(None);
        self.wish(&Wish::Start { files, server })?;
        let back = state.wait_for(|state| state.starts > starts || state.over.is_some());
        match timeout(AT_ONCE, back).await {
            Ok(Ok(state)) => match &state.over {
                Some(how) => Err(format!("{how}{}", self.tail.quoted())),
                None => Ok(()),
            },
            _ => Err("was not started".to_owned()),
        }
    }

    /// Waits until it answers, at most as long as it may take to start.
    pub async fn ready(&self) -> Result<(), String> {
        match timeout(self.launch.ready_within, self.found()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(why)) => Err(format!("{why}{}", self.tail.quoted())),
            Err(_) => Err(self.unready()),
        }
    }

    /// What is said of one that is not ready in time.
    pub(super) fn unready(&self) -> String {
        format!("was not ready within {} s", self.launch.ready_within.as_secs_f64())
    }

    /// Its URL once it is ready, or why it never will be.
    pub(super) async fn found(&self) -> Result<String, String> {
        let Ready { line, probe, url } = self.launch.ready.clone();
        let (mut state, mut said) = (self.state.clone(), self.said.subscribe());
        let answered = async {
            state.wait_for(|state| state.pid.is_some()).await.map_err(drop)?;
            let mut place = None;
            if line.is_some() {
                place.clone_from(&*said.wait_for(Option::is_some).await.map_err(drop)?);
            }
            while let Some(probe) = &probe
                && !probe.answers().await
            {
                sleep(PAUSE).await;
            }
            Ok::<_, ()>(url.or(place).unwrap_or_default())
        };
        let over = over(self.state.clone());
        tokio::select! {
            biased;
            how = over => Err(how.replace("ended by itself", "ended before it was ready")),
            Ok(url) = answered => Ok(url),
        }
    }

    /// Has the guard end it for good.
    pub(super) fn let_go(&self) {
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn wish(&self, wish: &Wish) -> Result<(), String> {
        let mut line = serde_json::to_string(wish).map_err(|error| error.to_string())?;
        line.push('\n');
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pipe) = orders.as_mut() else { return Err("it is being ended".to_owned()) };
        pipe.write_all(line.as_bytes()).map_err(|error| format!("its guard is gone: {error}"))
    }

    /// Waits until the system shows it as it should be.
    async fn stands(&self, still: bool) -> Result<(), ()> {
        if !cfg!(target_os = "linux") {
            // Nothing is shown there; the guard has sent the signal.
            return Ok(());
        }
        let seen = async {
            while processes::stand_still(self.pid()) != Some(still) {
                sleep(PAUSE).await;
            }
        };
        timeout(AT_ONCE, seen).await.map_err(drop)
    }
}

/// Waits until the server is no more, and says how that came.
pub(super) async fn over(mut state: watch::Receiver<State>) -> String {
    // The sender says it before it goes.
    let last = state.wait_for(|state| state.over.is_some()).await;
    last.map_or_else(|_| None, |state| state.over.clone()).unwrap_or_default()
}
