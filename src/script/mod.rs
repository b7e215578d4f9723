//! Lua: the only room that knows mlua.
//!
//! A script is loaded once into the **control state** ([`load`]), which gives the plan and later
//! runs `setup` and `teardown`; and once into the state of each worker ([`Vm::worker`]), which
//! runs its users. States share nothing but the [`World`].
//!
//! What the engine does with a script, in order:
//!
//! 1. [`load`] a [`Source`]: the plan, and the control state;
//! 2. start the plan's services, and say in the world where each is ([`World::service`]);
//! 3. [`Vm::setup`] in the control state;
//! 4. set [`World::workers`]; in each worker's thread [`Vm::worker`];
//! 5. set [`World::begin`]; [`Vm::user`], [`User::init`], [`User::iterate`] as the executors ask;
//!    once a second take [`Vm::recorder`]'s interval and [`Vm::take_busy`];
//! 6. [`Vm::take_errors`], [`Vm::failures`] of each worker;
//! 7. [`Vm::teardown`] in the control state, and its recorder's interval.

mod answering;
pub mod api;
mod call;
mod calls;
mod context;
mod coroutine;
mod environment;
mod failed;
mod fault;
mod frozen;
mod globals;
pub mod library;
mod locate;
mod log;
mod measure;
mod mistakes;
mod naming;
mod options;
pub mod own;
mod pattern;
pub mod plain;
mod plan;
mod require;
mod secrets;
mod stall;
mod strings;
mod syntax;
mod tables;
mod traceback;
mod user;
mod vm;
mod world;

use std::rc::Rc;

pub use calls::Calls;
pub use context::{Busy, Context, UserState};
pub use log::{Level, Line, Log};
pub use plain::{Plain, PlainError};
pub use traceback::{Errors, ScriptError};
pub use user::User;
pub use vm::Vm;
pub use world::{Source, Whereabouts, World};

use crate::metric::{BUILTIN, Threshold};
use crate::plan::{Plan, Problem, nearest, validate};

/// A script that can be run.
pub struct Loaded {
    /// What it asks for.
    pub plan: Plan,
    /// The state in which it was loaded; runs `setup` and `teardown`.
    pub control: Rc<Vm>,
}

/// Loads a script into a control state. What is wrong with it, its plan included, comes back all
/// at once, in the order of its lines.
pub fn load(source: Source) -> Result<Loaded, Vec<Problem>> {
    checked(source, &[], false)
}

/// Loads a script, and says what is wrong with it, and with what it is asked for: parameters and
/// profiles it does not have. Among several scripts what one does not have may be another's.
fn checked(
    source: Source,
    profiles: &[String],
    among_others: bool,
) -> Result<Loaded, Vec<Problem>> {
    let world = World::new(source);
    let (vm, mut problems) = Vm::load(&world);
    if let Some(vm) = &vm {
        let may_lack = vm.context.mistakes.any();
        if !among_others {
            if !may_lack {
                problems.extend(unknown_params(&world, vm.plan()));
            }
            let known = |name: &str| vm.plan().profiles.iter().any(|known| known.name == name);
            let unknown = profiles.iter().filter(|name| !known(name));
            problems.extend(unknown.map(|name| no_profile(name, vm.plan())));
        }
        let mut judged = vm.plan().clone();
        if may_lack {
            judged.thresholds.retain(|(threshold, _)| is_of_ours(threshold));
        }
        problems.extend(world.masked_problems(validate(&judged)));
        vm.context.mistakes.only_causes(&mut problems);
    }
    problems.sort_by(|a, b| a.at.cmp(&b.at));
    // What is found before anything runs may be met again when it does.
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        if !told.contains(&problem) {
            told.push(problem);
        }
    }
    let problems = told;
    match vm {
        Some(vm) if problems.is_empty() => {
            Ok(Loaded { plan: vm.plan().clone(), control: Rc::new(vm) })
        }
        _ => Err(problems),
    }
}

/// Loads a script with the parameters that some of its profiles set, the later ones before the
/// earlier, except those that are given; without a name as it is. Where it is one of several that
/// were given the same, what it does not declare may be another's.
pub fn load_as(
    mut source: Source,
    profiles: &[String],
    among_others: bool,
) -> Result<Loaded, Vec<Problem>> {
    let mut loaded = checked(source.clone(), profiles, among_others)?;
    let find = |name: &String| loaded.plan.profiles.iter().find(|profile| profile.name == *name);
    let chosen: Vec<_> = profiles.iter().filter_map(find).cloned().collect();
    if chosen.is_empty() {
        return Ok(loaded);
    }
    // Which parameters a profile sets stands at the end of the script that reads them: once more.
    for (name, value) in chosen.iter().rev().flat_map(|profile| profile.values.clone()) {
        source.params.entry(name).or_insert(value);
    }
    loaded = checked(source, &[], among_others)?;
    let names: Vec<_> = chosen.into_iter().map(|profile| profile.name).collect();
    loaded.plan.profile = Some(names.join(","));
    Ok(loaded)
}

/// Whether a threshold can be judged by what loadrun itself knows, whatever the script declares: it is
/// on a metric of ours, though it may be misspelt, and on no process.
fn is_of_ours(threshold: &Threshold) -> bool {
    let metric = threshold.metric.as_str();
    let head = |name: &str| name.split('.').next() == metric.split('.').next();
    let ours = BUILTIN.iter().map(|known| known.name).filter(|name| head(name));
    nearest(metric, ours).is_some()
        && threshold.filters.iter().all(|filter| filter.key != "process")
}

fn no_profile(name: &str, plan: &Plan) -> Problem {
    let names: Vec<&str> = plan.profiles.iter().map(|profile| profile.name.as_str()).collect();
    Problem {
        what: format!("{} has no profile {name:?}", plan.script.display()),
        at: None,
        hint: Some(match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None if names.is_empty() => {
                "it has none; return `profiles = { name = { parameter = value } }`".to_owned()
            }
            None => format!("it has: {}", names.join(", ")),
        }),
    }
}

/// Parameters of the command line that the script does not declare.
fn unknown_params(world: &World, plan: &Plan) -> Vec<Problem> {
    let names: Vec<&str> = plan.parameters.iter().map(|known| known.name.as_str()).collect();
    let given = world.source.params.keys().filter(|name| !names.contains(&name.as_str()));
    let problems = given.map(|name| Problem {
        what: format!("unknown parameter `{name}`"),
        at: None,
        hint: Some(match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "the script declares none".to_owned(),
            None => format!("the script declares: {}", names.join(", ")),
        }),
    });
    problems.collect()
}

#[cfg(test)]
mod tests;
