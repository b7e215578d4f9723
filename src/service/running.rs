//! One server of a run, and its guard: started, waited for, stopped.
//!
//! The run talks to the guard ([`super::guard`]) through the pipe on the guard's stdin: first the
//! orders, and then its end, which is all it takes to stop the server. So a [`Running`] that is
//! dropped is one whose guard is ending it.

use std::fs;
use std::io::{self, PipeWriter, Write};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::guard::{Orders, Report, signal_group};
use super::probe::Probe;
use super::tail::Tail;
use super::{ServiceError, Site, host, launch};
use crate::plan::ServiceDecl;

/// How often a server is started before it is given up that some other process had its port.
const TRIES: u32 = 5;

/// How long between two questions whether a server is ready.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the last words of a server that has ended are waited for, and its guard.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
struct State {
    /// Its process id, once it has been started.
    pid: Option<u32>,
    /// Once it is no more, how that came: `ended by itself (exit status: 1)`.
    over: Option<String>,
}

/// A server that was started.
#[derive(Debug)]
pub struct Running {
    decl: ServiceDecl,
    site: Site,
    launch: Launch,
    url: String,
    guard: Child,
    /// Held open: at its end the guard ends the server. `None` once that has been asked for.
    orders: Option<PipeWriter>,
    state: watch::Receiver<State>,
    /// What followed in the line that says it is ready.
    said: watch::Receiver<Option<String>>,
    tail: Tail,
    /// Whether its end has been told as an error.
    told: bool,
}

impl Launch {
    /// How long a service may take to become ready: long, for a busy machine's first start.
    pub(super) const READY_WITHIN: Duration = Duration::from_mins(1);

    fn failed(&self, why: &str) -> ServiceError {
        ServiceError { what: format!("service {:?} {why}", self.name), hint: None }
    }
}

impl Running {
    /// Starts the declared service, and does not wait.
    pub(super) fn new(decl: &ServiceDecl, site: &Site) -> Result<Self, ServiceError> {
        let launch = launch(decl, site)?;
        let started = guarded(&launch.orders, site);
        let (mut guard, orders) = started
            .map_err(|error| launch.failed(&format!("cannot be started: no guard: {error}")))?;
        let (tell, state) = watch::channel(State::default());
        if let Some(stdout) = guard.stdout.take() {
            tokio::spawn(listen(stdout, tell));
        }
        let (found, said) = watch::channel(None);
        let tail = Tail::default();
        if let Some(stderr) = guard.stderr.take() {
            tokio::spawn(tail.clone().drain(stderr, launch.ready.line.clone(), found));
        }
        let (decl, site, url) = (decl.clone(), site.clone(), String::new());
        let orders = Some(orders);
        Ok(Self { decl, site, launch, url, guard, orders, state, said, tail, told: false })
    }

    /// Waits until it is ready. One that is not in time, or has ended, is stopped, and an error
    /// quotes what it wrote last.
    pub async fn ready(&mut self) -> Result<(), ServiceError> {
        let deadline = Instant::now() + self.launch.ready_within;
        for attempt in 1.. {
            let why = match timeout_at(deadline, self.found()).await {
                Ok(Ok(url)) => {
                    self.url = url;
                    return Ok(());
                }
                Ok(Err(why)) => why,
                Err(_) => {
                    format!("was not ready within {} s", self.launch.ready_within.as_secs_f64())
                }
            };
            let over = self.state.borrow().over.is_some();
            self.finish().await;
            let taken = over && self.launch.port.is_some_and(host::is_taken);
            if !taken || attempt == TRIES {
                self.told = true;
                return Err(self.launch.failed(&format!("{why}{}", self.tail.quoted())));
            }
            // Another process was faster to take the port.
            *self = Self::new(&self.decl, &self.site)?;
        }
        unreachable!("the last attempt returns")
    }

    /// Its URL once it is ready, or why it never will be.
    async fn found(&mut self) -> Result<String, String> {
        let Ready { line, probe, url } = self.launch.ready.clone();
        let (mut state, mut said) = (self.state.clone(), self.said.clone());
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

    /// What it was declared as.
    pub fn declared(&self) -> &ServiceDecl {
        &self.decl
    }

    /// Where it is, once it is ready.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id; 0 before it has been started.
    pub fn pid(&self) -> u32 {
        self.state.borrow().pid.unwrap_or_default()
    }

    /// Whether it has ended by itself, and what it wrote last; `None` while it runs.
    pub fn ended(&self) -> Option<String> {
        let how = self.state.borrow().over.clone()?;
        Some(self.launch.failed(&format!("{how}{}", self.tail.quoted())).what)
    }

    /// Ends it: asks it to end, and kills it when it has not in time.
    ///
    /// An error says that it had ended before, or had to be killed.
    pub async fn stop(mut self) -> Result<(), ServiceError> {
        let before = self.ended();
        self.finish().await;
        if self.told {
            return Ok(());
        }
        if let Some(what) = before {
            return Err(ServiceError { what, hint: None });
        }
        let how = self.state.borrow().over.clone();
        match how.as_deref() {
            Some(KILLED) => {
                let within = self.launch.orders.within.as_secs_f64();
                let why = format!("did not end within {within} s and was killed");
                Err(self.launch.failed(&format!("{why}{}", self.tail.quoted())))
            }
            _ => Ok(()),
        }
    }

    /// Has the guard end the server, and waits for both. A guard that was killed itself is
    /// replaced in its last duty.
    async fn finish(&mut self) {
        let pid = self.pid();
        drop(self.orders.take());
        let patience = self.launch.orders.within + LAST_WORDS;
        let left = timeout(patience, self.guard.wait()).await;
        let _ = timeout(LAST_WORDS, over(self.state.clone())).await;
        let left_well = matches!(left, Ok(Ok(status)) if status.success());
        if !left_well {
            let _ = self.guard.start_kill();
            signal_group(pid, Signal::KILL);
            let _ = fs::remove_dir_all(&self.launch.orders.folder);
        }
    }
}

/// How a server that had to be killed is told of.
const KILLED: &str = "was killed";

/// Starts a guard and gives it its orders.
fn guarded(orders: &Orders, site: &Site) -> io::Result<(Child, PipeWriter)> {
    let (stdin, mut pipe) = io::pipe()?;
    let guard = Command::new(&site.exe)
        .arg("guard")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut line = serde_json::to_string(orders)?;
    line.push('\n');
    pipe.write_all(line.as_bytes())?;
    Ok((guard, pipe))
}

/// Follows what a guard reports, to its end.
async fn listen(stdout: impl AsyncRead + Unpin, tell: watch::Sender<State>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let report = serde_json::from_str(&line);
        tell.send_modify(|state| match report {
            Ok(Report::Started(pid)) => state.pid = Some(pid),
            Ok(Report::Ended(how)) => state.over = Some(format!("ended by itself ({how})")),
            Ok(Report::Killed) => state.over = Some(KILLED.to_owned()),
            Ok(Report::Failed(why)) => state.over = Some(why),
            Err(error) => state.over = Some(format!("has a guard that makes no sense: {error}")),
        });
    }
    tell.send_modify(|state| {
        state.over.get_or_insert_with(|| "has lost its guard, which was killed".to_owned());
    });
}

/// Waits until the server is no more, and says how that came.
async fn over(mut state: watch::Receiver<State>) -> String {
    // The sender says it before it goes.
    let last = state.wait_for(|state| state.over.is_some()).await;
    last.map_or_else(|_| None, |state| state.over.clone()).unwrap_or_default()
}
