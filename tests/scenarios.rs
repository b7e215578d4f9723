//! The scenarios of faults that come with loadrun, run whole and all at once: each on servers of its
//! own, made short by its parameters.
//!
//! They share two processors with each other and with whoever else is there, so nothing is asked of
//! them that depends on how fast the machine is: that what was declared was broken, showed its effect
//! and was put back, that what is certain by construction was told, and that nothing is left. Where
//! loadrun itself was late it says so in the place of a verdict; that is an answer, too.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a run has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A script that comes with loadrun, made short, and what is certain of a run of it.
struct Shipped {
    script: &'static str,
    arguments: &'static [&'static str],
    certain: fn(&Run),
}

const SHIPPED: &[Shipped] = &[
    Shipped { script: "recovery", arguments: &["--profile", "quick"], certain: recovery },
    Shipped {
        script: "redis_failures",
        arguments: &[
            "-p=rate=100",
            "-p=keys=200",
            "-p=calm=4",
            "-p=lasts=2",
            "-p=rest=2",
            "-p=damage=50%",
        ],
        certain: redis_failures,
    },
    Shipped {
        script: "network_failures",
        arguments: &["-p=rate=80", "-p=calm=4", "-p=lasts=3", "-p=rest=2"],
        certain: network_failures,
    },
    Shipped {
        script: "breaker",
        // Each worker has a breaker, which needs failures enough to open.
        arguments: &["--workers", "2", "-p=calm=6", "-p=lasts=3", "-p=rest=4"],
        certain: breaker,
    },
    Shipped {
        script: "retry_storm",
        // Users as patient as a busy machine makes them wait before anything is broken, a baseline
        // that outlasts the first moments of the databases beside it, and room for a late end.
        arguments: &["-p=rate=100", "-p=patience=1s", "-p=calm=12s", "-p=slow=7s", "-p=rest=25s"],
        certain: retry_storm,
    },
];

/// A run that has ended, in a folder of its own.
struct Run {
    folder: TempDir,
    outcome: Value,
    /// All it wrote.
    told: String,
}

impl Run {
    fn of(shipped: &Shipped) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Servers that do not run as root have their folders in it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(shipped.script);
        let run = Command::new(env!("CARGO_BIN_EXE_loadrun"))
            .arg(script.with_extension("lua"))
            .args(shipped.arguments)
            .current_dir(folder.path())
            .env("NO_COLOR", "1")
            .env("TMPDIR", folder.path())
            .env("XDG_STATE_HOME", folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = [run.stdout, run.stderr].map(|out| String::from_utf8_lossy(&out).into_owned());
        let told = told.concat();
        let results = folder.path().join("results").join(shipped.script);
        let stamp = fs::read_dir(results).unwrap_or_else(|_| panic!("{told}")).next().unwrap();
        let outcome = fs::read(stamp.unwrap().path().join("outcome.json")).unwrap();
        let outcome: Value = serde_json::from_slice(&outcome).unwrap();
        let verdict = outcome["verdict"].as_str().unwrap();
        let expected: &[i32] = match verdict {
            "VALID" => &[0, 1, 2],
            "GENERATOR_LIMITED" | "SCRIPT_LIMITED" => &[3],
            _ => panic!("{verdict}: {told}"),
        };
        assert!(expected.contains(&run.status.code().unwrap()), "{:?}: {told}", run.status);
        // Off the processor for long enough, a script is told to have stalled.
        let erred = outcome["script_errors"] != Value::Array(Vec::new());
        assert!(verdict != "VALID" || !erred, "{told}");
        Self { folder, outcome, told }
    }

    fn faults(&self) -> &[Value] {
        self.outcome["faults"].as_array().unwrap()
    }

    fn fault(&self, name: &str) -> &Value {
        let found = self.faults().iter().find(|fault| fault["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {}", self.told))
    }

