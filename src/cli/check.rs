//! `loadrun check script.lua`: what the plan would do, without any traffic.

use std::io::{self, Write};

use clap::Args;

use super::source::SourceArgs;
use crate::error::Error;
use crate::plan::{Load, Plan, Scenario, Start};
use crate::script;
use crate::units::show_duration;

/// Arguments of a check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
}

/// Loads and validates the script, then says what it would do.
pub fn run(args: &CheckArgs) -> Result<u8, Error> {
    let loaded = script::load(args.source.read()?)?;
    let mut text = Vec::new();
    // A closed pipe on stdout is not the script's fault.
    let _ = describe(&loaded.plan, &mut text).and_then(|()| io::stdout().lock().write_all(&text));
    Ok(0)
}

fn describe(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let duration = show_duration(plan.duration());
    writeln!(out, "{}: ok", plan.script.display())?;
    writeln!(
        out,
        "  up to {duration}, at most {} users, at most {} arrivals/s",
        plan.peak_users(),
        plan.peak_rate()
    )?;
    writeln!(out, "\nscenarios")?;
    for scenario in &plan.scenarios {
        writeln!(out, "  {}: {}", scenario.name, load(scenario))?;
    }
    if !plan.services.is_empty() {
        writeln!(out, "\nservices it starts")?;
        for service in &plan.services {
            writeln!(out, "  {} ({})", service.name, service.kind)?;
        }
    }
    if !plan.parameters.is_empty() {
        writeln!(out, "\nparameters (-p name=value)")?;
        for parameter in &plan.parameters {
            let shown = parameter.shown();
            writeln!(out, "  {} = {}  {}", shown.name, shown.value, shown.about)?;
        }
    }
    if !plan.thresholds.is_empty() {
        writeln!(out, "\nthresholds")?;
        for (threshold, _) in &plan.thresholds {
            writeln!(out, "  {}", threshold.text)?;
        }
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
            "up to {} users (closed loop: not corrected for coordinated omission) for {}",
            curve.peak(),
            show_duration(curve.duration())
        ),
        Load::Rate { curve, .. } => format!(
            "{:.0} arrivals, up to {} per s, over {}, at most {} users",
            curve.total(),
            curve.peak(),
            show_duration(curve.duration()),
            scenario.most_users()
        ),
        Load::Iterations { total, .. } => {
            format!("{total} iterations by {} users", scenario.most_users())
        }
    };
    format!("{what}{begins}")
}
