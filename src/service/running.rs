//! One server of a run, and its guard: started, waited for, stopped.
//!
//! The run talks to the guard ([`super::guard`]) through the pipe on the guard's stdin: first the
//! orders, then what else it wants ([`Process`]), and then its end, which is all it takes to stop
//! the server. So a [`Running`] that is dropped is one whose guard is ending it.

use std::fs;
use std::io::{self, PipeWriter, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::guard::{Orders, Report, signal_group};
use super::process::{Process, State, over};
use super::processes::Birth;
use super::tail::Tail;
use super::{Place, ServiceError, Site, host, launch};
use crate::plan::ServiceDecl;

/// How often a server is started before it is given up that some other process had its port.
const TRIES: u32 = 5;

/// How long the last words of a server that has ended are waited for, and its guard.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A server that was started.
#[derive(Debug)]
pub struct Running {
    process: Process,
    url: String,
    guard: Child,
    /// Whether its end has been told as an error.
    told: bool,
}

impl Running {
    /// Starts the declared service, and does not wait.
    pub(super) fn new(decl: &ServiceDecl, site: &Site) -> Result<Self, ServiceError> {
        let place = Place::new(&decl.name)?;
        let launch = launch(decl, site, &place)?;
        let started = guarded(&launch.orders, site);
        let (mut guard, orders) = started
            .map_err(|error| launch.failed(&format!("cannot be started: no guard: {error}")))?;
        let (tell, state) = watch::channel(State::default());
        if let Some(stdout) = guard.stdout.take() {
            tokio::spawn(listen(stdout, tell));
        }
        let said = watch::Sender::new(None);
        let tail = Tail::new(launch.reasons);
        if let Some(stderr) = guard.stderr.take() {
            tokio::spawn(tail.clone().drain(stderr, launch.ready.line.clone(), said.clone()));
        }
        let (decl, site, orders) = (decl.clone(), site.clone(), Arc::new(Mutex::new(Some(orders))));
        let born = guard.id().and_then(Birth::of);
        let process = Process { decl, site, place, launch, guard: born, orders, state, said, tail };
        Ok(Self { process, url: String::new(), guard, told: false })
    }

    /// Waits until it is ready. One that is not in time, or has ended, is stopped, and an error
    /// quotes what it wrote last.
    pub async fn ready(&mut self) -> Result<(), ServiceError> {
        let deadline = Instant::now() + self.process.launch.ready_within;
        for attempt in 1.. {
            let why = match timeout_at(deadline, self.process.found()).await {
                Ok(Ok(url)) => {
                    self.url = url;
                    return Ok(());
                }
                Ok(Err(why)) => why,
                Err(_) => self.process.unready(),
            };
            let over = self.process.state.borrow().over.is_some();
            self.finish().await;
            let taken = over && self.process.launch.port.is_some_and(host::is_taken);
            if !taken || attempt == TRIES {
                self.told = true;
                let quoted = self.process.tail.quoted();
                return Err(self.process.launch.failed(&format!("{why}{quoted}")));
            }
            // Another process was faster to take the port.
            *self = Self::new(&self.process.decl.clone(), &self.process.site.clone())?;
        }
        unreachable!("the last attempt returns")
    }

    /// What it was declared as.
    pub fn declared(&self) -> &ServiceDecl {
        &self.process.decl
    }

    /// Where it is, once it is ready.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id; 0 before it has been started.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// It, for whoever breaks it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Whether it has ended by itself, and what it wrote last; `None` while it runs.
    pub fn ended(&self) -> Option<String> {
        let how = self.process.state.borrow().over.clone()?;
        Some(self.process.launch.failed(&format!("{how}{}", self.process.tail.quoted())).what)
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
        let how = self.process.state.borrow().over.clone();
        match how.as_deref() {
            Some(KILLED) => {
                let within = self.process.launch.orders.within.as_secs_f64();
                let why = format!("did not end within {within} s and was killed");
                Err(self.process.launch.failed(&format!("{why}{}", self.process.tail.quoted())))
            }
            _ => Ok(()),
        }
    }

    /// Has the guard end the server, and waits for both. A guard that was killed itself is
    /// replaced in its last duty.
    async fn finish(&mut self) {
        let pid = self.pid();
        self.process.let_go();
        let patience = self.process.launch.orders.within + LAST_WORDS;
        let left = timeout(patience, self.guard.wait()).await;
        let _ = timeout(LAST_WORDS, over(self.process.state.clone())).await;
        let left_well = matches!(left, Ok(Ok(status)) if status.success());
        if !left_well {
            let _ = self.guard.start_kill();
            match self.process.remains() {
                Some(remains) => drop(remains.clear().await),
                None => signal_group(pid, Signal::KILL),
            }
            let _ = fs::remove_dir_all(&self.process.launch.orders.folder);
        }
    }
}

impl Drop for Running {
    /// Whoever still breaks it has its process, and must not keep it alive.
    fn drop(&mut self) {
        self.process.let_go();
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
            Ok(Report::Started(pid)) => {
                state.pid = Some(pid);
                state.birth = Birth::of(pid);
                state.starts += 1;
                state.away = None;
            }
            Ok(Report::Away(how)) => state.away = Some(how),
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
