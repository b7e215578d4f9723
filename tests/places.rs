//! Places that take nothing, with the real binary: folders that are read-only, disks that are full.
//!
//! Told before the run where it can be known, and else with all there is of the run; what is left
//! behind is whole.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// Makes no call, and needs nothing but a place for its results.
const SCRIPT: &str = "return { scenarios = { s = { iterations = 5, run = function() end } } }";

/// The same until it is told to end.
const ENDLESS: &str = r#"require("loadrun.param")("x", 1, "of nothing")
return {
  scenarios = { s = { users = 1, duration = "10m", run = function()
    require("loadrun.time").sleep("10ms")
  end } },
}"#;

/// A folder with scripts, in which the binary is run; permissions hold there even for root.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        for (name, text) in [("a.lua", SCRIPT), ("b.lua", SCRIPT), ("endless.lua", ENDLESS)] {
            fs::write(bench.path(name), text).unwrap();
        }
        give_up_privileges();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1");
        command.env("LOADRUN", env!("CARGO_BIN_EXE_loadrun"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        said(&self.command(env!("CARGO_BIN_EXE_loadrun"), arguments).output().unwrap())
    }

    /// Starts a run of what does not end, and waits until it makes load.
    fn begin(&self, arguments: &[&str]) -> Child {
        let report = ["--quiet", "--report", "ndjson"];
        let arguments = [arguments, &report].concat();
        let mut run = self.command(env!("CARGO_BIN_EXE_loadrun"), &arguments).spawn().unwrap();
        while !self.left("results/endless").iter().any(|left| left.ends_with("seconds.ndjson")) {
            assert!(run.try_wait().unwrap().is_none(), "the run ended by itself");
            sleep(Duration::from_millis(20));
        }
        run
    }

    fn allow(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The files in a folder and below, from there.
    fn left(&self, folder: &str) -> Vec<PathBuf> {
        let mut left = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { left.push(path) }
            }
        }
        left.sort();
        left
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Whatever a test has forbidden, or it could not be removed.
        let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(self.0.path()).status();
    }
}

/// Lets permissions hold for what this thread starts, if it is root that runs the tests.
fn give_up_privileges() {
    #[cfg(target_os = "linux")]
    if rustix::process::geteuid().is_root() {
        use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
        for held in [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH] {
            remove_capability_from_bounding_set(held).unwrap();
        }
    }
}

/// Exit code, stdout, stderr.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn interrupted(run: Child) -> (i32, String, String) {
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    said(&run.wait_with_output().unwrap())
}

fn is_whole_lines(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap();
    text.ends_with('\n')
        && text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
}

#[test]
fn a_read_only_results_folder_is_told_before_anything_runs() {
    let bench = Bench::new();
    for folder in ["results/a", "results/b", "results/suite"] {
        fs::create_dir_all(bench.path(folder)).unwrap();
    }
    let refused = |arguments: &[&str], place: &str| {
        let (exit, out, err) = bench.run(arguments);
        assert_eq!((exit, out.as_str()), (4, ""), "{err}");
        let what = format!("error: cannot write results to {place}: Permission denied");
        assert!(err.starts_with(&what) && err.contains("\n  hint: choose a writable"), "{err}");
        assert_eq!(bench.left("results"), Vec::<PathBuf>::new());
    };
    bench.allow("results/b", 0o555);
    refused(&["b.lua"], "results/b");
    refused(&["a.lua", "b.lua"], "results/b");
    bench.allow("results/b", 0o755);
    bench.allow("results/suite", 0o555);
    refused(&["a.lua", "b.lua"], "results/suite");
    bench.allow("results", 0o555);
    refused(&["endless.lua"], "results/endless");
    refused(&["ab", "endless.lua", "--a", "x=1", "--b", "x=2", "-q"], "results/endless");
    bench.allow("results", 0o755);
    let (exit, _, err) = bench.run(&["a.lua", "--out", "a.lua"]);
    assert_eq!(exit, 4);
    assert!(err.contains("cannot write results to a.lua/a: Not a directory"), "{err}");
}

