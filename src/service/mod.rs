//! Real servers that a run starts for itself: start, wait until ready, stop.
//!
//! A service is the real program, in a folder of its own, on a port of the loopback interface,
//! under a guard ([`guard`]) that ends it and removes the folder when the run ends, however it
//! ends. When the guard itself is killed, the server, and it alone, gets the signal that asks it to end
//! ([`bound`]): what it has started, or one that ignores the signal, is left to the run, if that is
//! still there. Guard and server are in process groups of their own, so that Ctrl-C at a terminal
//! reaches the run, which then ends its services in order, and not the services themselves.
//!
//! One kind of service is one file that turns a declaration into a launch ([`redis`] is the
//! template); `running.rs` is the server they all share, seen from the run, and `process.rs` the
//! same for whoever breaks it: paused, ended, started again, by way of the guard. `remains.rs` ends
//! what a guard that was killed has left.

pub mod bound;
pub mod command;
pub mod guard;
mod host;
mod mariadb;
mod postgres;
mod probe;
mod process;
mod processes;
mod redis;
mod remains;
mod running;
mod sandbox;
pub mod setting;
mod tail;
mod user;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use crate::plan::ServiceDecl;

pub use self::redis::POLICIES;
use guard::{Orders, Program};
use process::Launch;
pub use process::Process;
pub use remains::Remains;
pub use running::Running;
use setting::{Chosen, Kind};

/// The real servers a script can declare, by a function of the same name.
pub const SERVERS: &[&Kind] = &[&mariadb::KIND, &postgres::KIND, &self::redis::KIND];

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

/// Where services are started.
#[derive(Clone, Debug)]
pub struct Site {
    /// This program's own file: guard and practice target are commands of it.
    pub exe: PathBuf,
    /// The script's folder.
    pub folder: PathBuf,
}

/// Starts the declared service; [`Running::ready`] waits for it.
pub fn start(decl: &ServiceDecl, site: &Site) -> Result<Running, ServiceError> {
    Running::new(decl, site)
}

/// The services whose URLs a declaration is to be given.
pub fn needs(decl: &ServiceDecl) -> impl Iterator<Item = &str> {
    setting::pairs(&decl.options, command::ENVIRONMENT_OF).map(|(_, service)| service)
}

/// Whether a service could be started as far as that is known without starting it: its program is
/// on this machine.
pub fn foresee(decl: &ServiceDecl, site: &Site) -> Result<(), ServiceError> {
    launch(decl, site, &Place::new(&decl.name)?).map(drop)
}

fn launch(decl: &ServiceDecl, site: &Site, place: &Place) -> Result<Launch, ServiceError> {
    match decl.kind.as_str() {
        "mariadb" => mariadb::launch(decl, place),
        "postgres" => postgres::launch(decl, place),
        "redis" => self::redis::launch(decl, place),
        command::KIND => command::launch(decl, site, place),
        sandbox::KIND => Ok(sandbox::launch(decl, site, place)),
        other => Err(ServiceError {
            what: format!("service {:?} is of the unknown kind {other:?}", decl.name),
            hint: Some(format!("the kinds are: {}", kinds().join(", "))),
        }),
    }
}

/// The kinds of service there are.
fn kinds() -> Vec<&'static str> {
    SERVERS.iter().map(|kind| kind.name).chain([command::KIND, sandbox::KIND]).collect()
}

impl Orders {
    /// How long a server may take to end when it is asked to.
    const WITHIN: Duration = Duration::from_secs(5);

    /// Runs a server in a folder, as this process's own user.
    fn new(folder: PathBuf, server: Program) -> Self {
        Self {
            folder,
            files: Vec::new(),
            user: None,
            before: Vec::new(),
            server,
            signal: Signal::TERM.as_raw(),
            within: Self::WITHIN,
        }
    }
}

/// What a service has for as long as it lives, however often it is started.
#[derive(Clone, Debug)]
struct Place {
    /// Its own; its guard makes it.
    folder: PathBuf,
    /// On which nobody listened when it was made.
    port: u16,
    /// The password where a server has to have one and none is declared.
    password: String,
}

impl Place {
    fn new(service: &str) -> Result<Self, ServiceError> {
        let random = || host::random().map_err(|error| nothing(service, "random numbers", &error));
        let folder = std::env::temp_dir().join(format!("loadrun-{}", &random()?[..12]));
        let port = host::free_port().map_err(|error| nothing(service, "free port", &error))?;
        Ok(Self { folder, port, password: random()? })
    }

    /// A password of its own for a server whose users can do more than use it.
    fn password<'a>(&'a self, chosen: &Chosen<'a>) -> &'a str {
        chosen.secret("password").unwrap_or(&self.password)
    }
}

/// A password that nobody guesses.
pub fn secret() -> std::io::Result<String> {
    host::random()
}

fn nothing(service: &str, what: &str, error: &std::io::Error) -> ServiceError {
    ServiceError { what: format!("service {service:?}: no {what}: {error}"), hint: None }
}

/// Who is let in at a server, and to what.
#[derive(Clone, Copy, Debug, Default)]
struct Entry<'a> {
    user: &'a str,
    password: Option<&'a str>,
    database: &'a str,
}

impl Entry<'_> {
    /// As a URL on this machine, with what needs it escaped.
    fn url(&self, scheme: &str, port: u16) -> String {
        let plain = format!("{scheme}://127.0.0.1:{port}");
        let Ok(mut url) = url::Url::parse(&plain) else { return plain };
        // What is escaped already is left as it is, and nothing is yet.
        let meant = |text: &str| text.replace('%', "%25");
        // Refused only for a URL without a host.
        let _ = url.set_username(&meant(self.user));
        let _ = url.set_password(self.password.map(meant).as_deref());
        url.set_path(&meant(self.database));
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_the_url_such_that_it_is_read_as_it_was_meant() {
        let entry = Entry { user: "100%", password: Some("a%40b#/ä"), database: "shop" };
        let url = entry.url("postgres", 5432);
        assert_eq!(url, "postgres://100%25:a%2540b%23%2F%C3%A4@127.0.0.1:5432/shop");
    }
}