    /// Each fault was there, in order, was seen to be gone, is judged, and did something where
    /// calls met it in time.
    fn broke(&self, names: &[&str]) {
        let told: Vec<_> =
            self.faults().iter().map(|fault| fault["name"].as_str().unwrap()).collect();
        assert_eq!(told, names, "{}", self.told);
        for fault in self.faults() {
            assert_eq!(
                (&fault["failed"], &fault["unclean"]),
                (&Value::Null, &Value::Null),
                "{fault}"
            );
            let [injected, cleared] = ["injected", "cleared"].map(|it| fault[it].as_f64().unwrap());
            assert!(injected >= fault["at"].as_f64().unwrap() && injected < cleared, "{fault}");
            let did = fault["touched"].as_u64() > Some(0) || fault["effect"].is_string();
            let verdict = fault["recovery"]["verdict"].as_str().unwrap();
            let idle = !self.is_met(fault);
            assert!(did && verdict != "no_effect" || idle, "{fault}\n{}", self.told);
            assert_ne!(verdict, "unclean", "{fault}\n{}", self.told);
            assert!(
                self.told.contains(&format!("{}  {verdict}: ", fault["name"].as_str().unwrap()))
            );
        }
    }

    /// Whether calls were made while a fault stood, and loadrun itself was not late with them.
    fn is_met(&self, fault: &Value) -> bool {
        let stood = &fault["recovery"]["fault"];
        let in_time = self.outcome["verdict"] == "VALID" && stood["limited"] != true;
        in_time && stood["calls"].as_u64() > Some(0)
    }

    /// What a fault came to, unless loadrun itself was late, or calls were lost before anything was
    /// broken: then the machine was too slow to show what is normal.
    fn came_to(&self, name: &str, verdict: &str) {
        let recovery = &self.fault(name)["recovery"];
        let found = recovery["verdict"].as_str().unwrap();
        let late = found == "generator_limited" || self.outcome["verdict"] != "VALID";
        let lost = |what| recovery["baseline"][what].as_u64() > Some(0);
        let slow = found == "no_baseline" && (lost("failed") || lost("dropped"));
        assert!(found == verdict || late || slow, "{found}\n{}", self.told);
    }

    /// What was counted for a threshold.
    fn value(&self, threshold: &str) -> f64 {
        let all = self.outcome["thresholds"].as_array().unwrap();
        let found = all.iter().find(|it| it["threshold"].as_str().unwrap().starts_with(threshold));
        let found = found.unwrap_or_else(|| panic!("no {threshold}: {}", self.told));
        found["value"].as_f64().unwrap_or_else(|| panic!("{found}: {}", self.told))
    }

    /// What a counter of the script came to.
    fn counted(&self, metric: &str) -> f64 {
        let all = self.outcome["series"].as_array().unwrap().iter();
        all.filter(|it| it["metric"] == metric)
            .filter_map(|it| it["total"]["counter"].as_f64())
            .sum()
    }

