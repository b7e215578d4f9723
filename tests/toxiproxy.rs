//! Toxiproxy's Python client, as it comes from the package registry, drives our proxies.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// `loadrun proxy`, ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(args: &[&str]) -> (Program, BufReader<ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadrun"))
        .arg("proxy")
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (Program(child), out)
}

fn line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[test]
fn the_python_client_drives_our_proxies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new("make").arg("toxiproxy-client").current_dir(root).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (_program, mut out) = start(&["--api", "127.0.0.1:0"]);
    let api = line(&mut out).replace("api on http://127.0.0.1:", "");
    let python = root.join(".tools/toxiproxy/bin/python");
    let script = root.join("tests/toxiproxy/drive.py");
    let drive = Command::new(python).arg(script).arg(api).output().unwrap();
    let told = String::from_utf8_lossy(&drive.stderr);
    assert!(drive.status.success(), "{told}");
}

#[test]
fn a_proxy_of_the_command_line_disturbs_and_says_what_it_did() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = server.local_addr().unwrap().to_string();
    let args = ["--upstream", &upstream, "--toxic", "limit_data,bytes=3B"];
    let (mut program, mut out) = start(&args);
    let ready = line(&mut out);
    let address = ready.strip_prefix("listening on ").unwrap().split(' ').next().unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut server.accept().unwrap().0, b"hello").unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hel");
    let pid = rustix::process::Pid::from_child(&program.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(line(&mut out), "1 connections (0 without a server), 0 B upstream, 3 B downstream");
    assert_eq!(line(&mut out), "limit_data_downstream: touched 1 of 1 connections, 1 chunks, 5 B");
    assert!(program.0.wait().unwrap().success());
}

#[test]
fn all_that_is_wrong_on_the_command_line_is_told_at_once() {
    let (mut program, _) = start(&[
        "--upstream",
        "127.0.0.1:1",
        "--toxic",
        "latncy,latency=3ms",
        "--toxic",
        "latency,jitter=3ms",
        "--toxic",
        "latency,latency=fast",
        "--toxic",
        "bandwidth,rate=5KB/s,toxcity=5%",
    ]);
    assert_eq!(program.0.wait().unwrap().code(), Some(4));
    let mut told = String::new();
    program.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    insta::assert_snapshot!(told, @r#"
    error: --toxic "latncy,latency=3ms": unknown kind "latncy"
      hint: did you mean latency?

    error: --toxic "latency,jitter=3ms": latency needs its latency
      hint: add ,latency=...

    error: --toxic "latency,latency=fast": latency is "fast"; expected a duration such as "300ms"
      hint: see loadrun proxy --help

    error: --toxic "bandwidth,rate=5KB/s,toxcity=5%": bandwidth has no "toxcity"
      hint: it takes rate, stream, toxicity, per, match, name
    "#);
}

#[test]
fn a_toxic_per_request_has_to_know_what_a_request_is() {
    for (arguments, said) in [
        (&["--toxic", "hold,per=request"][..], "hint: add --protocol redis, http or postgres"),
        (&["--toxic", "hold,match=GET*"], "the toxic \"hold_downstream\" is per request, but"),
        (&["--toxic", "down,per=request"], "down is for connections, never for single requests"),
        (&["--toxic", "hold,per=user"], "unknown per \"user\"; expected"),
        (&["--protocol", "smtp"], "expected one of redis, http, postgres"),
    ] {
        let (mut program, _) = start(&[&["--upstream", "127.0.0.1:1"], arguments].concat());
        assert_eq!(program.0.wait().unwrap().code(), Some(4));
        let mut told = String::new();
        program.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
}