#[test]
fn a_folder_that_becomes_read_only_during_a_run_costs_the_file_and_not_the_summary() {
    let bench = Bench::new();
    let run = bench.begin(&["endless.lua"]);
    let stamp = bench.left("results/endless")[0].parent().unwrap().to_owned();
    bench.allow(stamp.to_str().unwrap(), 0o555);
    let (exit, out, err) = interrupted(run);
    assert_eq!(exit, 5, "{out}{err}");
    assert!(out.contains("endless  INCOMPLETE") && out.contains("generator"), "{out}");
    assert!(!out.contains("results  "), "{out}");
    let told = "/outcome.json: permission denied\n  hint: what was printed is all there is";
    assert!(err.contains(told), "{err}");
    let left = bench.left("results");
    assert!(left.len() == 1 && is_whole_lines(&left[0]), "{left:?}");
}

#[test]
fn a_suite_whose_folder_becomes_read_only_still_ends_with_its_table() {
    let bench = Bench::new();
    let run = bench.begin(&["a.lua", "endless.lua"]);
    let stamp = fs::read_dir(bench.path("results/suite")).unwrap().next().unwrap().unwrap().path();
    bench.allow(stamp.to_str().unwrap(), 0o555);
    let (exit, out, err) = interrupted(run);
    assert_eq!(exit, 5, "{out}{err}");
    let (_, table) = out.split_once("\nsuite  ").unwrap();
    assert!(table.contains("a.lua") && table.contains("INCOMPLETE"), "{table}");
    assert!(err.contains("/summary.json: permission denied"), "{err}");
    assert!(bench.left("results/endless").iter().any(|left| left.ends_with("outcome.json")));
}

#[test]
fn a_read_only_history_is_warned_of_spoils_no_run_and_can_be_read() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["a.lua", "-q"]).0, 0);
    let before = fs::read(bench.path("results/history.db")).unwrap();
    bench.allow("results/history.db", 0o444);
    let (exit, out, err) = bench.run(&["a.lua", "-q"]);
    assert_eq!(exit, 0, "{out}{err}");
    let told = "warning: history results/history.db: cannot be written to\n  hint: check its";
    assert!(err.starts_with(told), "{err}");
    assert_eq!(bench.left("results/a").len(), 2, "both outcomes are kept");
    bench.allow("results", 0o555);
    let (exit, out, err) = bench.run(&["history", "a"]);
    assert!(exit == 0 && out.contains("a  1 run, 1 VALID"), "{out}{err}");
    assert_eq!(fs::read(bench.path("results/history.db")).unwrap(), before);
    bench.allow("results/history.db", 0o000);
    let (exit, _, err) = bench.run(&["history", "a"]);
    assert_eq!(exit, 4);
    assert!(err.starts_with("error: history results/history.db: cannot be opened"), "{err}");
}

#[test]
fn a_place_that_takes_no_baseline_and_no_page_is_named_with_what_to_do() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["a.lua", "-q"]).0, 0);
    assert_eq!(bench.run(&["baseline", "save", "main", "results/a"]).0, 0);
    assert_eq!(bench.run(&["a.lua", "-q"]).0, 0);
    let before = fs::read(bench.path("results/baselines/main.json")).unwrap();
    fs::create_dir(bench.path("kept")).unwrap();
    bench.allow("results/baselines", 0o555);
    bench.allow("kept", 0o555);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["baseline", "save", "next", "results/a"], 4, "baselines/next.json: permission denied"),
        (
            &["baseline", "save", "main", "--replace", "results/a"],
            4,
            "baselines/main.json: permission denied",
        ),
        (&["baseline", "rm", "main"], 4, "baselines/main.json: Permission denied"),
        (&["report", "results/a", "--html", "kept/page.html"], 5, "kept/page.html: permission"),
        (&["history", "--html", "kept/page.html"], 5, "kept/page.html: permission denied"),
        (&["compare", "main", "results/a", "--html", "kept/page.html"], 5, "kept/page.html: perm"),
        (&["init", "kept/load"], 4, "cannot write kept/load: Permission denied"),
        (&["man", "--out", "kept"], 4, "cannot write pages into kept: Permission denied"),
    ];
    for (arguments, expected, told) in cases {
        let (exit, out, err) = bench.run(arguments);
        assert_eq!(exit, *expected, "{arguments:?}: {out}{err}");
        assert!(err.contains(told) && err.contains("\n  hint: "), "{arguments:?}: {err}");
        assert!(!err.contains("free the disk"), "{arguments:?}: {err}");
        assert_eq!(out.is_empty(), arguments[0] != "compare", "{arguments:?}: {out}");
    }
    assert_eq!(bench.left("kept"), Vec::<PathBuf>::new());
    assert_eq!(bench.left("results/baselines").len(), 1);
    assert_eq!(fs::read(bench.path("results/baselines/main.json")).unwrap(), before);
}

