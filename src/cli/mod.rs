//! What is typed: the command line, one file a command.
//!
//! Only this room prints, and `progress` is its only file that draws. A command returns its exit
//! code or an [`Error`]; `main` does the rest.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::error::Error;
use crate::report::{Ink, visible};

mod ab;
mod baseline;
mod check;
mod compare;
mod completions;
mod folder;
mod guard;
mod history;
mod init;
mod progress;
mod proxy;
mod report;
mod run;
mod sandbox;
mod scripts;
mod selftest;
mod source;
mod state;
mod stop;
mod suite;
mod undo;

/// Load and proof from one Lua file.
#[derive(Debug, Parser)]
#[command(name = "loadrun", version, after_help = AFTER_HELP)]
#[command(override_usage = "loadrun [OPTIONS] <SCRIPT>...\n       loadrun <COMMAND> [OPTIONS]")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a script, or several one after the other; `loadrun SCRIPT` is short for it
    Run(run::RunArgs),
    /// Say what scripts would do, without any traffic
    Check(check::CheckArgs),
    /// Write reports of a run that has ended, from its outcome.json
    Report(report::ReportArgs),
    /// Say whether one run, or several, is slower than another
    Compare(compare::CompareArgs),
    /// Run a script against two targets in turn, and say which is faster
    Ab(ab::AbArgs),
    /// Keep runs under a name, to compare later ones with
    Baseline(baseline::BaselineArgs),
    /// Say how the runs of a script followed each other
    History(history::HistoryArgs),
    /// Run the practice target, a small message service to load
    Sandbox(sandbox::SandboxArgs),
    /// Run a TCP proxy whose connections can be slowed, held, cut and reset; Toxiproxy's API
    Proxy(proxy::ProxyArgs),
    /// Prove on this machine that a stalled target is measured as arithmetic says
    Selftest(selftest::SelftestArgs),
    /// Lay out a folder of scenarios, with types for an editor and a workflow for CI
    Init(init::InitArgs),
    /// Print what a shell needs to complete this command line
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man(completions::ManArgs),
    /// Put right what a run that died has left broken
    Undo(undo::UndoArgs),
    /// Stand between a run and one of its servers, and end the server with the run
    #[command(hide = true)]
    Guard(guard::GuardArgs),
}

const AFTER_HELP: &str = "\
Options of a run: loadrun run --help

Exit codes:
  0    EXCELLENT or GOOD, or nothing was asked
  1    FAIR
  2    POOR
  3    ran, but the numbers cannot be believed (the run verdict is not VALID)
  4    could not start: usage, script, plan, a service that is not there
  5    broke while running
  130  interrupted; the report covers what was done
Of compare and ab: 0 no regression, 1 regressed, 3 cannot be told or compared";

/// The whole program.
pub fn main() -> ExitCode {
    let line = match Line::try_parse_from(completed(std::env::args_os().collect())) {
        Ok(line) => line,
        Err(told) => return usage(&told),
    };
    allow_many_connections();
    outlive_full_files();
    let done = match line.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Ab(args) => ab::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::History(args) => history::run(&args),
        Command::Sandbox(args) => sandbox::run(args),
        Command::Proxy(args) => proxy::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Completions(args) => completions::run(&args, Line::command()),
        Command::Man(args) => completions::man(&args, Line::command()),
        Command::Undo(args) => Ok(undo::run(&args)),
        Command::Guard(args) => guard::run(&args),
    };
    ExitCode::from(done.unwrap_or_else(|error| failed(&error)))
}

/// The command line with `run` put in where it was left out.
fn completed(mut words: Vec<OsString>) -> Vec<OsString> {
    let whole = ["help", "-h", "--help", "-V", "--version"];
    let line = Line::command();
    let known = |word: &OsString| {
        let command = line.get_subcommands().any(|command| word == command.get_name());
        command || whole.iter().any(|whole| word == whole)
    };
    if words.get(1).is_some_and(|first| !known(first)) {
        words.insert(1, "run".into());
    }
    words
}

/// What may be typed as a command.
fn command_names() -> Vec<String> {
    let line = Line::command();
    let told = line.get_subcommands().filter(|command| !command.is_hide_set());
    told.map(|command| command.get_name().to_owned()).collect()
}

/// Raises the number of open files to what this process may have: each user is a connection.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // Refused at worst, and then the limit stays what it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Lets a file that may not grow be an error like a full disk, and not the end of the program.
fn outlive_full_files() {
    // Where it cannot be caught the program ends there, as any other does.
    let _ = stop::ignore(Signal::XFSZ);
}

/// Help and version go to stdout and succeed where they can be printed; anything else could not
/// start, also where even that cannot be.
fn usage(told: &clap::Error) -> ExitCode {
    let printed = told.print();
    if told.use_stderr() {
        return ExitCode::from(4);
    }
    let done = run::print(|out| printed.and_then(|()| out.flush()));
    ExitCode::from(done.map_or_else(|error| failed(&error), |()| 0))
}

/// Says why the program ends; its exit code.
fn failed(error: &Error) -> u8 {
    tell(&error.to_string());
    error.exit_code()
}

/// Colours where a person looks and has not asked for none; lines as long as the terminal's.
fn ink() -> Ink {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let colour = wanted && io::stdout().is_terminal() && !dumb();
    let width = console::Term::stdout().size_checked().map(|(_, columns)| columns.into());
    Ink { colour, width }
}

/// Whether the terminal can only show lines, one after the other.
fn dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb")
}

/// Writes a line to stderr; where nobody listens, nobody is told.
fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", visible(text));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every command line that the pages for users show, without its comment.
    fn shown() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let pages = docs.filter(|path| path.extension().is_some_and(|end| end == "md"));
        let mut lines = Vec::new();
        for page in pages.chain([root.join("README.md")]) {
            let text = std::fs::read_to_string(page).unwrap();
            let whole = text.lines().map(|line| line.trim_start_matches("- run: "));
            let whole = whole.filter(|line| line.starts_with("loadrun "));
            lines.extend(whole.filter_map(|line| line.split(" #").next()).map(str::to_owned));
            let quoted = text.replace('\n', " ");
            let quoted = quoted.split('`').filter(|part| part.starts_with("loadrun "));
            lines.extend(quoted.map(str::to_owned));
        }
        lines
    }

    #[test]
    fn every_command_line_of_the_pages_is_understood() {
        let lines = shown();
        assert!(lines.len() > 30, "{lines:?}");
        for line in lines {
            // What stands for a word to choose, and what another program is to do with it.
            let typed = line.split(['|', '\\']).next().unwrap().replace("SHELL", "bash");
            let words = completed(typed.split_whitespace().map(OsString::from).collect());
            let names_a_command = words.len() == 2;
            if let Err(told) = Line::try_parse_from(words) {
                let whole = told.use_stderr() && !names_a_command;
                assert!(!whole, "{line}: {told}");
            }
        }
    }
}
