//! How a run breaks things: faults put on by the clock, taken away again, and proved.
//!
//! * A fault **ends** at its lease, at the end of the load and when the run is stopped, whichever
//!   comes first; the one who holds it is this room, not the script.
//! * It cannot **outlive** this process: a proxy is inside it, a service's guard ends the service
//!   when this process is gone, locks and connections that are held end with it, and what is changed
//!   elsewhere is written into a journal first, from which a watchdog puts it right.
//! * That it has ended is **verified**: the proxy has it no more and lets a connection in, the
//!   process runs and answers.
//! * What it did is **proved**: connections touched are counted, a process was seen to stand still or
//!   to be away; a fault that did nothing says so.
//! * Who is touched follows from the seed, the fault's name and the number of the connection.
//!
//! | file | what it knows |
//! |---|---|
//! | `kind.rs` | what can be broken about a thing, and what cannot stand together |
//! | `said.rs` | what was said about a fault that is on no link |
//! | `link.rs` | toxics on proxies |
//! | `process.rs` | processes that the run started |
//! | `redis/` | Redis, by its own commands |
//! | `sql.rs` | databases, by their own means |
//! | `journal.rs` | what outlives this process, and how it is put right |
//! | `ask.rs` | what scripts ask of whoever holds the faults |

mod ask;
mod journal;
mod kind;
mod link;
mod process;
mod redis;
mod said;
mod sql;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub use ask::{Ask, Awaited, Holder, Told, Waited};
pub use journal::{Journal, Left, Undone};
pub use kind::{Break, CALLS, Thing, address, contradiction, exists, read};
pub use process::{Times, WITH};
pub use said::{Kind, Wrong};

use crate::plan::FaultDecl;
use crate::service::Process;
use crate::wire::proxy::Proxy;
use crate::wire::toxic::Touched;

/// How long an undone fault may take to show that it is undone.
const VERIFY: Duration = Duration::from_secs(2);

/// Something of the script's own that can be made to fail.
pub trait Switch: std::fmt::Debug {
    /// Turns it on, or off again; it is off when that was done as often.
    fn turn(&self, on: bool);

    /// What it has done so far.
    fn touched(&self) -> Touched;
}

/// What a fault is on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Calls of the script's own.
    Calls(Arc<dyn Switch>),
    /// A proxy of the run.
    Link(Arc<Proxy>),
    /// A service of the run, and where it is.
    Service(Box<Process>, String),
    /// A server that the run did not start, by its URL.
    Server(String),
}

/// What became of a fault. Times from the begin of the load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Why it could not begin; `None` when it did, or the load ended before.
    pub failed: Option<String>,
    /// When it began to be put on; `None` when the load ended before.
    pub injected: Option<Duration>,
    /// When it was gone.
    pub cleared: Duration,
    /// Why it may still be there; `None` when it was seen to be gone.
    pub unclean: Option<String>,
    /// What it disturbed on a link.
    pub touched: Touched,
    /// What shows that it was there, where it was not on a link.
    pub effect: Option<String>,
    /// When its process was away.
    pub process: Option<Absence>,
}

/// When a process was away, or stood still. Times from the begin of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Since when.
    pub away: Duration,
    /// When there was a process again, or it went on.
    pub back: Option<Duration>,
    /// When it answered again.
    pub ready: Option<Duration>,
}

/// How a fault ended that stood.
struct Ended {
    /// When it was gone.
    cleared: Instant,
    unclean: Option<String>,
    touched: Touched,
    effect: Option<String>,
    times: Option<Times>,
}

impl Ended {
    fn at(cleared: Instant) -> Self {
        Self { cleared, unclean: None, touched: Touched::default(), effect: None, times: None }
    }
}

/// A fault that stands.
enum Standing {
    Calls(Arc<dyn Switch>, Touched),
    Link(Arc<Proxy>, String),
    Process(Box<process::Standing>),
    Redis(Box<self::redis::Standing>),
    Sql(Box<sql::Standing>),
}

impl Standing {
    async fn begin(
        name: &str,
        how: Break,
        subject: &Subject,
        journal: &Rc<Journal>,
    ) -> Result<Self, String> {
        match (how, subject) {
            (Break::Calls, Subject::Calls(calls)) => {
                let before = calls.touched();
                calls.turn(true);
                Ok(Self::Calls(Arc::clone(calls), before))
            }
            (Break::Link(toxic), Subject::Link(proxy)) => {
                let name = toxic.name.clone();
                proxy.add(toxic).await.map_err(|error| error.to_string())?;
                Ok(Self::Link(Arc::clone(proxy), name))
            }
            (Break::Process(how), Subject::Service(process, _)) => {
                let (process, journal) = (Process::clone(process), Rc::clone(journal));
                let standing = process::Standing::begin(how, process, journal).await?;
                Ok(Self::Process(Box::new(standing)))
            }
            (Break::Redis(how), Subject::Service(_, url) | Subject::Server(url)) => {
                let journal = Rc::clone(journal);
                let standing = self::redis::Standing::begin(how, url, name, journal).await?;
                Ok(Self::Redis(Box::new(standing)))
            }
            (Break::Sql(how), Subject::Service(_, url) | Subject::Server(url)) => {
                Ok(Self::Sql(Box::new(sql::Standing::begin(how, url).await?)))
            }
            _ => Err("it is on something of another kind".to_owned()),
        }
    }

