//! The pages for users know every module, function and metric there is, lead where they say, and ask
//! for nothing the program does not take.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the pages has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use loadrun::metric::BUILTIN;
use loadrun::sandbox::BEHAVIOURS;
use loadrun::script::api::MODULES;
use loadrun::script::{Source, load};

/// The README and every page of `docs/`, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    paths.push(root.join("README.md"));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The row of a table that begins with the given word, on whichever page it stands.
fn row(pages: &[(PathBuf, String)], word: &str) -> String {
    let start = format!("| `{word}` |");
    let mut lines = pages.iter().flat_map(|(_, text)| text.lines());
    lines.find(|line| line.starts_with(&start)).unwrap_or_default().to_owned()
}

#[test]
fn the_scripts_that_the_readme_runs_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    // What stands from there on is said of scripts of your own.
    let (shipped, _) = readme.split_once("\n## In CI").unwrap();
    let words = shipped.split(|c: char| c.is_whitespace() || c == '`');
    let named: Vec<_> = words.filter(|word| word.starts_with("scripts/")).collect();
    assert!(named.len() > 4, "{named:?}");
    for script in named {
        assert!(root.join(script).exists(), "{script}");
    }
}

#[test]
fn every_module_and_every_function_stands_in_the_table() {
    let pages = pages();
    let mut missing = Vec::new();
    for module in MODULES {
        let row = row(&pages, module.name);
        for function in module.functions {
            let name = function.rsplit(':').next().unwrap_or(function);
            if !row.contains(name.trim_matches(['(', ')'])) {
                missing.push(format!("{}: {function}", module.name));
            }
        }
        if row.is_empty() {
            missing.push(module.name.to_owned());
        }
    }
    assert!(missing.is_empty(), "not in docs/modules.md: {}", missing.join(", "));
}

#[test]
fn every_metric_stands_in_the_table_with_its_tags() {
    let pages = pages();
    for metric in BUILTIN {
        let row = row(&pages, metric.name);
        assert!(!row.is_empty(), "{} is not in docs/thresholds.md", metric.name);
        assert!(row.contains(metric.about), "{}: docs/thresholds.md says otherwise", metric.name);
        for tag in metric.tags {
            assert!(row.contains(&format!("`{tag}`")), "{}: no tag {tag}", metric.name);
        }
    }
}

#[test]
fn every_shipped_script_stands_in_the_table() {
    let pages = pages();
    let scripts = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")).unwrap();
    let paths = scripts.map(|entry| entry.unwrap().path());
    let missing: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "lua"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| row(&pages, name).is_empty())
        .collect();
    assert!(missing.is_empty(), "not in docs/scripts.md: {}", missing.join(", "));
}

#[test]
fn every_behaviour_of_the_practice_target_stands_in_its_table() {
    let (_, text) = pages().into_iter().find(|(path, _)| path.ends_with("modules.md")).unwrap();
    let (_, text) = text.split_once("## The practice target").unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let stands = |name: &str| rows.iter().any(|row| row.contains(&format!("`{name}`")));
    let missing: Vec<_> = BEHAVIOURS.iter().filter(|(name, _)| !stands(name)).collect();
    assert!(missing.is_empty(), "not in docs/modules.md: {missing:?}");
}

#[test]
fn the_first_script_of_the_readme_can_be_run() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.unwrap();
    let (_, script) = readme.split_once("```lua\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let loaded = load(Source {
        path: "first.lua".into(),
        folder: folder.path().to_owned(),
        text: script.as_bytes().into(),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        seed: 1,
    });
    let plan = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).plan;
    assert_eq!((plan.scenarios.len(), plan.thresholds.len()), (1, 2));
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || "- _".contains(c);
    heading.to_lowercase().chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_between_the_pages_leads_to_a_heading_that_is_there() {
    let mut broken = Vec::new();
    for (path, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let has = |text: &str| {
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                headings.any(|line| anchor(line.trim_start_matches('#').trim()) == heading)
            };
            let there = match heading {
                "" => file.exists(),
                _ => fs::read_to_string(&file).is_ok_and(|text| has(&text)),
            };
            if !there {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What the program says of a command.
fn help(command: &[&str]) -> Option<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    let told = program.args(command).arg("--help").output().unwrap();
    told.status.success().then(|| String::from_utf8(told.stdout).unwrap())
}

/// Every command line in a text that names an option: its words, but for what stands in quotes.
fn command_lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let said = text.split(['`', '\n']).filter_map(|said| {
        let (_, line) = said.split_once("loadrun ")?;
        line.split('#').next()
    });
    let words = said.map(|line| line.split('"').step_by(2).flat_map(str::split_whitespace));
    words.map(Iterator::collect).filter(|line: &Vec<&str>| {
        line.iter().any(|word| word.starts_with("--")) && !line.contains(&"COMMAND")
    })
}

#[test]
fn every_option_of_a_command_line_in_the_pages_is_one_that_the_program_takes() {
    let scripts = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")).unwrap();
    let scripts = scripts.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let commands = help(&[]).unwrap();
    let mut helps = BTreeMap::new();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for text in pages().into_iter().map(|(_, text)| text).chain(scripts) {
        for line in command_lines(&text) {
            let known = commands.lines().any(|told| told.starts_with(&format!("  {} ", line[0])));
            let command = match line[0] {
                "baseline" => line[..2].join(" "),
                _ if known => line[0].to_owned(),
                _ => "run".to_owned(),
            };
            let told = helps.entry(command.clone()).or_insert_with(|| {
                let words: Vec<_> = command.split(' ').collect();
                help(&words).unwrap_or_else(|| panic!("no command {command}"))
            });
            for option in line.iter().filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap_or(option);
                seen += 1;
                if !told.split_whitespace().any(|word| word == name) {
                    wrong.push(format!("loadrun {}: {name}", line.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 10, "the pages show {seen} options");
}
