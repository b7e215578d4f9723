//! A child process that says when it is ready, and ends when it is told to.
//!
//! The child gets a folder of its own as `TMPDIR`. It is removed after the child has ended, so
//! even a child that had to be killed leaves nothing behind. Where the run is killed instead, the
//! child, at the end of its stdin, is the one to remove it.
//!
//! What the child writes is read to the end by two small tasks: a full pipe would stop it. Only
//! the last lines are kept, for the message when it fails.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::ServiceError;

/// How many of the last lines a child wrote are kept.
const TAIL_LINES: usize = 20;

/// Bytes of one such line that are kept.
const LINE_BYTES: usize = 500;

/// How long the last words of a child that is gone are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A child process about to be started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// What messages call it.
    pub(super) name: String,
    /// The program's file.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// How the line on stdout begins that says it is ready; the rest of the line is its address.
    pub(super) ready: String,
    /// How long to wait for that line.
    pub(super) ready_within: Duration,
    /// How long it may take to end after SIGTERM before it is killed.
    pub(super) stop_within: Duration,
}

/// A service that is up.
#[derive(Debug)]
pub struct Running {
    name: String,
    url: String,
    pid: u32,
    child: Child,
    /// Held open: its closing tells the child that the run is gone.
    stdin: Option<ChildStdin>,
    tail: Tail,
    stop_within: Duration,
    /// Dropped, and so removed, after the child.
    _folder: TempDir,
}

impl Launch {
    /// How long a service may take to become ready.
    pub(super) const READY_WITHIN: Duration = Duration::from_secs(10);

    /// How long a service may take to end.
    pub(super) const STOP_WITHIN: Duration = Duration::from_secs(5);

    /// Starts the child and waits for its ready line.
    pub(super) async fn start(self) -> Result<Running, ServiceError> {
        let mut running = self.spawn()?;
        let (found, mut ready) = mpsc::channel(1);
        if let Some(stdout) = running.child.stdout.take() {
            let ready = Some((self.ready.clone(), found));
            tokio::spawn(drain(stdout, running.tail.clone(), ready));
        }
        let stderr = running.child.stderr.take();
        let errors = stderr.map(|stderr| tokio::spawn(drain(stderr, running.tail.clone(), None)));

        let why = match timeout(self.ready_within, ready.recv()).await {
            Ok(Some(url)) => {
                running.url = url;
                return Ok(running);
            }
            Ok(None) => {
                // Its stdout has ended, so it has ended or soon will; its last words say why.
                if let Some(errors) = errors {
                    let _ = timeout(LAST_WORDS, errors).await;
                }
                match timeout(LAST_WORDS, running.child.wait()).await {
                    Ok(Ok(status)) => format!("ended before it was ready ({status})"),
                    _ => "closed its output before it was ready".to_owned(),
                }
            }
            Err(_) => format!("was not ready within {} s", self.ready_within.as_secs_f64()),
        };
        running.kill().await;
        Err(self.failed(&format!("{why}{}", running.tail.quoted())))
    }

    fn spawn(&self) -> Result<Running, ServiceError> {
        let folder = tempfile::Builder::new()
            .prefix("loadrun-")
            .tempdir()
            .map_err(|error| self.failed(&format!("has no temporary folder: {error}")))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                self.failed(&format!("cannot be started: {}: {error}", self.program.display()))
            })?;
        Ok(Running {
            name: self.name.clone(),
            url: String::new(),
            pid: child.id().unwrap_or_default(),
            stdin: child.stdin.take(),
            child,
            tail: Tail::default(),
            stop_within: self.stop_within,
            _folder: folder,
        })
    }

    fn failed(&self, why: &str) -> ServiceError {
        ServiceError { what: format!("service {:?} {why}", self.name), hint: None }
    }
}

impl Running {
    /// The name it was declared by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, as it said itself.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended by itself, and what it wrote last; `None` while it runs.
    pub fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(Some(status)) => Some(self.epitaph(status)),
            _ => None,
        }
    }

    /// Ends it: SIGTERM, and SIGKILL when it has not ended 5 s later.
    ///
    /// An error says that it had ended before, or had to be killed.
    pub async fn stop(mut self) -> Result<(), ServiceError> {
        if let Some(epitaph) = self.ended() {
            return Err(ServiceError { what: epitaph, hint: None });
        }
        self.signal(Signal::TERM);
        drop(self.stdin.take());
        if timeout(self.stop_within, self.child.wait()).await.is_ok() {
            return Ok(());
        }
        self.kill().await;
        Err(ServiceError {
            what: format!(
                "service {:?} did not end within {} s of SIGTERM and was killed{}",
                self.name,
                self.stop_within.as_secs_f64(),
                self.tail.quoted()
            ),
            hint: None,
        })
    }

    async fn kill(&mut self) {
        self.signal(Signal::KILL);
        // An error means that it was reaped already.
        let _ = self.child.wait().await;
    }

    /// Signals the child and what it started; nothing once it was reaped, when its process id
    /// may belong to another.
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            // Fails only when the group is gone, which is what was wanted.
            let _ = kill_process_group(pid, signal);
        }
    }

    fn epitaph(&self, status: ExitStatus) -> String {
        format!("service {:?} ended by itself ({status}){}", self.name, self.tail.quoted())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The last lines a child wrote, stdout and stderr in one.
#[derive(Clone, Debug, Default)]
struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, mut line: String) {
        if line.len() > LINE_BYTES {
            line.truncate(line.floor_char_boundary(LINE_BYTES));
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// `; it wrote:` and the lines, or nothing when there are none.
    fn quoted(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return String::new();
        }
        lines.iter().fold("; it wrote:".to_owned(), |text, line| text + "\n    " + line)
    }
}

