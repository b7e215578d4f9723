//! The scripts that come with loadrun, each a whole run.

use super::*;

#[test]
fn every_shipped_script_passes_check_without_traffic() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let bench = Bench::new();
    let mut seen = 0;
    for entry in fs::read_dir(scripts).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "lua") {
            continue;
        }
        let output = bench.run(&["check", path.to_str().unwrap()]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(stdout(&output).contains("scenarios"), "{}", stdout(&output));
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} scripts found");
}

/// Runs a shipped script, made short, on servers of its own; what its summary says.
fn shipped(script: &str, parameters: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    let mut arguments = vec![path.to_str().unwrap(), "--quiet"];
    arguments.extend(parameters.iter().flat_map(|parameter| ["-p", parameter]));
    let output = Bench::new().run(&arguments);
    let said = stdout(&output) + &stderr(&output);
    assert!(said.contains("thresholds") && !said.contains("script errors"), "{said}");
    said
}

/// Asserts that thresholds were held which do not depend on how fast the machine is.
fn hold(said: &str, thresholds: &[&str]) {
    for threshold in thresholds {
        let held = said.lines().any(|line| {
            line.trim_start().strip_prefix("held").is_some_and(|it| it.contains(threshold))
        });
        assert!(held, "{threshold}\n{said}");
    }
}

/// The same on every database at once: most of it is waiting.
fn on_every_database(check: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for kind in ["kind=sqlite", "kind=postgres", "kind=mariadb"] {
            let check = &check;
            scope.spawn(move || check(kind));
        }
    });
}

#[test]
fn no_money_is_lost_where_many_move_it_between_few_accounts() {
    on_every_database(|kind| {
        let said = shipped("sql_contention.lua", &[kind, "duration=1s"]);
        hold(&said, &["money.difference value == 0, critical"]);
        assert!(said.contains("transfer"), "{said}");
    });
}

#[test]
fn every_statement_of_the_sql_bench_finds_what_it_asks_for_on_every_database() {
    on_every_database(|kind| {
        let said = shipped("sql_bench.lua", &[kind, "duration=1s", "rows=1000"]);
        hold(&said, &["sql.failed rate == 0", "check.failed rate == 0", "the item asked for"]);
        for name in ["by key", "by index", "join", "page", "insert 100", "all columns", "search"] {
            assert!(said.lines().any(|line| line.trim_start().starts_with(name)), "{name}\n{said}");
        }
    });
}

#[test]
fn every_scenario_of_caches_and_pools_finds_what_it_looks_for_on_servers_of_its_own() {
    let all: [(&str, &[&str], &[&str]); 5] = [
        ("cache_mix.lua", &["step=200ms"], &["cache.hits rate >= 80%", "redis.failed rate < 0.1%"]),
        (
            "cache_aside.lua",
            &["seconds=1", "products=100"],
            &["rush.loads count > 10", "check.failed rate == 0"],
        ),
        (
            "pubsub.lua",
            &["seconds=1", "rate=200"],
            &["pubsub.disordered rate == 0", "redis.failed rate == 0"],
        ),
        (
            "pool_limits.lua",
            &["seconds=1"],
            &[
                "sql.failed{scenario=waiting} rate == 0",
                "server.busy max <= 20",
                "sql.refused{scenario=crowding} count > 0",
            ],
        ),
        (
            "cache_scale.lua",
            &["seconds=1", "memory=1"],
            &[
                "redis.failed rate == 0",
                "scale.overhead{size=100, entries=10000} max <= 200B",
                "scale.gone{by=lru} count > 0",
                "scale.gone{by=ttl} count > 0",
            ],
        ),
    ];
    std::thread::scope(|scope| {
        for (script, parameters, thresholds) in all {
            scope.spawn(move || hold(&shipped(script, parameters), thresholds));
        }
    });
}

#[test]
fn a_stalled_target_is_measured_as_arithmetic_says() {
    // It tells that a busy machine cannot be believed; a wrong loadrun is wrong each time.
    let mut outputs = (0..5).map(|_| Bench::new().run(&["selftest", "--quiet"]));
    let output = outputs.find(|output| code(output) != 3);
    let output = output.expect("what is measured differs, or this machine is too busy");
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
}