#[test]
fn a_limit_to_the_size_of_files_is_told_before_the_run_and_ends_nobody() {
    let bench = Bench::new();
    let limited = |blocks: u32, arguments: &[&str]| {
        let program = format!("ulimit -f {blocks}; exec \"$LOADRUN\" \"$@\"");
        let arguments = [&["-c", &program, "sh"], arguments].concat();
        said(&bench.command("sh", &arguments).output().unwrap())
    };
    let (exit, out, err) = limited(8, &["a.lua", "-q"]);
    assert_eq!((exit, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("results/a: File too large") && err.contains("ulimit -f"), "{err}");
    assert_eq!(bench.left("results"), Vec::<PathBuf>::new());
    assert_eq!(bench.run(&["a.lua", "-q"]).0, 0);
    let (exit, _, err) = limited(1, &["report", "results/a", "--html", "page.html"]);
    assert_eq!(exit, 5, "{err}");
    assert!(err.contains("page.html: file too large\n  hint: allow larger files"), "{err}");
    assert!(!bench.path("page.html").exists());
}

/// Fills a disk of 2 MiB before a run and during one, and one that has the history alone.
#[cfg(target_os = "linux")]
const FULL: &str = r#"
mkdir results small
mount -t tmpfs -o size=2m tmpfs results && mount -t tmpfs -o size=8k tmpfs small || exit 99
fill() { cat /dev/zero > results/ballast; }
fill 2>/dev/null
"$LOADRUN" a.lua -q > full.out 2> full.err; echo $? > full.exit
rm results/ballast
find results -type f > full.left

ln -s ../small/history.db results/history.db
"$LOADRUN" a.lua -q > history.out 2> history.err; echo $? > history.exit
"$LOADRUN" history > none.out 2> none.err; echo $? > none.exit
rm results/history.db

"$LOADRUN" endless.lua -q --report ndjson > during.out 2> during.err & run=$!
until [ -s "$(echo results/endless/*/seconds.ndjson)" ]; do
  kill -0 $run || exit 98
  sleep 0.05
done
fill 2>/dev/null
kill -INT $run
wait $run; echo $? > during.exit
find results/endless -type f > during.left
cat results/endless/*/seconds.ndjson > during.ndjson
rm results/ballast
"$LOADRUN" a.lua -q > freed.out 2> freed.err; echo $? > freed.exit
"#;

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_before_the_run_and_a_run_that_fills_it_still_tells_what_it_did() {
    let bench = Bench::new();
    let own = if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" };
    let mounted = bench.command("unshare", &[own, "sh", "-c", FULL]).output().unwrap();
    let code = mounted.status.code().unwrap_or(-1);
    let refused = String::from_utf8_lossy(&mounted.stderr).into_owned();
    if code == 99 || refused.starts_with("unshare: ") {
        // Nobody may mount a disk here, so none is full.
        return;
    }
    assert_eq!(code, 0, "{refused}");
    let text = |name: &str| fs::read_to_string(bench.path(name)).unwrap();
    let ended = |of: &str| {
        let exit = text(&format!("{of}.exit")).trim().parse::<i32>().unwrap();
        (exit, text(&format!("{of}.out")), text(&format!("{of}.err")))
    };
    let (exit, out, err) = ended("full");
    assert_eq!((exit, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("cannot write results to results/a: No space left on device"), "{err}");
    assert!(err.contains("hint: free the disk, or choose another folder with --out"), "{err}");
    assert_eq!(text("full.left"), "");

    let (exit, out, err) = ended("history");
    assert_eq!(exit, 0, "{out}{err}");
    assert!(err.contains("warning: history results/history.db: the disk is full"), "{err}");
    let (exit, _, err) = ended("none");
    assert!(exit == 4 && err.contains("no history in results"), "{err}");

    let (exit, out, err) = ended("during");
    assert_eq!(exit, 5, "{out}{err}");
    assert!(out.contains("endless  INCOMPLETE") && out.contains("generator"), "{out}");
    assert!(err.contains("/outcome.json: no storage space\n  hint: what was printed is"), "{err}");
    assert!(err.trim_end().ends_with("free the disk, or choose another place"), "{err}");
    let left = text("during.left");
    assert!(left.lines().all(|file| file.ends_with("/seconds.ndjson")), "{left}");
    assert!(is_whole_lines(&bench.path("during.ndjson")));
    let (exit, out, err) = ended("freed");
    assert_eq!((exit, err.as_str()), (0, ""), "{out}");
}