    /// Waits until no process, folder or journal of the run is there any more.
    fn leaves_nothing(&self) {
        let folder = self.folder.path().canonicalize().unwrap();
        while !at_work(&folder).is_empty() {
            thread::sleep(Duration::from_millis(20));
        }
        let mut left: Vec<_> = names(&folder).into_iter().filter(|it| it != "results").collect();
        left.retain(|it| it != "loadrun" || !names(&folder.join(it)).is_empty());
        assert_eq!(left, [] as [String; 0], "{}", self.told);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Processes that work in a folder, where the system shows it.
fn at_work(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let work = |entry: fs::DirEntry| fs::read_link(entry.path().join("cwd")).ok();
    entries.filter_map(work).filter(|place| place.starts_with(folder)).collect()
}

fn recovery(run: &Run) {
    run.broke(&["redis stopped", "connections killed", "blackhole"]);
    let during = |fault: &str, what: &str| {
        run.fault(fault)["recovery"]["fault"][what].as_u64().unwrap_or_default()
    };
    for fault in run.faults() {
        assert!(fault["recovery"]["after"]["good"].as_u64() > Some(0), "{fault}\n{}", run.told);
    }
    // Redis is gone around, the database is not.
    assert!(during("redis stopped", "degraded") > 0, "{}", run.told);
    assert!(during("connections killed", "failed") > 0, "{}", run.told);
    assert!(during("blackhole", "failed") > 0, "{}", run.told);
    let killed = run.fault("connections killed")["effect"].as_str().unwrap();
    assert!(killed.contains("connections ended"), "{killed}");
    let ledger = &run.outcome["ledgers"]["orders"];
    assert_eq!((&ledger["lost"], &ledger["duplicated"]), (&0.into(), &0.into()), "{}", run.told);
    assert!(ledger["acked"].as_u64() > Some(0), "{}", run.told);
}

fn redis_failures(run: &Run) {
    let effects = [
        ("refused", ""),
        ("timeout", ""),
        ("wrong-password", "refused"),
        ("memory-full", "commands refused"),
        ("evicts-lru", "keys evicted"),
        ("evicts-ttl", "keys evicted"),
        ("corruption", ""),
        ("restart", ""),
    ];
    run.broke(&effects.map(|(name, _)| name));
    for (name, effect) in effects {
        let said = run.fault(name)["effect"].as_str().unwrap_or_default();
        assert!(said.contains(effect), "{name}: {said}\n{}", run.told);
    }
    let failed = |name: &str| run.fault(name)["recovery"]["fault"]["failed"].as_u64().unwrap();
    assert!(failed("refused") > 0 && failed("timeout") > 0, "{}", run.told);
    // Users were given the source's value instead, and none a damaged one.
    assert!(run.counted("cache.fallback") > 0.0, "{}", run.told);
    assert!(run.counted("cache.damaged") > 0.0, "{}", run.told);
    let wrong = run.value("check.failed{check=users get the right value}");
    assert!(wrong.abs() < f64::EPSILON, "{}", run.told);
    let back = &run.fault("restart")["process"];
    assert!(back["ready"].as_f64() > back["away"].as_f64(), "{back}");
}

fn network_failures(run: &Run) {
    run.broke(&[
        "partition",
        "partition-2",
        "no connection",
        "flapping",
        "slow",
        "resets",
        "cascade cache",
        "cascade store",
        "cascade both",
        "cascade both-2",
        "partial",
    ]);
    assert!(run.value("check.failed").abs() < f64::EPSILON, "{}", run.told);
}

fn breaker(run: &Run) {
    run.broke(&["some fail", "all fail", "no redis"]);
    // Calls it did not let through are lost to those who wanted them, though none was made.
    let fault = &run.fault("all fail")["recovery"]["fault"];
    let [calls, refused, failed] =
        ["calls", "refused", "failed"].map(|it| fault[it].as_u64().unwrap());
    assert!(refused > failed / 2 && failed > calls / 3, "{fault}\n{}", run.told);
    assert!(fault["attempts"].as_f64() < Some(0.8), "{fault}\n{}", run.told);
    assert!(run.fault("all fail")["recovery"]["verdict"] != "tolerated", "{}", run.told);
    // Both breakers, the script's own and the service's, opened and closed again.
    assert!((run.value("client.opened_after") - 5.0).abs() < f64::EPSILON, "{}", run.told);
    assert!(run.value("client.closed") >= 1.0, "{}", run.told);
    for time in
        ["client.fail_fast", "service.opened_after", "service.fail_fast", "service.closed_after"]
    {
        assert!(run.value(time) > 0.0, "{time}: {}", run.told);
    }
}

fn retry_storm(run: &Run) {
    run.broke(&["slow"]);
    run.came_to("slow", "metastable");
}

#[test]
fn every_scenario_of_faults_breaks_what_it_says_tells_what_came_of_it_and_leaves_nothing() {
    thread::scope(|scope| {
        for shipped in SHIPPED {
            let named = thread::Builder::new().name(shipped.script.to_owned());
            let whole = || {
                let run = Run::of(shipped);
                (shipped.certain)(&run);
                run.leaves_nothing();
            };
            named.spawn_scoped(scope, whole).unwrap();
        }
    });
}
