//! Real servers that a run starts for itself: start, wait until ready, stop.
//!
//! A service is a child process in a process group of its own, so that Ctrl-C at a terminal
//! reaches the run, which then ends its services in order, and not the services themselves. It
//! never outlives the run: [`Running::stop`] asks with SIGTERM and then insists with SIGKILL; a
//! dropped [`Running`] kills it; and when the run itself is killed, the pipe on the child's stdin
//! closes, at which a child under `--stdin-guard` exits.
//!
//! One kind of service is one file that turns a declaration into a command line ([`sandbox`] is
//! the template); `command.rs` is the child process they all share.

mod command;
pub mod sandbox;

use std::fmt;
use std::path::Path;

use crate::plan::ServiceDecl;

use command::Launch;
pub use command::Running;

/// The kinds of service there are.
pub const KINDS: &[&str] = &[sandbox::KIND];

/// Why a service is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// What went wrong, with the last lines the child wrote.
    pub what: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ServiceError {}

/// Starts the declared service and waits until it is ready (10 s at most).
///
/// `exe` is this program's own file: the practice target is one of its commands.
pub async fn start(decl: &ServiceDecl, exe: &Path) -> Result<Running, ServiceError> {
    let launch = match decl.kind.as_str() {
        sandbox::KIND => sandbox::launch(decl, exe),
        other => {
            return Err(ServiceError {
                what: format!("service {:?} is of the unknown kind {other:?}", decl.name),
                hint: Some(format!("the kinds are: {}", KINDS.join(", "))),
            });
        }
    };
    launch.start().await
}
