//! What a run shows while it goes on, with the real binary: on a terminal, where there is none, and
//! where it is asked to be quiet or to tell more. Runs go on until what is looked for was seen, and a
//! stage of a run that is looked for takes its time: one that is over at once may never be drawn.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const SCRIPT: &str = r#"local log = require "loadrun.log"
local param = require "loadrun.param"
local time = require "loadrun.time"
local each, setup = param("each", "5ms"), param("setup", "0s")
return {
  setup = function()
    log.debug("a detail") log.info("a fact") log.warn("a doubt")
    time.sleep(setup)
  end,
  scenarios = {
    steady = {
      rate = 20, duration = param("lasts", "10m"),
      run = function() time.sleep(each) end,
    },
  },
  thresholds = { "iteration.duration p95 < 1h" },
}"#;

/// A run whose target, script and names all hold what steers a terminal.
const HOSTILE: &str = r#"local log = require "loadrun.log"
local check = require "loadrun.check"
local http = require "loadrun.http"
local evil = "\27[31mRED\27]0;pwn\7"
local shop = http.client { base = "http://127.0.0.1:1" }
return { scenarios = {
  one = { iterations = 1, run = function()
    shop:get("/", { name = "row\n" .. evil })
    check(nil, { ["check " .. evil] = false })
    log.warn("warned " .. evil)
    error("broke " .. evil)
  end },
} }"#;

/// Gives a program a terminal of its own: what it writes there comes out of the pipe, and what goes
/// into the other is typed.
const TERMINAL: &str = "import pty, sys; pty.spawn(sys.argv[1:])";

/// A folder with the script in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("script.lua"), SCRIPT).unwrap();
    folder
}

/// A run under way; one that a test gives up, because it has failed, is killed.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        // On a terminal this is whose it is: with it the terminal goes, and with that the run.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program with pipes for all it reads and writes.
fn piped(mut command: Command, folder: &Path) -> Run {
    command.current_dir(folder).env_remove("NO_COLOR").stdin(Stdio::piped());
    Run(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// A run that has a terminal, with this in its environment.
fn on_a_terminal(folder: &Path, environment: &[&str], arguments: &[&str]) -> Run {
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL, "env"]).args(environment);
    command.args([env!("CARGO_BIN_EXE_loadrun"), "script.lua"]).args(arguments);
    piped(command, folder)
}

fn in_pipes(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.arg("script.lua").args(arguments);
    piped(command, folder)
}

/// Reads until this was read.
fn until(from: &mut impl Read, wanted: &str) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(wanted.as_bytes()) {
        assert_eq!(from.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&read));
        read.extend(byte);
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// All that comes until the end.
fn rest(from: &mut impl Read) -> String {
    let mut read = Vec::new();
    from.read_to_end(&mut read).unwrap();
    String::from_utf8_lossy(&read).into_owned()
}

/// Whether a text asks a terminal for colours: `ESC [ ... m`.
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
    })
}

#[test]
fn a_terminal_is_drawn_on_and_coloured_unless_it_is_asked_not_to_be() {
    let folder = folder();
    for (colour, environment) in
        [(true, &["TERM=xterm"][..]), (false, &["TERM=xterm", "NO_COLOR=1"])]
    {
        let Run(run) = &mut on_a_terminal(folder.path(), environment, &["-p", "each=1s"]);
        let out = run.stdout.as_mut().unwrap();
        let drawn = until(out, " per s  p95 ");
        // Where the cursor goes back, lines are drawn anew.
        assert!(drawn.contains("\u{1b}["), "{drawn:?}");
        let line = drawn.rsplit("steady").next().unwrap();
        assert!(line.contains(" left  ") && line.contains(" user"), "{drawn:?}");
        assert!(drawn.contains(" of 10:00"), "{drawn:?}");
        // Ctrl-C, as it is typed.
        run.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
        let end = rest(run.stdout.as_mut().unwrap());
        assert!(end.contains("stopping: waiting for running iterations"), "{end:?}");
        assert!(end.contains("INCOMPLETE") && end.contains("held"), "{end:?}");
        assert_eq!(is_coloured(&end), colour, "{end:?}");
        run.wait().unwrap();
    }
}

#[test]
fn nothing_that_steers_a_terminal_comes_from_a_script_or_its_target() {
    let folder = folder();
    fs::write(folder.path().join("script.lua"), HOSTILE).unwrap();
    let Run(run) = &mut in_pipes(folder.path(), &["--report", "text"]);
    let err = rest(run.stderr.as_mut().unwrap());
    let out = rest(run.stdout.as_mut().unwrap());
    let shown = r"\u{1b}[31mRED\u{1b}]0;pwn\u{7}";
    assert!(err.contains(&format!("warning: warned {shown}\n")), "{err:?}");
    for told in ["row\\n", "check ", "warned ", "broke "] {
        assert!(out.contains(&format!("{told}{shown}")), "{told}: {out:?}");
    }
    run.wait().unwrap();
    // A terminal that knows no such thing is told nothing of colours either.
    let Run(run) = &mut on_a_terminal(folder.path(), &["TERM=dumb"], &[]);
    let dumb = rest(run.stdout.as_mut().unwrap());
    assert!(dumb.contains(&format!("broke {shown}")), "{dumb:?}");
    for told in [err, out, dumb] {
        assert!(!told.contains(['\u{1b}', '\u{7}']), "{told:?}");
    }
}

#[test]
fn without_a_terminal_progress_is_plain_lines_and_verbose_tells_more() {
    let folder = folder();
    let Run(run) = &mut in_pipes(folder.path(), &["--verbose", "-p", "setup=1s"]);
    let told = until(run.stderr.as_mut().unwrap(), " failed (0.0 %)\n");
    for line in ["debug: a detail\n", "a fact\n", "warning: a doubt\n", "setup\n"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let progress = told.lines().last().unwrap();
    assert!(progress.contains(" s  steady  ") && progress.contains(" left  "), "{progress}");
    assert!(progress.contains(" per s  p95 "), "{progress}");
    let pid = rustix::process::Pid::from_child(run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let summary = rest(run.stdout.as_mut().unwrap());
    assert!(summary.contains("INCOMPLETE"), "{summary}");
    assert!(!(told + &summary).contains('\u{1b}'), "{summary}");
    assert_eq!(run.wait().unwrap().code(), Some(130));
}

#[test]
fn a_quiet_run_shows_what_its_script_says_and_its_summary() {
    let folder = folder();
    let Run(run) = &mut in_pipes(folder.path(), &["--quiet", "-p", "lasts=100ms"]);
    let [out, err] = [rest(run.stdout.as_mut().unwrap()), rest(run.stderr.as_mut().unwrap())];
    assert_eq!(err, "a fact\nwarning: a doubt\n");
    assert!(out.contains("script  ") && out.contains("thresholds"), "{out}");
}
