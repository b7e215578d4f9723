//! What is known to keep a run from starting before anything is started: a command that is not
//! allowed, a program that is not on this machine, something to be broken that is on another one,
//! and no place to write down what is broken.

use std::sync::atomic::Ordering;

use super::{EngineError, Options, proxies, services};
use crate::fault::{self, Journal, Thing};
use crate::plan::{FaultDecl, Place, Plan, Problem};
use crate::script::{Level, World};
use crate::wire::proxy::Reach;

/// All of it.
pub(super) fn problems(
    plan: &Plan,
    world: &World,
    options: &Options,
) -> Result<Vec<Problem>, EngineError> {
    let reach = Reach { allowed: options.allow_fault.clone() };
    let mut problems = services::foreseen(&plan.services, world, options.allow_command)?;
    let links = plan.services.iter().filter_map(|declared| {
        let upstream = proxies::outside(declared)?;
        let what = format!("the proxy {:?} leads to", declared.name);
        far(&what, upstream, &reach, declared.place.as_ref())
    });
    problems.extend(links);
    let servers = plan.faults.iter().filter(|fault| fault.on.contains("://"));
    problems.extend(servers.filter_map(|fault| {
        far(&format!("the fault {:?} is on", fault.name), &fault.on, &reach, Some(&fault.place))
    }));
    problems.extend(unwritten(plan, options));
    let masked = |problem: Problem| Problem { what: world.masked(problem.what), ..problem };
    Ok(problems.into_iter().map(masked).collect())
}

/// Tells of what may keep a script from breaking something later: what it breaks is not known yet.
pub(super) fn warn(world: &World, options: &Options) {
    if world.breaks.load(Ordering::Relaxed)
        && let Some(why) = Journal::cannot_be_in(&options.journals)
    {
        let place = options.journals.display();
        let text = format!(
            "nothing can be written down in {place}: {why}; so no service will be paused, and no \
             setting of a Redis changed. {SET}"
        );
        world.log.add(Level::Warn, text);
    }
}

const SET: &str = "Set XDG_STATE_HOME to a folder that can be written to";

/// Something on another machine, which nobody has allowed to be broken.
fn far(what: &str, address: &str, reach: &Reach, at: Option<&Place>) -> Option<Problem> {
    let (told, hint) = match fault::address(address) {
        Err(why) => (why, None),
        Ok(place) => {
            let host = reach.beyond(&place)?;
            let hint = format!("add --allow-fault {host} if it may be broken");
            (format!("{host}, which is not on this machine"), Some(hint))
        }
    };
    Some(Problem { what: format!("{what} {told}"), at: at.cloned(), hint })
}

/// A fault that has to be written down, where that cannot be done.
fn unwritten(plan: &Plan, options: &Options) -> Option<Problem> {
    let outlives = |fault: &&FaultDecl| {
        let thing = Thing::of(&fault.on, &plan.services);
        thing.and_then(|thing| fault::read(fault, thing)).is_ok_and(|how| how.outlives_us())
    };
    let fault = plan.faults.iter().find(outlives)?;
    let why = Journal::cannot_be_in(&options.journals)?;
    let what = format!(
        "the fault {:?} cannot be written down in {}: {why}",
        fault.name,
        options.journals.display()
    );
    let hint = format!("from there it is undone should this run be killed. {SET}");
    Some(Problem::new(what).at(&fault.place).hint(hint))
}
