//! The services of a run: started beside each other, found, and stopped.
//!
//! Commands come last, one after the other, because they may need to know where the rest is; and
//! they go first.

use super::{EngineError, proxies};
use crate::plan::{Problem, ServiceDecl};
use crate::script::{Level, World};
use crate::service::{self, Running, ServiceError, Site, command};

/// Starts what is declared; what was started is in `running`, whatever else goes wrong.
pub(super) async fn start(
    declared: &[ServiceDecl],
    world: &World,
    allow_command: bool,
    running: &mut Vec<Running>,
) -> Result<(), EngineError> {
    let own = declared.iter().filter(|decl| decl.kind != proxies::KIND);
    let (commands, servers): (Vec<_>, Vec<_>) = own.partition(|decl| decl.kind == command::KIND);
    if !allow_command && !commands.is_empty() {
        return Err(EngineError::Services(commands.into_iter().map(forbidden).collect()));
    }
    let exe = std::env::current_exe()
        .map_err(|e| EngineError::System(format!("cannot find this program itself: {e}")))?;
    let site = Site { exe, folder: world.source.folder.clone() };
    together(&servers, world, &site, running).await?;
    for decl in commands {
        let url = |name: &str| world.service(name).url.get().cloned();
        let decl = command::with_urls(decl, url);
        together(&[&decl], world, &site, running).await?;
    }
    Ok(())
}

/// Starts services that become ready beside each other, however long the first one takes; all
/// that cannot be had is told at once.
async fn together(
    declared: &[&ServiceDecl],
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
