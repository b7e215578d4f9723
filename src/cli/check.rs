//! `loadrun check script.lua`: what a plan would do, without any traffic.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::run::print;
use super::scripts;
use super::source::SourceArgs;
use crate::engine;
use crate::error::Error;
use crate::fault;
use crate::plan::{Arrivals, FaultDecl, Load, ParamValue, Plan, Scenario, ServiceDecl, Start};
use crate::report::visible;
use crate::service::{command, setting};
use crate::units::{show_duration, show_many, show_number};
use crate::wire::proxy::Reach;

/// Arguments of a check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scripts, Lua files that return a table; or folders of them
    #[arg(value_name = "SCRIPT", required = true)]
    scripts: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Loads and validates every script, then says what it would do.
pub fn run(args: &CheckArgs) -> Result<u8, Error> {
    let mut text = String::new();
    for script in scripts::load(&args.scripts, &args.source)? {
        let mut described = Vec::new();
        // Writing to memory does not fail.
        let _ = describe(&script.loaded.plan, &mut described);
        let described = String::from_utf8_lossy(&described).into_owned();
        let gap = if text.is_empty() { "" } else { "\n" };
        text += gap;
        text += &visible(&script.loaded.control.world().masked(described));
    }
    print(|out| out.write_all(text.as_bytes()))?;
    Ok(0)
}

fn describe(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: ok", plan.script.display())?;
    writeln!(out, "  {}", size(plan))?;
    writeln!(out, "\nscenarios")?;
    for scenario in &plan.scenarios {
        writeln!(out, "  {}: {}", scenario.name, load(scenario))?;
    }
    section(out, "services it starts", plan.services.iter().map(service))?;
    section(out, "faults", plan.faults.iter().map(broken))?;
    let watched = plan.watch.iter().map(|watched| format!("{}: {}", watched.name, watched.pid));
    section(out, "processes it watches", watched)?;
    let parameters = plan.parameters.iter().map(|parameter| {
        let shown = parameter.shown();
        let value = match &shown.value {
            ParamValue::String(text) => format!("{text:?}"),
            other => other.to_string(),
        };
        format!("{} = {value}  {}", shown.name, shown.about)
    });
    section(out, "parameters (-p name=value)", parameters)?;
    let profiles = plan.profiles.iter().map(|profile| {
        let values = profile.values.iter().map(|(name, value)| format!("{name}={value}"));
        format!("{}: {}", profile.name, values.collect::<Vec<_>>().join(" "))
    });
    section(out, "profiles (--profile name)", profiles)?;
    section(out, "thresholds", plan.thresholds.iter().map(|(t, _)| t.text.clone()))
}

/// How long, how many users and how fast, in one line.
fn size(plan: &Plan) -> String {
    let open_ended = |s: &&Scenario| matches!(s.load, Load::Iterations { duration: None, .. });
    let length = match plan.scenarios.iter().find(open_ended) {
        Some(scenario) => format!("until the iterations of {} are done", scenario.name),
        None => format!("up to {}", show_duration(plan.duration())),
    };
    let rate = match plan.peak_rate() {
        0.0 => String::new(),
        rate => format!(", at most {} arrivals/s", show_number(rate)),
    };
    format!("{length}, at most {}{rate}", show_many(plan.peak_users(), "user"))
}

/// What a service is, and what it is given; a command as it would be typed.
fn service(service: &ServiceDecl) -> String {
    let ServiceDecl { name, kind, options, .. } = service;
    if kind == command::KIND {
        let words = command::words(service).join(" ");
        return format!("{name}: {words}  (a command: only with --allow-command)");
    }
    let given = options.iter().fold(String::new(), |all, (key, value)| {
        let key = key.strip_prefix(setting::CONFIG).unwrap_or(key);
        format!("{all} {key}={value}")
    });
    let far = engine::outside_upstream(service).map(far).unwrap_or_default();
    format!("{name}: {kind}{given}{far}")
}

