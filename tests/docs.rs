//! The README knows every module, function and metric there is.

use loadrun::metric::BUILTIN;
use loadrun::script::api::MODULES;

const README: &str = include_str!("../README.md");

/// The row of a table that begins with the given word.
fn row(word: &str) -> &'static str {
    let start = format!("| `{word}` |");
    README.lines().find(|line| line.starts_with(&start)).unwrap_or("")
}

#[test]
fn every_module_and_every_function_stands_in_the_table() {
    let mut missing = Vec::new();
    for module in MODULES {
        let row = row(module.name);
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
    assert!(missing.is_empty(), "not in the README: {}", missing.join(", "));
}

#[test]
fn every_metric_stands_in_the_table_with_its_tags() {
    for metric in BUILTIN {
        let row = row(metric.name);
        assert!(!row.is_empty(), "{} is not in the README", metric.name);
        assert!(row.contains(metric.about), "{}: the README says otherwise", metric.name);
        for tag in metric.tags {
            assert!(row.contains(&format!("`{tag}`")), "{}: no tag {tag}", metric.name);
        }
    }
}
