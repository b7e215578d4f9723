//! Redis, by its own commands: paused, full, closed to whom it let in, emptied of its clients.
//!
//! A connection of this room's own is opened before anything is broken, and is let in whatever is
//! broken then; it goes through no proxy. What is changed is written into the journal together with
//! what it was before, and only then changed; it is put back, and read back to be sure.
//!
//! `CLIENT PAUSE` cannot be taken back early while it holds up everything, the command that would
//! take it back included. So a pause is short, and renewed: it ends by itself a moment after nobody
//! renews it any more, which is also why it needs no journal.

mod control;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Ended;
use super::journal::{Journal, Undo};
use super::said::{Field, Kind, Wrong, checked};
use crate::plan::FaultDecl;
use crate::service::setting::Takes;
use crate::units::{Bytes, parse_share};

pub use control::Restore;
use control::{Control, number};

/// What can be done to a Redis.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "client_pause",
        fields: &[Field { name: "mode", takes: Takes::Word(&["all", "write"]), needed: false }],
    },
    Kind { name: "kill_clients", fields: &[] },
    Kind {
        name: "maxclients",
        fields: &[Field { name: "clients", takes: Takes::Count(0, 1_000_000), needed: true }],
    },
    Kind {
        name: "maxmemory",
        fields: &[
            Field { name: "share", takes: Takes::Share, needed: true },
            Field { name: "policy", takes: Takes::Word(POLICIES), needed: false },
            Field { name: "irreversible", takes: Takes::Flag, needed: false },
        ],
    },
    Kind { name: "wrong_password", fields: &[] },
];

const POLICIES: &[&str] = crate::service::POLICIES;

/// How long a pause lasts that is not renewed.
const SLICE: Duration = Duration::from_millis(200);

/// How often clients are killed that have come meanwhile.
const AGAIN: Duration = Duration::from_millis(100);

/// What is done to a Redis.
#[derive(Clone, Debug, PartialEq)]
pub enum Break {
    /// Commands wait; only those that write, or all.
    Pause { writes: bool },
    /// Connections are closed, those too that come meanwhile.
    Kill,
    /// No more connections than these are let in.
    Clients(u64),
    /// Memory is limited.
    Memory {
        /// To so much of what is used now.
        share: f64,
        /// What is done where there is none left.
        policy: String,
        /// Whether values may be lost for good.
        irreversible: bool,
    },
    /// The password is another one.
    Password,
}

impl Break {
    /// Whether values are lost for good, and nobody has said that they may be.
    pub(super) fn is_irreversible(&self) -> bool {
        matches!(self, Self::Memory { policy, irreversible: false, .. } if policy != "noeviction")
    }

    /// Whether it changes a setting of the server, which would keep it.
    pub(super) fn is_setting(&self) -> bool {
        matches!(self, Self::Clients(_) | Self::Memory { .. } | Self::Password)
    }

    /// Why both cannot stand at the same time, if they cannot.
    pub(super) fn contradicts(&self, other: &Self) -> Option<&'static str> {
        let all = Self::Pause { writes: false };
        if *self == all || *other == all {
            return Some("a Redis that is paused does nothing else either");
        }
        let same = std::mem::discriminant(self) == std::mem::discriminant(other);
        (same && *self != Self::Kill).then_some("both change the same setting")
    }
}

/// The fault a declaration is.
pub(super) fn read(fault: &FaultDecl) -> Result<Break, Wrong> {
    let said = checked(fault, KINDS, super::WITH)?;
    Ok(match fault.kind.as_str() {
        "client_pause" => Break::Pause { writes: said.text("mode") == Some("write") },
        "kill_clients" => Break::Kill,
        "maxclients" => Break::Clients(said.count("clients").unwrap_or_default()),
        "maxmemory" => Break::Memory {
            share: said.text("share").and_then(|text| parse_share(text).ok()).unwrap_or(1.0),
            policy: said.text("policy").unwrap_or("noeviction").to_owned(),
            irreversible: said.flag("irreversible"),
        },
        _ => Break::Password,
    })
}

/// A Redis to which something is done.
pub(super) struct Standing {
    control: Control,
    how: Break,
    before: BTreeMap<String, String>,
    /// What it was before, and its number in the journal.
    noted: Option<(u64, Vec<(String, String)>)>,
    journal: Rc<Journal>,
    killed: u64,
    /// What was set, in words.
    set: String,
}

impl Standing {
    /// Connects, notes what there is, and breaks it.
    pub(super) async fn begin(
        how: Break,
        url: &str,
        name: &str,
        journal: Rc<Journal>,
    ) -> Result<Self, String> {
        let control = Control::open(url, None).await?;
        let before = control.counts().await?;
        let mut standing =
            Self { control, how, before, noted: None, journal, killed: 0, set: String::new() };
        match standing.break_it(url, name).await {
            Ok(()) => Ok(standing),
            // What was done of it is undone.
            Err(why) => match standing.end().await.unclean {
                Some(unclean) => Err(format!("{why}; {unclean}")),
                None => Err(why),
            },
        }
    }

