//! `loadrun completions SHELL` and `loadrun man`: what a shell and `man` know of the command line.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::run::{RunArgs, print};
use crate::error::Error;

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
bash  loadrun completions bash > ~/.local/share/bash-completion/completions/loadrun
zsh   loadrun completions zsh > \"${fpath[1]}/_loadrun\"
fish  loadrun completions fish > ~/.config/fish/completions/loadrun.fish")]
pub struct CompletionsArgs {
    /// The shell that is to complete
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = "To read it: loadrun man | man -l -")]
pub struct ManArgs {
    /// Write a page for every command into this folder, such as ~/.local/share/man/man1
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Prints the completions.
pub fn run(args: &CompletionsArgs, line: Command) -> Result<u8, Error> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut with_run(line), "loadrun", &mut text);
    print(|out| out.write_all(&text))?;
    Ok(0)
}

/// Prints the page, or writes all of them.
pub fn man(args: &ManArgs, line: Command) -> Result<u8, Error> {
    let Some(folder) = &args.out else {
        print(|out| Man::new(with_run(line)).render(&mut *out))?;
        return Ok(0);
    };
    clap_mangen::generate_to(with_run(line), folder).map_err(|error| {
        Error::usage(
            format!("cannot write pages into {}: {error}", folder.display()),
            "name a folder that is there and can be written to",
        )
    })?;
    Ok(0)
}

/// The command line with what it takes when `run` is left out. What it is for stays its own.
fn with_run(line: Command) -> Command {
    let about = line.get_about().cloned().unwrap_or_default();
    RunArgs::augment_args(line).about(about).args_conflicts_with_subcommands(true)
}
