//! The practice target as a service: the real program as a child process.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use loadrun::plan::ServiceDecl;
use loadrun::service;

const PROGRAM: &str = env!("CARGO_BIN_EXE_loadrun");

fn practice(options: &[(&str, &str)]) -> ServiceDecl {
    ServiceDecl {
        name: "practice".into(),
        kind: "sandbox".into(),
        options: options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
    }
}

/// The status line of the answer to a GET.
fn status(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_declared_sandbox_answers_until_it_is_stopped() {
    let declared = practice(&[("capacity", "0")]);
    let running = service::start(&declared, Path::new(PROGRAM)).await.unwrap();
    let url = running.url().to_owned();
    assert_eq!(status(&url, "/health"), "HTTP/1.1 200 OK");
    assert_eq!(status(&url, "/items/1"), "HTTP/1.1 429 Too Many Requests");
    running.stop().await.unwrap();
    assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err());
}

#[tokio::test]
async fn a_wrong_option_is_an_error_that_quotes_the_child() {
    let declared = practice(&[("latency", "fast")]);
    let error = service::start(&declared, Path::new(PROGRAM)).await.unwrap_err();
    assert!(error.what.contains("malformed latency \"fast\""), "{error}");
}

#[tokio::test]
async fn an_unknown_kind_of_service_is_an_error_that_lists_the_kinds() {
    let declared = ServiceDecl { kind: "mainframe".into(), ..practice(&[]) };
    let error = service::start(&declared, Path::new(PROGRAM)).await.unwrap_err();
    assert_eq!(error.what, "service \"practice\" is of the unknown kind \"mainframe\"");
    assert_eq!(error.hint.as_deref(), Some("the kinds are: sandbox"));
}

#[test]
fn a_sandbox_whose_parent_is_gone_ends_and_leaves_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let own = outside.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["sandbox", "--stdin-guard", "--own-tmpdir"])
        .env("TMPDIR", &own)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("listening on http://127.0.0.1:"), "{ready}");
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 1);

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!own.exists());
}