/// What is to be said of an address that is not on this machine.
fn far(address: &str) -> String {
    let place = fault::address(address).unwrap_or_default();
    let host = Reach::default().beyond(&place).map(str::to_owned);
    host.map_or_else(String::new, |host| {
        format!("  (not on this machine: only with --allow-fault {host})")
    })
}

/// What is broken, when, and whether that has to be allowed.
fn broken(fault: &FaultDecl) -> String {
    let FaultDecl { name, kind, on, .. } = fault;
    let what = if kind == name { String::new() } else { format!("{kind} ") };
    let times = format!("from {} for {}", show_duration(fault.at), show_duration(fault.lasts));
    let far = if on.contains("://") { far(on) } else { String::new() };
    format!("{name}: {what}on {on}, {times}{far}")
}

/// A headed list, or nothing when it is empty.
fn section(
    out: &mut dyn Write,
    title: &str,
    lines: impl Iterator<Item = String>,
) -> io::Result<()> {
    for (at, line) in lines.enumerate() {
        if at == 0 {
            writeln!(out, "\n{title}")?;
        }
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn load(scenario: &Scenario) -> String {
    let begins = match &scenario.start {
        Start::At(at) if at.is_zero() => String::new(),
        Start::At(at) => format!(", from {}", show_duration(*at)),
        Start::After(name) => format!(", after {name}"),
    };
    let what = match &scenario.load {
        Load::Users(curve) => format!(
            "up to {} (closed loop: not corrected for coordinated omission) for {}",
            show_many(scenario.most_users(), "user"),
            show_duration(curve.duration())
        ),
        Load::Rate { curve, arrivals } => {
            let about = if *arrivals == Arrivals::Poisson { "about " } else { "" };
            let bursts = if curve.has_burst() { ", bursts besides," } else { "," };
            format!(
                "{about}{}, up to {} per s{bursts} over {}, at most {}",
                show_many(curve.total().round() as u64, "arrival"),
                show_number(curve.peak()),
                show_duration(curve.duration()),
                show_many(scenario.most_users(), "user")
            )
        }
        Load::Iterations { total, duration, .. } => {
            let cap = duration
                .map_or_else(String::new, |time| format!(" in at most {}", show_duration(time)));
            let users = show_many(scenario.most_users(), "user");
            format!("{} by {users}{cap}", show_many(*total, "iteration"))
        }
    };
    format!("{what}{begins}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::script::{self, Source};

    #[test]
    fn a_plan_is_told_in_words_and_short_numbers() {
        let text = r#"local function run() end
        return { scenarios = {
          alone = { run = run, users = 1, duration = "1h30m" },
          halves = { run = run, users = { { to = 2.5, over = "7s" } }, start = "5s" },
          once = { run = run, iterations = 1, start = { after = "alone" } },
          slow = { run = run, rate = "100/m", duration = "2s", max_users = 1 },
          spread = { run = run, rate = { { burst = 7 }, { hold = "1s" } }, arrivals = "poisson" },
        } }"#;
        let loaded = script::load(Source {
            path: "shop.lua".into(),
            folder: std::env::temp_dir(),
            text: text.as_bytes().into(),
            params: BTreeMap::new(),
            env: BTreeMap::new(),
            seed: 1,
        });
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut out = Vec::new();
        describe(&loaded.plan, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"
        shop.lua: ok
          until the iterations of once are done, at most 10002 users, at most 1.67 arrivals/s

        scenarios
          alone: up to 1 user (closed loop: not corrected for coordinated omission) for 1h 30m
          halves: up to 3 users (closed loop: not corrected for coordinated omission) for 7 s, from 5 s
          once: 1 iteration by 1 user, after alone
          slow: 3 arrivals, up to 1.67 per s, over 2 s, at most 1 user
          spread: about 7 arrivals, up to 0 per s, bursts besides, over 1 s, at most 10000 users
        ");
    }
}
