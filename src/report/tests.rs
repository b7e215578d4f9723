//! Golden texts of every report, from one outcome made by hand.

use super::suite::{self, Ended, Part, Suite};
use super::{Ink, Report, json, ndjson, text};
use crate::compare::Finding;
use crate::metric::{Distribution, Kind, Metric, Tags, Total, Unit};
use crate::outcome::{FailureSample, Outcome, RunVerdict, Second, SeriesOutcome, SeriesSecond};

mod compared;
mod made;
mod schema;

use compared::gate;
pub(super) use made::outcome;

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_text_summary() {
    let place = Some("results/shop/stamp/outcome.json");
    insta::assert_snapshot!(written(|out| text(&outcome(), place, Ink::PLAIN, out)));
}

#[test]
fn a_counter_is_told_to_be_0_only_where_nothing_else_of_it_is_told() {
    let mut outcome = outcome();
    outcome.plan.metrics.push(Metric::new("picks", Kind::Counter, Unit::Number));
    let idle = SeriesOutcome {
        metric: "picks".to_owned(),
        kind: Kind::Counter,
        tags: Tags::default(),
        total: Total::Counter(0.0),
        ..outcome.series[0].clone()
    };
    let rows = |outcome: &Outcome| -> Vec<String> {
        let text = written(|out| text(outcome, None, Ink::PLAIN, out));
        let own = text.lines().filter(|line| line.starts_with("  picks"));
        own.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let on_the_page = |outcome: &Outcome| {
        let page = written(|out| Report::Html.write(outcome, None, out));
        page.matches("<code>picks</code>").count()
    };
    outcome.series.push(idle.clone());
    assert_eq!((rows(&outcome), on_the_page(&outcome)), (vec!["picks 0".to_owned()], 1));
    let tags = Tags::new([("which", "a")]);
    outcome.series.push(SeriesOutcome { tags, total: Total::Counter(3.0), ..idle });
    assert_eq!((rows(&outcome), on_the_page(&outcome)), (vec!["picks which=a 3".to_owned()], 1));
}

#[test]
fn a_tag_with_values_without_end_does_not_fill_the_screen() {
    let mut outcome = outcome();
    outcome.plan.metrics.push(Metric::new("picks", Kind::Counter, Unit::Number));
    for id in 100..200 {
        outcome.series.push(SeriesOutcome {
            metric: "picks".to_owned(),
            kind: Kind::Counter,
            tags: Tags::new([("id", &*id.to_string())]),
            total: Total::Counter(1.0),
            ..outcome.series[0].clone()
        });
    }
    let text = written(|out| text(&outcome, None, Ink::PLAIN, out));
    assert!(text.contains("id=100") && !text.contains("id=199"), "{text}");
    assert!(text.contains(" more  ") && text.contains("see outcome.json"), "{text}");
}

#[test]
fn calls_of_two_kinds_with_one_name_can_be_told_apart_wherever_they_are_told() {
    let mut outcome = outcome();
    let own = |series: &&SeriesOutcome| {
        series.metric == "http.duration" && series.tags.find("name") == Some("item")
    };
    let statement = outcome.series.iter().find(own).unwrap().clone();
    outcome.series.push(SeriesOutcome { metric: "sql.duration".to_owned(), ..statement });
    let failure = outcome.failures[0].clone();
    outcome.failures.push(FailureSample { metric: "sql.failed".to_owned(), ..failure });
    let text = written(|out| text(&outcome, None, Ink::PLAIN, out));
    let forms = [Report::Markdown, Report::Html, Report::Junit].map(|form| file(form, &outcome));
    for told in [&text].into_iter().chain(&forms) {
        // In the table of failures, and but for JUnit in that of operations.
        let least = if told.contains("<testsuites") { 1 } else { 2 };
        for name in ["item (http)", "item (sql)"] {
            assert!(told.matches(name).count() >= least, "{name} in {told}");
        }
    }
}

/// The golden outcome with operations and failures of a hundred names more, the later the slower.
fn with_a_hundred_names() -> Outcome {
    let mut outcome = outcome();
    for id in 100..200 {
        let name = format!("by id {id}");
        let mut times = Distribution::new();
        times.record(id * 1_000_000_000);
        outcome.series.push(SeriesOutcome {
            metric: "sql.duration".to_owned(),
            kind: Kind::Trend,
            tags: Tags::new([("scenario", "buyers"), ("name", &*name)]),
            total: Total::Trend(times),
            ..outcome.series[0].clone()
        });
        outcome.failures.push(FailureSample { name, count: id, ..outcome.failures[0].clone() });
    }
    outcome
}

#[test]
fn of_names_without_end_those_are_told_that_took_the_most_time() {
    let outcome = with_a_hundred_names();
    let text = written(|out| text(&outcome, None, Ink::PLAIN, out));
    for table in ["operations", "failures"] {
        let (_, told) = text.split_once(&format!("\n{table}\n")).unwrap();
        let (told, _) = told.split_once("\n\n").unwrap();
        assert!(told.contains("by id 199") && !told.contains("by id 159"), "{told}");
        assert!(told.contains("by id 160") && told.contains("\n  61 more"), "{told}");
    }
    let page = file(Report::Html, &outcome);
    assert!(page.contains("by id 100"), "the page has them all");
}

#[test]
fn what_was_waited_for_connections_has_columns_where_it_counts_for_anything() {
    let told = |waited: u64| {
        let mut outcome = outcome();
        let tags = Tags::new([("scenario", "buyers"), ("name", "by key")]);
        for (metric, ms) in [("sql.duration", 500), ("sql.wait", waited)] {
            let mut times = Distribution::new();
            times.record(ms * 1_000_000);
            outcome.series.push(SeriesOutcome {
                metric: metric.to_owned(),
                kind: Kind::Trend,
                tags: tags.clone(),
                total: Total::Trend(times),
                ..outcome.series[0].clone()
            });
        }
        outcome
    };
    let (little, much) = (told(20), told(2_000));
    for report in [Report::Text, Report::Markdown, Report::Html] {
        assert!(!file(report, &little).contains("waited p95"), "{report:?}");
        let told = file(report, &much);
        let row = told.lines().find(|line| line.contains("by key")).unwrap();
        assert!(told.contains("waited p95") && row.contains("2 s"), "{report:?}: {told}");
    }
    let line = file(Report::Json, &little);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let waited = |n: usize| value["operations"][n]["waited_p95_ms"].clone();
    assert_eq!([waited(0), waited(1)], [serde_json::Value::Null, 20.0.into()]);
}

#[test]
fn an_error_that_came_once_came_once() {
    let mut outcome = outcome();
    outcome.script_errors[0].count = 1;
    let text = written(|out| text(&outcome, None, Ink::PLAIN, out));
    assert!(text.contains("\n  once in buyers: shop.lua:12: attempt"), "{text}");
}

#[test]
fn the_json_summary() {
    let line = written(|out| json(&outcome(), None, None, out));
    assert_eq!(line.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

fn file(report: Report, outcome: &Outcome) -> String {
    written(|out| report.write(outcome, None, out))
}

#[test]
fn the_table_of_seconds() {
    let text = file(Report::Csv, &outcome());
    let rows = outcome().series.iter().map(|series| series.points.len()).sum::<usize>();
    assert_eq!(text.lines().count(), 1 + rows);
    // The whole of one series, and the first row of each other one.
    let shown = text.lines().filter(|line| {
        ["second", "0,"].iter().any(|start| line.starts_with(start))
            || line.contains(",http.duration,")
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_markdown_for_a_pull_request() {
    insta::assert_snapshot!(file(Report::Markdown, &outcome()));
}

/// A page without its style and script, which are files of their own, an element a line.
fn elements(page: &str) -> String {
    let cut = |text: &str, from: &str, to: &str| {
        let (before, rest) = text.split_once(from).unwrap();
        let (_, after) = rest.split_once(to).unwrap();
        format!("{before}{from}{to}{after}")
    };
    let page = cut(&cut(page, "<style>", "</style>"), "<script>", "</script>");
    page.replace("><", ">\n<")
}

#[test]
fn the_page() {
    insta::assert_snapshot!(elements(&file(Report::Html, &outcome())));
}

#[test]
fn the_line_of_a_second() {
    let series = outcome().series.into_iter().map(|series| SeriesSecond {
        metric: series.metric,
        unit: series.unit,
        tags: series.tags,
        total: series.total,
    });
    let second = Second { second: 3, series: series.collect() };
    let line = written(|out| ndjson::write(&second, out));
    assert_eq!(line.matches('\n').count(), 1);
    insta::assert_snapshot!(line.replace("},{", "},\n{"));
}

#[test]
fn the_junit_file() {
    insta::assert_snapshot!(file(Report::Junit, &outcome()));
}

/// What the crate that reads such files for others makes of it.
fn read_junit(text: &str) -> quick_junit::Report {
    quick_junit::Report::deserialize_from_str(text).unwrap()
}

#[test]
fn the_junit_file_counts_every_verdict_threshold_fault_and_check_once() {
    let read = read_junit(&file(Report::Junit, &outcome()));
    assert_eq!((read.tests, read.failures, read.errors), (5, 4, 0));
    let names: Vec<_> = read.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(names, ["shop.run", "shop.thresholds", "shop.faults", "shop.checks"]);
    let cases = read.test_suites.iter().map(|suite| suite.test_cases.len()).sum::<usize>();
    assert_eq!(cases, 5);
}

#[test]
fn only_a_valid_run_whose_limits_held_has_no_failed_case() {
    let mut outcome = outcome();
    outcome.verdict = RunVerdict::Valid;
    outcome.thresholds.retain(|verdict| verdict.limit_held);
    outcome.series.retain(|series| series.metric != "check.failed");
    outcome.faults[0].recovery.as_mut().unwrap().verdict = crate::recovery::Verdict::Recovered;
    assert_eq!(read_junit(&file(Report::Junit, &outcome)).failures, 0);
    outcome.verdict = RunVerdict::TargetDown;
    assert_eq!(read_junit(&file(Report::Junit, &outcome)).failures, 1);
}

/// An outcome every text of which would be markup in some form of report.
fn hostile() -> Outcome {
    const TEXT: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \
        a|b `c` \"d\" 'e' ]]> &amp; @team\nline\u{7}";
    let mut outcome = outcome();
    outcome.run.name = TEXT.to_owned();
    outcome.environment.cpu = Some(TEXT.to_owned());
    outcome.reasons[0].cause = TEXT.to_owned();
    outcome.warnings[0] = TEXT.to_owned();
    outcome.thresholds[0].threshold = TEXT.to_owned();
    outcome.scenarios[0].name = TEXT.to_owned();
    outcome.failures[0].name = TEXT.to_owned();
    outcome.failures[0].kind = TEXT.to_owned();
    outcome.failures[0].detail = TEXT.to_owned();
    outcome.script_errors[0].message = TEXT.to_owned();
    outcome.script_errors[0].traceback = vec![TEXT.to_owned()];
    outcome.log[1].text = TEXT.to_owned();
    let fault = &mut outcome.faults[0];
    for text in [&mut fault.name, &mut fault.on, &mut fault.what] {
        *text = TEXT.to_owned();
    }
    fault.unclean = Some(TEXT.to_owned());
    let balance = outcome.ledgers.remove("orders").unwrap();
    outcome.ledgers.insert(TEXT.to_owned(), balance);
    for series in &mut outcome.series {
        let tags: Vec<_> = series.tags.iter().map(|(key, _)| (key.to_owned(), TEXT)).collect();
        series.tags = Tags::new(tags);
    }
    outcome
}

#[test]
fn what_is_still_broken_stands_in_a_red_line_with_the_command_that_mends_it() {
    let mut outcome = outcome();
    let why = "it still has no password; `loadrun undo` puts it back";
    outcome.faults[0].unclean = Some(why.to_owned());
    let told = written(|out| text(&outcome, None, Ink { colour: true, ..Ink::PLAIN }, out));
    let line = told.lines().find(|line| line.contains(why)).unwrap();
    assert_eq!(line, format!("    \u{1b}[1m\u{1b}[31mmay still be there: {why}\u{1b}[0m"));
}

#[test]
fn a_text_from_outside_is_text_in_every_report() {
    let outcome = hostile();
    let junit = read_junit(&file(Report::Junit, &outcome));
    let case = &junit.test_suites[1].test_cases[0];
    assert!(case.name.as_str().starts_with("</script><script>alert(1)</script>"));

    let csv = file(Report::Csv, &outcome);
    let rows = csv::Reader::from_reader(csv.as_bytes()).into_records().map(Result::unwrap);
    assert!(rows.into_iter().all(|row| row.len() == 17));

    let page = file(Report::Html, &outcome);
    for tag in ["<script", "<img", "</script", "<style", "<title"] {
        let most = usize::from(tag != "<img");
        assert_eq!(page.matches(tag).count(), most, "{tag}");
    }

    // A line of Markdown is either ours or holds the text within a fence longer than its own.
    for line in file(Report::Markdown, &outcome).lines().filter(|line| line.contains("<script>")) {
        // Its longest run of backticks is one, so two of them open or close a span of code.
        let outside: String = line.split("``").step_by(2).collect();
        assert!(!outside.contains('<') && !outside.contains('@'), "{line}");
    }
}

#[test]
fn every_form_has_a_name_and_a_file_of_its_own() {
    let of = |name: fn(Report) -> &'static str| Report::ALL.map(name).into_iter();
    for names in [of(Report::name), of(Report::file)] {
        assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), Report::ALL.len());
    }
    for report in Report::ALL {
        assert!(file(report, &outcome()).ends_with('\n'), "{report:?}");
    }
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let coloured = written(|out| text(&outcome(), None, Ink { colour: true, ..Ink::PLAIN }, out));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    assert_eq!(plain, written(|out| text(&outcome(), None, Ink::PLAIN, out)));
}

#[test]
fn an_outcome_that_was_saved_tells_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = outcome().save(folder.path()).unwrap();
    let loaded = Outcome::load(&path).unwrap();
    let tell = |outcome: &Outcome| written(|out| text(outcome, None, Ink::PLAIN, out));
    assert_eq!(tell(&loaded), tell(&outcome()));
}

/// A suite of a script that ran, one that could not start, and one that was not run.
fn a_suite(interrupted: bool) -> Suite {
    let ran = Ended::Ran {
        outcome: Box::new(outcome()),
        gate: None,
        place: "results/shop/stamp/outcome.json".to_owned(),
    };
    let what = "error: service \"cache\": no redis-server\n  --> cache|mix.lua:3".to_owned();
    let failed = Ended::Failed { what, exit: 4 };
    let parts = [
        ("scripts/shop.lua", ran),
        ("scripts/cache|mix.lua", failed),
        ("scripts/pubsub.lua", Ended::NotRun),
    ];
    let parts = parts.map(|(script, ended)| Part { script: script.to_owned(), ended });
    Suite { parts: parts.into_iter().take(2 + usize::from(interrupted)).collect(), interrupted }
}

#[test]
fn the_table_of_a_suite() {
    insta::assert_snapshot!(written(|out| suite::text(&a_suite(true), Ink::PLAIN, out)));
}

#[test]
fn a_script_of_a_suite_that_its_baseline_fails_is_told_with_that() {
    let told = |gate| {
        let outcome = Outcome { exit: 0, ..outcome() };
        let (outcome, place) = (Box::new(outcome), String::new());
        let ended = Ended::Ran { outcome, gate: Some(gate), place };
        let parts = vec![Part { script: "shop.lua".to_owned(), ended }];
        let suite = Suite { parts, interrupted: false };
        let markdown = suite::form(Report::Markdown).unwrap();
        let junit = suite::form(Report::Junit).unwrap();
        assert!(written(|out| junit(&suite, out)).contains("shop.baseline"));
        let text = written(|out| suite::text(&suite, Ink::PLAIN, out));
        (suite.exit(), text + &written(|out| markdown(&suite, out)))
    };
    let unsure = gate(Some(Finding::Inconclusive), false);
    for (gate, exit, why) in [
        (gate(Some(Finding::Regressed), true), 1, "slower than its baseline"),
        (unsure, 3, "whether it is slower than its baseline cannot be told"),
        (gate(None, false), 3, "cannot be compared with its baseline"),
    ] {
        let (own, told) = told(gate);
        assert_eq!(own, exit);
        let lines = [format!("\nshop.lua: {why}\n"), format!("\n`shop.lua`: {why}\n")];
        assert!(lines.iter().all(|line| told.contains(line)), "{told}");
    }
    let (exit, told) = told(gate(None, true));
    assert!(exit == 0 && !told.contains("baseline"), "{told}");
}

#[test]
fn the_cases_of_a_suite() {
    let write = suite::form(Report::Junit).unwrap();
    insta::assert_snapshot!(written(|out| write(&a_suite(true), out)));
}

#[test]
fn the_head_of_a_suite_for_a_pull_request() {
    let write = suite::form(Report::Markdown).unwrap();
    let whole = written(|out| write(&a_suite(true), out));
    let (head, each) = whole.split_once("\n### ").unwrap();
    assert!(each.contains("`shop`"), "{each}");
    insta::assert_snapshot!(head);
}

#[test]
fn the_worst_script_decides_of_a_suite_and_a_signal_above_all() {
    assert_eq!(a_suite(false).exit(), 4);
    assert_eq!(a_suite(true).exit(), 130);
    let line = written(|out| suite::json(&a_suite(false), out));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (line.lines().count(), &value["exit"], &value["valid"]),
        (1, &4.into(), &false.into())
    );
    assert_eq!(value["scripts"][0]["summary"]["name"], "shop");
    assert!(value["scripts"][1]["error"].as_str().unwrap().contains("no redis-server"), "{value}");
}