    /// What is to be done while it stands; never completes.
    async fn stand(&mut self) {
        match self {
            Self::Calls(..) | Self::Link(..) => std::future::pending().await,
            Self::Process(standing) => standing.stand().await,
            Self::Redis(standing) => standing.stand().await,
            Self::Sql(standing) => standing.stand().await,
        }
    }

    async fn end(self) -> Ended {
        match self {
            Self::Calls(calls, before) => {
                calls.turn(false);
                let touched = calls.touched().since(&before);
                Ended { touched, ..Ended::at(Instant::now()) }
            }
            Self::Link(proxy, name) => link::end(&name, &proxy).await,
            Self::Process(standing) => standing.end().await,
            Self::Redis(standing) => standing.end().await,
            Self::Sql(standing) => standing.end().await,
        }
    }
}

/// A moment of a fault, told while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is about to be put on.
    Begins(Instant),
    /// It is in force.
    Stands,
    /// It is gone.
    Gone(Instant),
}

/// How a fault is held.
pub struct Holding<'a, Since, Tell> {
    /// What it is on.
    pub subject: &'a Subject,
    /// Where it is written down what has to be put right.
    pub journal: &'a Rc<Journal>,
    /// When it begins.
    pub due: Instant,
    /// A moment from the begin of the load.
    pub since: Since,
    /// Is told what happens.
    pub tell: Tell,
}

/// Puts a fault on its subject when it is due and takes it away when it is over, or when `stop`
/// completes.
pub async fn hold(
    fault: &FaultDecl,
    how: Break,
    holding: Holding<'_, impl Fn(Instant) -> Duration, impl Fn(Mark)>,
    stop: impl Future<Output = ()>,
) -> Record {
    let Holding { subject, journal, due, since, tell } = holding;
    let mut stop = std::pin::pin!(stop);
    let mut record = Record::default();
    tokio::select! {
        biased;
        () = &mut stop => return Record { cleared: since(Instant::now()), ..record },
        () = sleep_until(due) => {}
    }
    let begun = Instant::now();
    record.injected = Some(since(begun));
    tell(Mark::Begins(begun));
    let (over, mut gone) = (due + fault.lasts, begun);
    loop {
        let begun = Standing::begin(&fault.name, how.clone(), subject, journal).await;
        let mut standing = match begun {
            Ok(standing) => standing,
            Err(why) => {
                record.failed = Some(why);
                break;
            }
        };
        tell(Mark::Stands);
        let on = fault.every.map_or(over, |every| over.min(Instant::now() + every.on));
        let stopped = tokio::select! {
            biased;
            () = &mut stop => true,
            () = sleep_until(on) => false,
            () = standing.stand() => false,
        };
        let ended = standing.end().await;
        gone = ended.cleared;
        record.add(ended, &since);
        let Some(every) = fault.every.filter(|_| !stopped) else { break };
        let again = Instant::now() + every.off;
        if again >= over {
            break;
        }
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = sleep_until(again) => {}
        }
    }
    record.cleared = since(gone);
    tell(Mark::Gone(gone));
    record
}

impl Record {
    /// What became of this and of another that stood at the same time, taken together.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.failed = self.failed.or(other.failed);
        self.injected = self.injected.into_iter().chain(other.injected).min();
        self.cleared = self.cleared.max(other.cleared);
        self.unclean = self.unclean.or(other.unclean);
        self.effect = self.effect.or(other.effect);
        self.process = self.process.or(other.process);
        self.disturbed(other.touched);
        self
    }

    /// Counts what else was disturbed.
    fn disturbed(&mut self, touched: Touched) {
        self.touched.eligible += touched.eligible;
        self.touched.connections += touched.connections;
        self.touched.chunks += touched.chunks;
        self.touched.bytes += touched.bytes;
    }

    /// Counts one more time that it stood.
    fn add(&mut self, ended: Ended, since: impl Fn(Instant) -> Duration) {
        self.unclean = self.unclean.take().or(ended.unclean);
        self.disturbed(ended.touched);
        self.effect = ended.effect.or(self.effect.take());
        self.process = ended.times.map(|times| Absence {
            away: since(times.away),
            back: times.back.map(&since),
            ready: times.ready.map(&since),
        });
    }
}
