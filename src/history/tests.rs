//! A file that several write at once, and files that are no history.

use std::fs;
use std::thread;

use super::*;

fn entry(script: &str, started: &str, p95: i64) -> Entry {
    let times = Times { p50: Some(p95 / 2), p95: Some(p95), p99: None };
    let operation = Operation { name: "item".to_owned(), calls: 7, times, ..Operation::default() };
    Entry {
        script: script.to_owned(),
        started: started.to_owned(),
        verdict: "VALID".to_owned(),
        grade: Some("GOOD".to_owned()),
        response: times,
        calls: 7,
        operations: vec![operation.clone(), Operation { scenario: "s".to_owned(), ..operation }],
        ..Entry::default()
    }
}

#[test]
fn what_was_added_is_read_in_the_order_of_time_and_only_the_last_of_it() {
    let results = tempfile::tempdir().unwrap();
    let file = File::at(results.path());
    for (script, started, p95) in
        [("b", "2", 1000), ("a", "3", 1001), ("a", "1", 1002), ("a", "2", 1003)]
    {
        file.add(&entry(script, started, p95)).unwrap();
    }
    assert_eq!(scripts(results.path()).unwrap(), ["a", "b"]);
    let all = read(results.path(), None, 2).unwrap();
    assert_eq!(all["a"], [entry("a", "2", 1003), entry("a", "3", 1001)]);
    assert_eq!(all["b"], [entry("b", "2", 1000)]);
    let one = read(results.path(), Some("a"), 9).unwrap();
    assert_eq!((one.len(), one["a"].len()), (1, 3));
    assert!(read(results.path(), Some("c"), 9).unwrap().is_empty());
}

#[test]
fn runs_that_end_at_the_same_time_are_all_kept() {
    let results = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for writer in 0..8 {
            let results = results.path();
            scope.spawn(move || {
                for at in 0..5 {
                    let started = format!("{writer}-{at}");
                    File::at(results).add(&entry("a", &started, 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(read(results.path(), None, 100).unwrap()["a"].len(), 40);
}

#[test]
fn a_file_that_is_damaged_foreign_or_newer_is_told_of_and_left_as_it_is() {
    let results = tempfile::tempdir().unwrap();
    let path = results.path().join(FILE);
    let file = File::at(results.path());
    for at in 0..200 {
        file.add(&entry("a", &at.to_string(), 1)).unwrap();
    }
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    let end = damaged.len();
    damaged[end / 2..].fill(0x5a);
    let mut newer = whole.clone();
    // `user_version` stands at byte 60 of the head, `application_id` at 68.
    newer[60..64].copy_from_slice(&2_u32.to_be_bytes());
    let mut foreign = whole.clone();
    foreign[68..72].copy_from_slice(&1_u32.to_be_bytes());
    for (bytes, expected) in [
        (damaged, "damaged"),
        (whole[..end / 2].to_vec(), "damaged"),
        (newer, "made by a later version of loadrun (form 2, this reads 1)"),
        (foreign, "not a history of loadrun"),
        (
            b"what somebody else keeps here, long enough to be a head of a file".repeat(3),
            "not a history",
        ),
    ] {
        fs::write(&path, &bytes).unwrap();
        for error in [
            file.add(&entry("a", "1", 1)).unwrap_err(),
            file.read(None, 10).unwrap_err(),
            file.scripts().unwrap_err(),
        ] {
            assert!(error.what.contains(expected), "{expected}: {error}");
            assert!(error.hint.contains("left as it is"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{expected}");
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(read(results.path(), None, 1000).unwrap()["a"].len(), 200);
}

#[test]
fn a_file_that_is_not_there_is_told_of_and_not_made_by_reading() {
    let results = tempfile::tempdir().unwrap();
    let error = read(results.path(), None, 1).unwrap_err();
    assert!(error.what.contains("history.db: "), "{error}");
    assert!(!results.path().join(FILE).exists());
}

#[test]
fn what_changed_between_two_runs_is_named() {
    let before = entry("a", "1", 1);
    let parameters = "{\"size\":\"2\"}".to_owned();
    let after = Entry { parameters, host: "another".to_owned(), ..before.clone() };
    assert_eq!(after.changes(&before), ["parameters", "host"]);
    assert!(before.changes(&before).is_empty());
    let at =
        |base: &str| Entry { parameters: format!("{{\"base\":\"{base}\"}}"), ..before.clone() };
    assert!(at("http://10.0.0.7:1").changes(&at("http://10.0.0.8:2")).is_empty());
    assert_eq!(at("http://10.0.0.7:1").changes(&at("small")), ["parameters"]);
}
