//! What a script asks of whoever holds the faults of its run.
//!
//! The control thread holds them all: there is one clock, one journal and one end. A script that
//! breaks something while it runs, in whichever Lua state, sends a message and waits for the answer.

use tokio::sync::{mpsc, oneshot};

use super::Record;
use crate::plan::FaultDecl;

/// Something that is asked.
#[derive(Debug)]
pub enum Ask {
    /// That a fault begins now; answered when it is in force, with its name.
    Begin(Box<FaultDecl>, oneshot::Sender<Result<String, String>>),
    /// That the fault of that name ends; answered when it is gone.
    End(String, oneshot::Sender<Option<Record>>),
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

    /// Lets a fault begin now, until its lease is over; its name in the run.
    pub async fn begin(&self, fault: FaultDecl) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(Ask::Begin(Box::new(fault), answer));
        match (asked, answered.await) {
            (Ok(()), Ok(begun)) => begun,
            _ => Err("the run is ending".to_owned()),
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
}
