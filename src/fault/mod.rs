//! How a run breaks things: faults put on by the clock, taken away again, and proved.
//!
//! * A fault **ends** at its lease, at the end of the load and when the run is stopped, whichever
//!   comes first; the one who holds it is this room, not the script.
//! * It cannot **outlive** this process: a proxy is inside it, and a service's guard ends the
//!   service when this process is gone.
//! * That it has ended is **verified**: the proxy has it no more and lets a connection in, the
//!   process runs and answers.
//! * What it did is **proved**: connections touched are counted, a process was seen to stand still or
//!   to be away; a fault that did nothing says so.
//! * Who is touched follows from the seed, the fault's name and the number of the connection.
//!
//! | file | what it knows |
//! |---|---|
//! | `kind.rs` | what can be broken about a thing, and what is wrong with a declaration |
//! | `link.rs` | toxics on proxies |
//! | `process.rs` | processes that the run started |

mod kind;
mod link;
mod process;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub use kind::{Break, Kind, Thing, Wrong, contradiction, read};
pub use process::{KINDS as PROCESS, Times, WITH};

use crate::plan::FaultDecl;
use crate::service::Process;
use crate::wire::proxy::Proxy;
use crate::wire::toxic::Touched;

/// How long an undone fault may take to show that it is undone.
const VERIFY: Duration = Duration::from_secs(2);

/// What a fault is on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A proxy of the run.
    Link(Arc<Proxy>),
    /// A service of the run.
    Process(Box<Process>),
}

/// What became of a fault. Times from the begin of the load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
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
    Link(Arc<Proxy>, String),
    Process(Box<process::Standing>),
}

impl Standing {
    async fn begin(how: Break, subject: &Subject) -> Result<Self, String> {
        match (how, subject) {
            (Break::Link(toxic), Subject::Link(proxy)) => {
                let name = toxic.name.clone();
                proxy.add(toxic).await.map_err(|error| error.to_string())?;
                Ok(Self::Link(Arc::clone(proxy), name))
            }
            (Break::Process(how), Subject::Process(process)) => {
                let standing = process::Standing::begin(how, Process::clone(process)).await?;
                Ok(Self::Process(Box::new(standing)))
            }
            _ => Err("it is on something of another kind".to_owned()),
        }
    }

    /// What is to be done while it stands; never completes.
    async fn stand(&mut self) {
        match self {
            Self::Link(..) => std::future::pending().await,
            Self::Process(standing) => standing.stand().await,
        }
    }

    async fn end(self) -> Ended {
        match self {
            Self::Link(proxy, name) => link::end(&name, &proxy).await,
            Self::Process(standing) => standing.end().await,
        }
    }
}

/// A moment of a fault, from the begin of the load, told while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is about to be put on.
    Begins(Duration),
    /// It is gone.
    Gone(Duration),
}

/// Puts a fault on its subject when it is due and takes it away when it is over, or when `stop`
/// completes.
pub async fn hold(
    fault: &FaultDecl,
    how: Break,
    subject: &Subject,
    begin: Instant,
    stop: impl Future<Output = ()>,
    tell: impl Fn(Mark),
) -> Record {
    let mut stop = std::pin::pin!(stop);
    let mut record = Record::default();
    tokio::select! {
        biased;
        () = &mut stop => return Record { cleared: begin.elapsed(), ..record },
        () = sleep_until(begin + fault.at) => {}
    }
    record.injected = Some(begin.elapsed());
    tell(Mark::Begins(begin.elapsed()));
    let over = begin + fault.end();
    loop {
        let mut standing = match Standing::begin(how.clone(), subject).await {
            Ok(standing) => standing,
            Err(why) => {
                record.cleared = begin.elapsed();
                record.unclean.get_or_insert(format!("could not begin: {why}"));
                break;
            }
        };
        let on = fault.every.map_or(over, |every| over.min(Instant::now() + every.on));
        let stopped = tokio::select! {
            biased;
            () = &mut stop => true,
            () = sleep_until(on) => false,
            () = standing.stand() => false,
        };
        record.add(standing.end().await, begin);
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
    tell(Mark::Gone(record.cleared));
    record
}

impl Record {
    /// Counts one more time that it stood.
    fn add(&mut self, ended: Ended, begin: Instant) {
        let since = |at: Instant| at.saturating_duration_since(begin);
        self.cleared = since(ended.cleared);
        self.unclean = self.unclean.take().or(ended.unclean);
        self.touched.eligible += ended.touched.eligible;
        self.touched.connections += ended.touched.connections;
        self.touched.chunks += ended.touched.chunks;
        self.touched.bytes += ended.touched.bytes;
        self.effect = ended.effect.or(self.effect.take());
        self.process = ended.times.map(|times| Absence {
            away: since(times.away),
            back: times.back.map(since),
            ready: times.ready.map(since),
        });
    }
}
