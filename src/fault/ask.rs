//! What a script asks of whoever holds the faults of its run.
//!
//! The control thread holds them all: there is one clock, one journal and one end. A script that
//! breaks something while it runs, or waits for what was broken to recover, in whichever Lua state,
//! sends a message and waits for the answer.

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Record;
use crate::plan::FaultDecl;
use crate::recovery::Recovery;

/// Something that is asked.
#[derive(Debug)]
pub enum Ask {
    /// That a fault begins now; answered when it is in force, with its name.
    Begin(Box<FaultDecl>, oneshot::Sender<Result<String, String>>),
    /// That the fault of that name ends; answered when it is gone.
    End(String, oneshot::Sender<Option<Record>>),
    /// Whether what was broken has recovered; answered when that is decided, or until then.
    Await(Awaited, Instant, oneshot::Sender<Waited>),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// All that was broken last.
    All,
    /// What was broken last on one of these.
    On(Vec<String>),
    /// Faults by their names, also such as have yet to begin.
    Faults(Vec<String>),
}

/// What became of each fault that was waited for; or why nothing can be said.
pub type Waited = Result<Vec<Told>, String>;

/// How far a fault has come that was waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its name.
    pub fault: String,
    /// What it has done so far; `None` while it stands, or has yet to begin.
    pub recovery: Option<Recovery>,
    /// Whether the rest of the run can change little about that.
    pub is_decided: bool,
}

/// Who is asked. Nobody is where there is no run.
#[derive(Clone, Debug)]
pub struct Holder(mpsc::UnboundedSender<Ask>);

impl Holder {
    /// Somebody to ask, and what they are asked.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Ask>) {
        let (ask, asked) = mpsc::unbounded_channel();
        (Self(ask), asked)
    }

    /// Lets a fault begin now, until its lease is over; its name in the run, when it is in force.
    pub fn begin(&self, fault: FaultDecl) -> impl Future<Output = Result<String, String>> + use<> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(Ask::Begin(Box::new(fault), answer));
        async move {
            match (asked, answered.await) {
                (Ok(()), Ok(begun)) => begun,
                _ => Err("the run is ending".to_owned()),
            }
        }
    }

    /// Lets a fault end; what became of it, if there was such a fault.
    pub async fn end(&self, name: &str) -> Option<Record> {
        self.let_go(name).await.ok().flatten()
    }

    /// Lets a fault end, and does not wait for it.
    pub fn let_go(&self, name: &str) -> oneshot::Receiver<Option<Record>> {
        let (answer, answered) = oneshot::channel();
        // Where nobody hears it all faults have been ended.
        let _ = self.0.send(Ask::End(name.to_owned(), answer));
        answered
    }

    /// Waits until it is decided whether what was broken has recovered, or until then.
    pub async fn recovered(&self, awaited: Awaited, until: Instant) -> Waited {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(Ask::Await(awaited, until, answer));
        match (asked, answered.await) {
            (Ok(()), Ok(waited)) => waited,
            _ => Err("the run is ending".to_owned()),
        }
    }
}
