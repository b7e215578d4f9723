//! What the tests of this folder stand on: servers that loadrun did not start, and a folder in which
//! the binary is run.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadrun::plan::ServiceDecl;
use loadrun::service::{self, Running, Site};
use serde_json::Value;
use tempfile::TempDir;

/// A server that the run did not start.
pub async fn server(kind: &str, options: &[(&str, &str)]) -> Running {
    let options: BTreeMap<_, _> =
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (name, kind) = ("other".to_owned(), kind.to_owned());
    let decl = ServiceDecl { name, kind, options, ..ServiceDecl::default() };
    let site = Site { exe: env!("CARGO_BIN_EXE_loadrun").into(), folder: ".".into() };
    let mut running = service::start(&decl, &site).unwrap();
    running.ready().await.unwrap_or_else(|error| panic!("{error}"));
    running
}

/// A folder with a script and a state folder, in which the binary is run.
pub struct Bench(pub TempDir);

impl Bench {
    pub fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("script.lua"), script).unwrap();
        Self(folder)
    }

    /// A steady load on a Redis, with these faults.
    pub fn on_redis(url: &str, duration: &str, faults: &str) -> Self {
        Self::new(&format!(
            r#"
            local redis = require "loadrun.redis"
            local client = redis.client {{ url = "{url}", timeout = "300ms" }}
            local other = "{url}"
            return {{
              scenarios = {{ s = {{ rate = 50, duration = "{duration}", run = function(vu)
                client:set("key:" .. vu.rand:integer(1, 9), ("x"):rep(1000))
              end }} }},
              faults = {{ {faults} }},
            }}
            "#
        ))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1");
        command.env("XDG_STATE_HOME", self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a run told, and its outcome.
    pub fn run(&self) -> (String, Value) {
        let run = self.command(&["script.lua"]).output().unwrap();
        let told = [run.stdout, run.stderr].map(|out| String::from_utf8_lossy(&out).into_owned());
        let only = |folder: PathBuf| {
            let mut entries = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{told:?}"));
            entries.next().unwrap().unwrap().path()
        };
        let place = only(self.0.path().join("results/script")).join("outcome.json");
        (told.concat(), serde_json::from_slice(&std::fs::read(place).unwrap()).unwrap())
    }

    pub fn journals(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.0.path().join("loadrun")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Host and port of a URL.
pub fn place(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    rest.rsplit_once('@').map_or(rest, |(_, place)| place).split('/').next().unwrap()
}

/// What a Redis answers to a line; nothing where it lets nobody in.
pub fn asked(url: &str, line: &str) -> String {
    let mut reply = String::new();
    if let Ok(mut stream) = TcpStream::connect(place(url)) {
        // A connection that is refused may be reset before it is read.
        let _ = stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes());
        let _ = stream.read_to_string(&mut reply);
    }
    reply
}

/// What a fault may have changed.
pub fn settings(url: &str) -> String {
    ["maxmemory", "maxmemory-policy", "requirepass", "maxclients"]
        .map(|name| asked(url, &format!("CONFIG GET {name}")))
        .concat()
}

/// Waits for what has to come; a test that waits for ever is ended from outside.
pub async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