/// Reads a stream to its end, line by line; passes on what follows the first `ready` prefix.
async fn drain(
    stream: impl AsyncRead + Unpin,
    tail: Tail,
    mut ready: Option<(String, mpsc::Sender<String>)>,
) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some((prefix, found)) = &ready
            && let Some(rest) = line.strip_prefix(prefix)
        {
            let _ = found.send(rest.trim().to_owned()).await;
            ready = None;
        }
        tail.push(line);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shell(script: &str) -> Launch {
        Launch {
            name: "practice".into(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            ready: "listening on ".into(),
            ready_within: Launch::READY_WITHIN,
            stop_within: Launch::STOP_WITHIN,
        }
    }

    #[tokio::test]
    async fn a_child_is_ready_when_it_says_so() {
        let launch = shell("echo starting; echo listening on http://127.0.0.1:1; exec cat");
        let mut running = launch.start().await.unwrap();
        assert_eq!(running.url(), "http://127.0.0.1:1");
        assert_eq!(running.name(), "practice");
        assert_eq!(running.ended(), None);
        running.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_child_that_ends_too_early_is_quoted() {
        let error = shell("echo hello; echo no such flag >&2; exit 3").start().await.unwrap_err();
        assert!(
            error.what.starts_with("service \"practice\" ended before it was ready"),
            "{error}"
        );
        assert!(error.what.contains("exit status: 3"), "{error}");
        assert!(error.what.contains("\n    no such flag"), "{error}");
    }

    #[tokio::test]
    async fn a_child_that_never_says_it_is_ready_is_given_up() {
        let launch = Launch { ready_within: Duration::from_millis(20), ..shell("exec cat") };
        let error = launch.start().await.unwrap_err();
        assert_eq!(error.what, "service \"practice\" was not ready within 0.02 s");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let launch = Launch { program: "/nowhere/loadrun".into(), ..shell("") };
        let error = launch.start().await.unwrap_err();
        assert!(error.what.contains("cannot be started: /nowhere/loadrun"), "{error}");
    }

    #[tokio::test]
    async fn a_child_that_ignores_the_request_to_end_is_killed() {
        let script = "trap '' TERM; echo listening on x; while :; do sleep 1; done";
        let launch = Launch { stop_within: Duration::from_millis(20), ..shell(script) };
        let error = launch.start().await.unwrap().stop().await.unwrap_err();
        assert!(error.what.contains("was killed"), "{error}");
    }

    #[tokio::test]
    async fn a_child_that_ended_by_itself_is_noticed() {
        let script = "echo listening on x; read line; echo bye; exit 7";
        let mut running = shell(script).start().await.unwrap();
        drop(running.stdin.take());
        running.child.wait().await.unwrap();
        assert!(running.ended().unwrap().contains("exit status: 7"));
        assert!(running.stop().await.unwrap_err().what.contains("ended by itself"));
    }

    #[tokio::test]
    async fn a_childs_temporary_folder_goes_with_it() {
        let script = "touch $TMPDIR/left; echo listening on $TMPDIR; exec cat";
        let running = shell(script).start().await.unwrap();
        let folder = running.url().to_owned();
        assert!(Path::new(&folder).join("left").exists());
        running.stop().await.unwrap();
        assert!(!Path::new(&folder).exists());
    }

    #[tokio::test]
    async fn a_dropped_service_is_killed_with_what_it_started() {
        let script = "sleep 1000 & echo listening on $!; wait";
        let running = shell(script).start().await.unwrap();
        let grandchild = running.url().to_owned();
        drop(running);
        let gone = async {
            while is_alive(&grandchild) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), gone).await.unwrap();
    }

    /// Whether a process runs; one that is dead and not reaped does not.
    fn is_alive(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    #[tokio::test]
    async fn a_flood_of_output_does_not_stop_the_child() {
        let script = "head -c 300000 /dev/zero; echo; echo listening on x; exec cat";
        let running = shell(script).start().await.unwrap();
        assert!(running.tail.quoted().len() <= TAIL_LINES * (LINE_BYTES + 8));
        running.stop().await.unwrap();
    }
}
