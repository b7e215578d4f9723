//! The guard: the process between a run and one of its servers, so that no server outlives the
//! run, however the run ends.
//!
//! A server does not know that it belongs to a run, and does not notice when the run is killed.
//! The guard does: the run holds the other end of the pipe on its stdin. When that end is closed,
//! on purpose or because the run is gone, the guard ends the server and what the server started,
//! removes the server's folder, and ends itself. It makes the folder too, so that there is no
//! moment at which a folder exists that nobody would remove.
//!
//! The first line on stdin are the [`Orders`], in JSON: what goes to the server may be secret, and
//! arguments can be read by everybody. Each line after it is a [`Wish`]: a run that breaks its own
//! server does it through the guard, who alone knows that the process is still the one it started.
//! The lines on stdout are [`Report`]s; what the server writes, to stdout or stderr, goes to the
//! guard's stderr.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Caught, SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::{bound, processes};

/// How often a folder is tried to be removed while a process that was killed still writes to it.
const TRIES: u32 = 100;

/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// What a guard is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    /// The folder to make: the server's own, and private to it.
    pub(super) folder: PathBuf,
    /// Files to write in it: name and text.
    pub(super) files: Vec<(String, String)>,
    /// Whom the folder belongs to and programs run as; `None`: as the guard itself.
    pub(super) user: Option<User>,
    /// Programs that come before the server: each has to succeed.
    pub(super) before: Vec<Program>,
    /// The server.
    pub(super) server: Program,
    /// The signal that asks a program to end.
    pub(super) signal: i32,
    /// How long it may take to follow, before it is killed.
    pub(super) within: Duration,
}

/// A user of this machine, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    /// Of the user.
    pub(super) uid: u32,
    /// Of the user's group.
    pub(super) gid: u32,
}

/// A program to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Program {
    /// Its file.
    pub(super) file: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// Added to the environment.
    pub(super) environment: Vec<(String, String)>,
    /// Where it is run; `None`: in the server's folder.
    pub(super) at: Option<PathBuf>,
    /// The file in the server's folder that it reads as stdin.
    pub(super) input: Option<String>,
}

/// What a run wants of the guard of a server that has been started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Wish {
    /// The server, and all it started, stands still.
    Pause,
    /// It goes on.
    Proceed,
    /// It ends, and stays away until it is wanted again.
    End {
        /// Without being asked.
        killed: bool,
    },
    /// It is started again.
    Start {
        /// Files to write in its folder first, in the place of what is there.
        files: Vec<(String, String)>,
        /// How it is started.
        server: Program,
    },
}

/// What a guard tells the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The server runs, as this process.
    Started(u32),
    /// It is away, as was wanted: how it ended.
    Away(String),
    /// It, or a program before it, has ended: how, for example `exit status: 1`.
    Ended(String),
    /// It had to be killed: it did not end when it was asked to.
    Killed,
    /// It could not be started: why.
    Failed(String),
}

/// How a program came to its end.
enum End {
    ByItself(ExitStatus),
    Asked(ExitStatus),
    Killed,
}

/// What the run wants, until it is gone or has had enough.
struct Wishes {
    lines: Lines<BufReader<pipe::Receiver>>,
    /// SIGTERM, SIGINT and SIGHUP.
    signals: [Caught; 3],
}

impl Wishes {
    async fn next(&mut self) -> Option<Wish> {
        let [terminate, interrupt, hangup] = &mut self.signals;
        let line = tokio::select! {
            line = self.lines.next_line() => line.ok()??,
            _ = terminate.recv() => return None,
            _ = interrupt.recv() => return None,
            _ = hangup.recv() => return None,
        };
        // What makes no sense comes from nobody who is still to be followed.
        serde_json::from_str(&line).ok()
    }

