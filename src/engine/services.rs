//! The services of a run: started beside each other as far as they do not need each other, found,
//! and stopped.
//!
//! What a declaration needs is what it names: a proxy its upstream, a program or a practice target
//! the services whose URLs it is given. Commands wait for everything declared before them, because
//! they may need to know where the rest is, and are started one after the other. The last that was
//! started is the first to be stopped.

use std::path::PathBuf;

use super::listeners;
use super::proxies::{self, Proxies};
use super::{EngineError, Options};
use crate::plan::{Problem, ServiceDecl};
use crate::script::{Level, World};
use crate::service::{self, Running, ServiceError, Site, command};
use crate::wire::proxy::Reach;

/// Starts what is declared; what was started is in `running`, whatever else goes wrong.
pub(super) async fn start(
    declared: &[ServiceDecl],
    world: &World,
    options: &Options,
    proxies: &Proxies,
    running: &mut Vec<Running>,
) -> Result<(), EngineError> {
    let site = site(world)?;
    let reach = Reach { allowed: options.allow_fault.clone() };
    // An endpoint of loadrun itself is there already.
    let others = declared.iter().filter(|decl| decl.kind != listeners::KIND);
    let mut waiting: Vec<&ServiceDecl> = others.collect();
    while !waiting.is_empty() {
        let (now, later) = due(declared, &waiting);
        let (links, servers): (Vec<_>, Vec<_>) =
            now.into_iter().partition(|decl| decl.kind == proxies::KIND);
        let problems = proxies.open(&links, world, &reach);
        if !problems.is_empty() {
            return Err(EngineError::Services(problems));
        }
        let url = |name: &str| world.service(name).url.get().cloned();
        let servers: Vec<_> =
            servers.into_iter().map(|decl| command::with_urls(decl, url)).collect();
        together(&servers, world, &site, running).await?;
        waiting = later;
    }
    Ok(())
}

/// What can be started now, and what has to wait for others. A script names what it has declared
/// before, so there is always something that can.
fn due<'a>(
    declared: &[ServiceDecl],
    waiting: &[&'a ServiceDecl],
) -> (Vec<&'a ServiceDecl>, Vec<&'a ServiceDecl>) {
    let missing = |name: &str| waiting.iter().any(|decl| decl.name == name);
    let waits = |decl: &ServiceDecl| {
        let before = || declared.iter().take_while(|other| other.name != decl.name);
        let all = decl.kind == command::KIND && before().any(|other| missing(&other.name));
        all || service::needs(decl).any(missing) || proxies::upstream_of(decl).is_some_and(missing)
    };
    let (later, now): (Vec<_>, Vec<_>) = waiting.iter().copied().partition(|decl| waits(decl));
    if now.is_empty() { (later, now) } else { (now, later) }
}

fn site(world: &World) -> Result<Site, EngineError> {
    Ok(Site { exe: own_file()?, folder: world.source.folder.clone() })
}

/// What is known not to start without starting anything: a command that is not allowed, a program
/// that is not on this machine.
pub(super) fn foreseen(
    declared: &[ServiceDecl],
    world: &World,
    allow_command: bool,
) -> Result<Vec<Problem>, EngineError> {
    let site = site(world)?;
    // Links and endpoints are loadrun's own.
    let own = [proxies::KIND, listeners::KIND];
    let others = declared.iter().filter(|decl| !own.contains(&decl.kind.as_str()));
    let problems = others.filter_map(|decl| {
        if decl.kind == command::KIND && !allow_command {
            return Some(forbidden(decl));
        }
        service::foresee(decl, &site).err().map(|error| problem(world, decl, error))
    });
    Ok(problems.collect())
}

/// This program's own file.
pub(super) fn own_file() -> Result<PathBuf, EngineError> {
    std::env::current_exe()
        .map_err(|e| EngineError::System(format!("cannot find this program itself: {e}")))
}

/// Starts services that become ready beside each other, however long the first one takes; all
/// that cannot be had is told at once.
async fn together(
    declared: &[ServiceDecl],
    world: &World,
    site: &Site,
    running: &mut Vec<Running>,
) -> Result<(), EngineError> {
    let mut problems = Vec::new();
    let first = running.len();
    for decl in declared {
        match service::start(decl, site) {
            Ok(started) => running.push(started),
            Err(error) => problems.push(problem(world, decl, error)),
        }
    }
    // Where one cannot even be started the rest is not waited for.
    let waited = if problems.is_empty() { &mut running[first..] } else { &mut [] };
    for running in waited {
        match running.ready().await {
            Ok(()) => world.found(&running.declared().name, running.url(), running.pid()),
            Err(error) => problems.push(problem(world, running.declared(), error)),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(EngineError::Services(problems)) }
}

/// A command that nobody has allowed.
fn forbidden(decl: &ServiceDecl) -> Problem {
    let words = command::words(decl).join(" ");
    Problem {
        what: format!("service {:?} would run a command: {words}", decl.name),
        at: decl.place.clone(),
        hint: Some("add --allow-command if you trust the script to run it".to_owned()),
    }
}

/// Why a service is not there, with the line that declares it and without secrets.
fn problem(world: &World, decl: &ServiceDecl, error: ServiceError) -> Problem {
    Problem { what: world.masked(error.what), at: decl.place.clone(), hint: error.hint }
}

/// Ends the services, the last one first; one that had ended by itself, or had to be killed, is
/// told of.
pub(super) async fn stop(world: &World, services: Vec<Running>) {
    for service in services.into_iter().rev() {
        if let Err(error) = service.stop().await {
            world.log.add(Level::Error, world.masked(error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decl(name: &str, kind: &str, options: &[(&str, &str)]) -> ServiceDecl {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ServiceDecl {
            name: name.to_owned(),
            kind: kind.to_owned(),
            options,
            ..ServiceDecl::default()
        }
    }

    #[test]
    fn everything_is_started_as_soon_as_what_it_names_is_there() {
        let declared = [
            decl("redis", "redis", &[]),
            decl("link", "proxy", &[("upstream", "service:redis")]),
            decl("api", "sandbox", &[("env_of.LOADRUN_SANDBOX_REDIS", "link")]),
            decl("front", "proxy", &[("upstream", "service:api")]),
            decl("tool", "command", &[]),
            decl("next", "command", &[("env_of.TOOL", "tool")]),
            decl("postgres", "postgres", &[]),
            decl("far", "proxy", &[("upstream", "127.0.0.1:9")]),
        ];
        let mut waiting: Vec<_> = declared.iter().collect();
        let mut rounds = Vec::new();
        while !waiting.is_empty() {
            let (now, later) = due(&declared, &waiting);
            rounds.push(now.iter().map(|decl| decl.name.as_str()).collect::<Vec<_>>().join(" "));
            waiting = later;
        }
        assert_eq!(rounds, ["redis postgres far", "link", "api", "front", "tool", "next"]);
    }
}