    async fn break_it(&mut self, url: &str, name: &str) -> Result<(), String> {
        match self.how.clone() {
            Break::Pause { writes } => self.pause(writes).await,
            Break::Kill => {
                self.killed += self.control.kill().await?;
                Ok(())
            }
            Break::Clients(clients) => {
                // Its own connection is one of them.
                let limit = (clients + 1).to_string();
                self.set = format!("{clients} clients let in");
                self.change(url, name, &[("maxclients", &limit)], None).await?;
                self.killed += self.control.kill().await?;
                Ok(())
            }
            Break::Memory { share, policy, .. } => {
                let used = number(&self.before, "used_memory");
                let limit = ((used as f64 * share) as u64).max(1);
                self.set = format!("maxmemory {} of {} in use", Bytes(limit), Bytes(used));
                let limit = limit.to_string();
                let set = [("maxmemory-policy", policy.as_str()), ("maxmemory", &limit)];
                self.change(url, name, &set, None).await
            }
            Break::Password => {
                let other = crate::service::secret().map_err(|error| error.to_string())?;
                "another password".clone_into(&mut self.set);
                self.change(url, name, &[("requirepass", &other)], Some(&other)).await?;
                self.killed += self.control.kill().await?;
                Ok(())
            }
        }
    }

    /// Notes in the journal what was, and then changes it.
    async fn change(
        &mut self,
        url: &str,
        name: &str,
        set: &[(&str, &str)],
        password: Option<&str>,
    ) -> Result<(), String> {
        let names: Vec<_> = set.iter().map(|(name, _)| *name).collect();
        let settings = self.control.settings(&names).await?;
        let password = password.map(str::to_owned);
        let restore = Restore { url: url.to_owned(), password, settings: settings.clone() };
        let what = format!("{} of the Redis {name:?}", names.join(" and "));
        let number = self.journal.note(&what, Undo::Redis(restore))?;
        self.noted = Some((number, settings));
        for (name, value) in set {
            self.control.ask("CONFIG SET", &[name, value]).await?;
        }
        for (name, value) in set {
            if self.control.setting(name).await? != *value {
                return Err(format!("its {name} did not change"));
            }
        }
        Ok(())
    }

    async fn pause(&self, writes: bool) -> Result<(), String> {
        let slice = SLICE.as_millis().to_string();
        let mode = if writes { "WRITE" } else { "ALL" };
        self.control.ask("CLIENT PAUSE", &[&slice, mode]).await.map(drop)
    }

    /// What is to be done while it stands; never completes.
    pub(super) async fn stand(&mut self) {
        loop {
            match self.how {
                // The next one waits in the queue until the one before is over, and is the first in it.
                Break::Pause { writes: false } => drop(self.pause(false).await),
                Break::Pause { writes: true } => {
                    sleep(SLICE / 2).await;
                    drop(self.pause(true).await);
                }
                Break::Kill => {
                    sleep(AGAIN).await;
                    self.killed += self.control.kill().await.unwrap_or_default();
                }
                _ => std::future::pending().await,
            }
        }
    }

    /// Undoes it, and sees that it is undone.
    pub(super) async fn end(self) -> Ended {
        let mut unclean = match (&self.noted, &self.how) {
            (Some((number, settings)), _) => {
                let restored = self.control.restore(settings).await;
                if restored.is_ok() {
                    self.journal.done(*number);
                }
                restored.err()
            }
            (None, Break::Pause { .. }) => self.goes_on().await.err(),
            (None, _) => None,
        };
        let mut ended = Ended::at(Instant::now());
        if self.noted.is_some() {
            unclean = unclean.map(|why| format!("{why}; `loadrun undo` puts it back"));
        }
        ended.unclean = unclean;
        ended.effect = self.effect().await;
        ended
    }

    /// Waits until a pause is over that is not renewed.
    async fn goes_on(&self) -> Result<(), String> {
        let patience = SLICE * 5;
        match timeout(patience, self.control.ask("PING", &[])).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err("it is still paused".to_owned()),
        }
    }

    /// What the server itself counted of it; `None` when there is no sign of it.
    async fn effect(&self) -> Option<String> {
        let after = self.control.counts().await.unwrap_or_default();
        let more = |name| number(&after, name).saturating_sub(number(&self.before, name));
        let told = match &self.how {
            Break::Pause { .. } => return Some("its commands waited".to_owned()),
            Break::Kill | Break::Clients(_) | Break::Password => {
                let refused = more("rejected_connections")
                    + more("errorstat_NOAUTH")
                    + more("errorstat_WRONGPASS");
                [(self.killed, "connections closed"), (refused, "refused")]
            }
            Break::Memory { .. } => [
                (more("errorstat_OOM"), "commands refused"),
                (more("evicted_keys"), "keys evicted"),
            ],
        };
        let told: Vec<_> = told
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let set = Some(self.set.clone()).filter(|set| !set.is_empty());
        (!told.is_empty()).then(|| set.into_iter().chain(told).collect::<Vec<_>>().join(", "))
    }
}