    /// Completes when there is nobody any more who wants anything.
    async fn gone(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// Guards one server, until the run or the server has ended. An error means that there were no
/// orders.
pub async fn run() -> io::Result<()> {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [terminate, interrupt, hangup] = kinds.map(signal);
    let signals = [terminate?, interrupt?, hangup?];
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut lines = BufReader::new(pipe::Receiver::from_file(stdin)?).lines();
    let orders = lines.next_line().await?.unwrap_or_default();
    let guard = Guard { orders: serde_json::from_str(&orders)? };
    let report = guard.follow(&mut Wishes { lines, signals }).await;
    guard.clear().await;
    tell(&report);
    Ok(())
}

/// A run that is gone hears nothing any more.
fn tell(report: &Report) {
    let mut out = io::stdout().lock();
    let line = serde_json::to_string(report).unwrap_or_default();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A guard with its orders.
struct Guard {
    orders: Orders,
}

impl Guard {
    /// Makes the folder and runs the programs; what there is to say at the end.
    async fn follow(&self, wishes: &mut Wishes) -> Report {
        if let Err(error) = self.settle() {
            return Report::Failed(format!(
                "has no folder: {}: {error}",
                self.orders.folder.display()
            ));
        }
        for program in &self.orders.before {
            match self.watch(program, wishes).await {
                Ok(End::ByItself(status)) if status.success() => {}
                ended => return reported(program, ended),
            }
        }
        let mut server = self.orders.server.clone();
        loop {
            match self.serve(&server, wishes).await {
                Ok(None) => match self.wanted(wishes).await {
                    Ok(Some(again)) => server = again,
                    Ok(None) => return Report::Ended("it was away".to_owned()),
                    Err(error) => return reported(&server, Err(error)),
                },
                Ok(Some(end)) => return reported(&server, Ok(end)),
                Err(error) => return reported(&server, Err(error)),
            }
        }
    }

    /// Makes the folder and the files in it, for nobody else to read.
    fn settle(&self) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&self.orders.folder)?;
        self.write(&self.orders.files)?;
        self.give_away(&self.orders.folder)
    }

    /// Writes files in the folder, in the place of what is there.
    fn write(&self, files: &[(String, String)]) -> io::Result<()> {
        for (name, text) in files {
            let path = self.orders.folder.join(name);
            let mut new = File::options();
            new.write(true).create(true).truncate(true).mode(0o600);
            new.open(&path)?.write_all(text.as_bytes())?;
            self.give_away(&path)?;
        }
        Ok(())
    }

    fn give_away(&self, path: &Path) -> io::Result<()> {
        self.orders.user.map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid)))
    }

    /// Runs a program to its end, or ends it when the run is gone.
    async fn watch(&self, program: &Program, wishes: &mut Wishes) -> io::Result<End> {
        let mut child = self.spawn(program)?;
        let pid = child.id().unwrap_or_default();
        let end = tokio::select! {
            status = child.wait() => self.ended(status?)?,
            () = wishes.gone() => self.stop(&mut child, pid).await?,
        };
        // What it had started goes with it. Its id is no other's as long as that is there.
        signal_group(pid, Signal::KILL);
        Ok(end)
    }

    /// Runs the server to its end, and does with it what is wanted; `None` when that was its end.
    async fn serve(&self, server: &Program, wishes: &mut Wishes) -> io::Result<Option<End>> {
        let mut child = self.spawn(server)?;
        let pid = child.id().unwrap_or_default();
        tell(&Report::Started(pid));
        let end = loop {
            let wish = tokio::select! {
                status = child.wait() => break Some(self.ended(status?)?),
                wish = wishes.next() => wish,
            };
            match wish {
                Some(Wish::Pause) => {
                    processes::hold_still(|| processes::family(pid));
                }
                Some(Wish::Proceed) => {
                    processes::signal_all(processes::family(pid), Signal::CONT);
                }
                Some(Wish::End { killed }) => {
                    let how = self.end(&mut child, pid, killed).await?;
                    tell(&Report::Away(how));
                    break None;
                }
                // It is there.
                Some(Wish::Start { .. }) => {}
                None => break Some(self.stop(&mut child, pid).await?),
            }
        };
        signal_group(pid, Signal::KILL);
        Ok(end)
    }

    /// How a program ended by itself; an error when there was none, as its process could not become it.
    fn ended(&self, status: ExitStatus) -> io::Result<End> {
        bound::why_not(&self.orders.folder).map_or(Ok(End::ByItself(status)), Err)
    }

    /// Waits until a server that is away is wanted again; `None` when it never will be.
    async fn wanted(&self, wishes: &mut Wishes) -> io::Result<Option<Program>> {
        while let Some(wish) = wishes.next().await {
            if let Wish::Start { files, server } = wish {
                self.write(&files)?;
                return Ok(Some(server));
            }
        }
        Ok(None)
    }

    /// Ends the server with all that descends from it; how it ended.
    async fn end(&self, child: &mut Child, pid: u32, killed: bool) -> io::Result<String> {
        if !killed {
            return Ok(match self.stop(child, pid).await? {
                End::ByItself(status) | End::Asked(status) => status.to_string(),
                End::Killed => "it did not end when asked, and was killed".to_owned(),
            });
        }
        // Standing still, nobody has children any more that would be left behind.
        let family = processes::hold_still(|| processes::family(pid));
        processes::signal_all(family, Signal::KILL);
        signal_group(pid, Signal::KILL);
        child.wait().await.map(|status| status.to_string())
    }

    async fn stop(&self, child: &mut Child, pid: u32) -> io::Result<End> {
        signal_group(pid, Signal::from_named_raw(self.orders.signal).unwrap_or(Signal::TERM));
        // One that stands still would hear it only later.
        processes::signal_all(processes::family(pid), Signal::CONT);
        if let Ok(status) = timeout(self.orders.within, child.wait()).await {
            return status.map(End::Asked);
        }
        signal_group(pid, Signal::KILL);
        child.wait().await.map(|_| End::Killed)
    }

    /// Starts a program that ends with this process, or, where that cannot be, as it is.
    fn spawn(&self, program: &Program) -> io::Result<Child> {
        let bound = bound::command(&program.file, self.orders.signal, &self.orders.folder);
        match bound.map(|command| self.spawn_by(command.into(), program)) {
            Some(Ok(child)) => Ok(child),
            _ => self.spawn_by(Command::new(&program.file), program),
        }
    }

    fn spawn_by(&self, mut command: Command, program: &Program) -> io::Result<Child> {
        let stdin = match &program.input {
            Some(name) => File::open(self.orders.folder.join(name))?.into(),
            None => Stdio::null(),
        };
        let output: OwnedFd = io::stderr().as_fd().try_clone_to_owned()?;
        command
            .args(&program.arguments)
            .env("TMPDIR", &self.orders.folder)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(program.at.as_ref().unwrap_or(&self.orders.folder))
            .stdin(stdin)
            .stdout(output)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(user) = self.orders.user {
            command.uid(user.uid).gid(user.gid);
        }
        command.spawn()
    }

    /// Removes the folder. A process that was killed a moment ago may still be writing to it.
    async fn clear(&self) {
        for _ in 0..TRIES {
            match fs::remove_dir_all(&self.orders.folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => sleep(PAUSE).await,
                _ => break,
            }
        }
    }
}

fn reported(program: &Program, end: io::Result<End>) -> Report {
    match end {
        Ok(End::ByItself(status) | End::Asked(status)) => Report::Ended(status.to_string()),
        Ok(End::Killed) => Report::Killed,
        Err(error) => {
            let (file, advice) = (program.file.display(), advice(&program.file, error.kind()));
            Report::Failed(format!("cannot be started: {file}: {error}{advice}"))
        }
    }
}

/// What to look at when the system refuses to run a program.
fn advice(file: &Path, why: io::ErrorKind) -> &'static str {
    match why {
        io::ErrorKind::NotFound if file.exists() => {
            "; the file is there: check what its first line (#!) or its loader names"
        }
        io::ErrorKind::PermissionDenied => {
            "; check that its user may run it, what its first line (#!) names, and their folders"
        }
        _ => "",
    }
}

/// Signals a program and what it started; fails only when all that is gone already.
pub(super) fn signal_group(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process_group(pid, signal);
    }
}
