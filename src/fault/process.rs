//! Processes that the run started: paused, killed, stopped, started again.
//!
//! They are done to by their guard (`service::Process`), which also ends them when this process is
//! gone: nothing is left standing still or away, however the run ends. Should the guard be killed
//! too, one that stands still is ended by the watchdog of the journal. *Back* (there is a process)
//! and *ready* (it answers) are two times, and both are kept.

use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Ended;
use super::journal::{Journal, Undo};
use super::said::{Field, Kind, Wrong, checked};
use crate::plan::{FaultDecl, nearest};
use crate::sandbox::{BEHAVIOURS, Behaviour};
use crate::service::setting::{Setting, Takes};
use crate::service::{Process, SERVERS};

/// What can be done to a process.
pub const KINDS: &[Kind] = &[
    Kind { name: "pause", fields: &[] },
    Kind { name: "kill", fields: AWAY },
    Kind { name: "stop", fields: AWAY },
    Kind { name: "restart", fields: AWAY },
];

const AWAY: &[Field] = &[Field { name: "restart_after", takes: Takes::Duration, needed: false }];

/// What starts the names of settings that it has only while the fault stands.
pub const WITH: &str = "with.";

/// What is done to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// It stands still.
    Pause,
    /// It ends, and is started again.
    Away {
        /// Whether it is not asked to end.
        killed: bool,
        /// How long it stays away; `None` for as long as the fault lasts.
        after: Option<Duration>,
        /// What it is started with, in place of what was declared, until the fault is over.
        with: BTreeMap<String, String>,
    },
}

/// The fault a declaration is, on a service of that kind.
pub(super) fn read(fault: &FaultDecl, service: &str) -> Result<Break, Wrong> {
    let said = checked(fault, KINDS, WITH)?;
    let with: BTreeMap<_, _> = fault
        .amounts
        .iter()
        .filter_map(|(name, text)| Some((name.strip_prefix(WITH)?.to_owned(), text.clone())))
        .collect();
    if fault.kind == "pause" {
        if with.is_empty() {
            return Ok(Break::Pause);
        }
        return Err(("pause has no `with`".to_owned(), "`restart` has".to_owned()));
    }
    for (name, text) in &with {
        setting(service, name, text).map_err(|(what, hint)| (format!("with: {what}"), hint))?;
    }
    let after = said.duration("restart_after");
    if after.is_some_and(|after| after >= fault.lasts) {
        let hint = "leave `restart_after` out: it comes back when the fault is over".to_owned();
        return Err(("restart_after is as long as the fault itself".to_owned(), hint));
    }
    let at_once = fault.kind == "restart" || !with.is_empty();
    let after = after.or(at_once.then_some(Duration::ZERO));
    Ok(Break::Away { killed: fault.kind == "kill", after, with })
}

/// Whether a service of that kind can be started with a setting.
fn setting(service: &str, name: &str, text: &str) -> Result<(), Wrong> {
    if let Some(kind) = SERVERS.iter().find(|kind| kind.name == service) {
        // Who is let in cannot change, or nobody would be.
        let may = |setting: &&Setting| !matches!(setting.takes, Takes::Name | Takes::Secret);
        let known = || kind.settings.iter().filter(may);
        let Some(setting) = known().find(|setting| setting.name == name) else {
            let names: Vec<_> = known().map(|setting| setting.name).collect();
            return Err(no_setting(name, &names));
        };
        return setting
            .takes
            .check(text)
            .map_err(|what| (format!("{name}: {what}"), hint(service)));
    }
    if service == "sandbox" {
        if !BEHAVIOURS.iter().any(|(known, _)| *known == name) {
            let names: Vec<_> = BEHAVIOURS.iter().map(|(known, _)| *known).collect();
            return Err(no_setting(name, &names));
        }
        let set = Behaviour::default().set(name, text);
        return set.map_err(|what| (format!("{name}: {what}"), hint(service)));
    }
    let hint = "leave `with` out: it is started as it was declared".to_owned();
    Err((format!("a {service} has no settings that could be others"), hint))
}

