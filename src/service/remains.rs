//! What is left of a server when its guard was killed too.
//!
//! A guard that lives ends its server. One that was killed cannot, and a server that stands still
//! would do so for ever. So whoever breaks a server knows it by what no other process has: its id
//! together with when it began, and its folder. With that a third process, the watchdog of the
//! journal, ends what is left, and never touches somebody who has the same id by now.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::guard::signal_group;
use super::processes::{Birth, belongings, hold_still, signal_all};

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// How much longer than its server may take a guard is waited for, and a process that was killed.
const LATE: Duration = Duration::from_secs(2);

/// A server, for whoever has to end it in the place of its guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    pub(super) server: Birth,
    pub(super) guard: Birth,
    /// The server's own; to be removed.
    pub(super) folder: PathBuf,
    /// The signal that asks it to end.
    pub(super) signal: i32,
    /// How long it may take to follow, before it is killed.
    pub(super) within: Duration,
}

impl Remains {
    /// Sees to it that nothing of the server is left, once its run is gone: its guard does that, if
    /// it is still there.
    pub async fn clear(&self) -> Result<(), String> {
        self.wait(self.within + LATE, || self.guard.alive().is_none() || self.is_gone()).await;
        if !self.is_gone() {
            self.end().await;
        }
        if let Some(left) = self.belongings().first() {
            return Err(format!("process {left} of it does not end"));
        }
        if !self.folder.exists() || std::fs::remove_dir_all(&self.folder).is_ok() {
            return Ok(());
        }
        Err(format!("{} cannot be removed", self.folder.display()))
    }

    /// Lets it go on, asks it to end, and kills what has not followed in time.
    async fn end(&self) {
        if let Some(pid) = self.server.alive() {
            signal_group(pid, Signal::from_named_raw(self.signal).unwrap_or(Signal::TERM));
        }
        signal_all(self.belongings(), Signal::CONT);
        if !self.wait(self.within, || self.is_gone()).await {
            signal_all(hold_still(|| self.belongings()), Signal::KILL);
            self.wait(LATE, || self.is_gone()).await;
        }
    }

    fn belongings(&self) -> Vec<u32> {
        belongings(&self.server, &self.folder)
    }

    fn is_gone(&self) -> bool {
        self.belongings().is_empty()
    }

    /// Whether it was so in time.
    async fn wait(&self, patience: Duration, what: impl Fn() -> bool) -> bool {
        let seen = async {
            while !what() {
                sleep(PAUSE).await;
            }
        };
        timeout(patience, seen).await.is_ok()
    }
}