fn hint(service: &str) -> String {
    format!("what a {service} takes stands in docs/modules.md")
}

fn no_setting(name: &str, known: &[&str]) -> Wrong {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it takes {}", known.join(", ")),
    };
    (format!("no setting `{name}`"), hint)
}

/// When a process was away, or stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Since when.
    pub away: Instant,
    /// When there was a process again, or it went on.
    pub back: Option<Instant>,
    /// When it answered again.
    pub ready: Option<Instant>,
}

/// A process to which something is done.
pub(super) struct Standing {
    process: Process,
    how: Break,
    /// What the system said when it was done.
    proof: String,
    times: Times,
    /// Its number in the journal.
    noted: Option<u64>,
    journal: Rc<Journal>,
}

impl Standing {
    /// Does it, and sees that it is done.
    pub(super) async fn begin(
        how: Break,
        process: Process,
        journal: Rc<Journal>,
    ) -> Result<Self, String> {
        let times = Times { away: Instant::now(), back: None, ready: None };
        let proof = String::new();
        let mut standing = Self { process, how, proof, times, noted: None, journal };
        standing.proof = standing.break_it().await?;
        standing.times.away = Instant::now();
        Ok(standing)
    }

    /// What shows that it is done.
    async fn break_it(&mut self) -> Result<String, String> {
        let pid = self.process.pid();
        if let Break::Away { killed, .. } = self.how {
            let ended = self.process.end(killed).await?;
            return Ok(format!("process {pid} ended ({ended})"));
        }
        if let Some(remains) = self.process.remains() {
            let what = format!("the service {:?}, which stood still", self.process.declared().name);
            self.noted = Some(self.journal.note(&what, Undo::Service(remains))?);
        }
        match self.process.pause().await {
            Ok(()) => Ok(format!("process {pid} stood still")),
            // What was done of it is undone.
            Err(why) => Err(match self.proceed().await {
                Ok(()) => why,
                Err(still) => format!("{why}; {still}"),
            }),
        }
    }

    /// Lets it go on, and sees that it does.
    async fn proceed(&self) -> Result<(), String> {
        self.process.proceed().await?;
        if let Some(number) = self.noted {
            self.journal.done(number);
        }
        Ok(())
    }

    /// What is to be done while it stands; never completes.
    pub(super) async fn stand(&mut self) {
        if let Break::Away { after: Some(after), with, .. } = self.how.clone() {
            sleep_until(self.times.away + after).await;
            if self.process.start(&with).await.is_ok() {
                self.times.back = Some(Instant::now());
                if self.process.ready().await.is_ok() {
                    self.times.ready = Some(Instant::now());
                }
            }
        }
        pending::<()>().await;
    }

    /// Undoes it, and sees that it is undone: the process is there, as declared, and answers.
    pub(super) async fn end(mut self) -> Ended {
        let undone = match &self.how {
            Break::Pause => self.proceed().await,
            Break::Away { with, .. } => self.restore(with.is_empty()).await,
        };
        let now = Instant::now();
        let mut ended = Ended::at(now);
        ended.effect = Some(self.proof);
        match undone {
            Ok(()) => {
                ended.cleared = *self.times.back.get_or_insert(now);
                if self.times.ready.is_none() {
                    match self.process.ready().await {
                        Ok(()) => self.times.ready = Some(Instant::now()),
                        Err(why) => ended.unclean = Some(format!("the service {why}")),
                    }
                }
            }
            Err(why) => ended.unclean = Some(format!("the service is not back: {why}")),
        }
        ended.times = Some(self.times);
        ended
    }

    /// Has it there, as it was declared.
    async fn restore(&mut self, as_declared: bool) -> Result<(), String> {
        if !as_declared {
            if !self.process.is_away() {
                self.process.end(false).await?;
            }
            self.times = Times { back: None, ready: None, ..self.times };
        }
        if self.process.is_away() { self.process.start(&BTreeMap::new()).await } else { Ok(()) }
    }
}
