//! A private Redis: nothing on disk but what it is asked to keep.

use std::fmt::Write as _;

use super::guard::{Orders, Program};
use super::host::Wanted;
use super::probe::Probe;
use super::process::{Launch, Ready};
use super::setting::{Chosen, Kind, Setting, Takes};
use super::{Entry, Place, ServiceError};
use crate::plan::ServiceDecl;

/// What a script can declare.
pub const KIND: Kind = Kind {
    name: "redis",
    settings: &[
        Setting { name: "appendfsync", takes: Takes::Word(&["always", "everysec", "no"]) },
        Setting { name: "appendonly", takes: Takes::Flag },
        Setting { name: "databases", takes: Takes::Count(1, 1_000_000) },
        Setting { name: "io_threads", takes: Takes::Count(1, 128) },
        Setting { name: "maxclients", takes: Takes::Count(1, 1_000_000) },
        Setting { name: "maxmemory", takes: Takes::Bytes },
        Setting { name: "maxmemory_policy", takes: Takes::Word(POLICIES) },
        Setting { name: "requirepass", takes: Takes::Secret },
    ],
    reserved: &[
        "appendfsync",
        "appendonly",
        "bind",
        "daemonize",
        "databases",
        "dir",
        "include",
        "io-threads",
        "logfile",
        "loglevel",
        "maxclients",
        "maxmemory",
        "maxmemory-policy",
        "pidfile",
        "port",
        "requirepass",
        "supervised",
    ],
};

/// What Redis can do when it is full.
pub const POLICIES: &[&str] = &[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

const PROGRAM: Wanted = Wanted {
    names: &["redis-server", "valkey-server"],
    folders: &["/opt/homebrew/bin"],
    packages: ["redis-server", "valkey", "redis"],
};

/// Turns the declaration into what the guard is to do.
pub(super) fn launch(decl: &ServiceDecl, place: &Place) -> Result<Launch, ServiceError> {
    let program = PROGRAM.find(&decl.name)?;
    let (folder, port) = (place.folder.clone(), place.port);
    let server =
        Program { file: program, arguments: vec!["redis.conf".to_owned()], ..Program::default() };
    let chosen = Chosen(decl);
    let password = chosen.secret("requirepass");
    Ok(Launch {
        name: decl.name.clone(),
        orders: Orders {
            files: vec![("redis.conf".to_owned(), configuration(&chosen, port))],
            ..Orders::new(folder, server)
        },
        port: Some(port),
        ready: Ready {
            line: Some("Ready to accept connections".to_owned()),
            probe: Some(Probe::Redis(format!("127.0.0.1:{port}"))),
            url: Some(Entry { password, ..Entry::default() }.url("redis", port)),
        },
        ready_within: chosen.ready_within(Launch::READY_WITHIN),
        reasons: &[],
    })
}

/// The text of its configuration file; the folder is where it runs.
fn configuration(chosen: &Chosen<'_>, port: u16) -> String {
    let mut text = format!(
        "bind 127.0.0.1\nport {port}\ndaemonize no\nsupervised no\nlogfile \"\"\n\
         loglevel notice\nsave \"\"\n"
    );
    for setting in KIND.settings {
        let value = match setting.takes {
            Takes::Bytes => chosen.bytes(setting.name).map(|bytes| bytes.to_string()),
            Takes::Flag => chosen
                .text(setting.name)
                .map(|flag| if flag == "true" { "yes" } else { "no" }.to_owned()),
            Takes::Secret => chosen.secret(setting.name).map(quoted),
            _ => chosen.text(setting.name).map(str::to_owned),
        };
        if let Some(value) = value {
            let _ = writeln!(text, "{} {value}", setting.name.replace('_', "-"));
        }
    }
    for (key, value) in chosen.config() {
        let _ = writeln!(text, "{key} {value}");
    }
    text
}

/// Any text as one argument of the configuration file.
fn quoted(text: &str) -> String {
    let bytes = text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "\\x{byte:02x}");
        out
    });
    format!("\"{bytes}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_redis_has_them() {
        let options = [
            ("maxmemory", "64MiB"),
            ("maxmemory_policy", "allkeys-lru"),
            ("appendonly", "true"),
            ("config.save", "60 1000"),
        ];
        let decl = ServiceDecl {
            name: "cache".into(),
            kind: KIND.name.into(),
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            secrets: [("requirepass".to_owned(), "a\" b".to_owned())].into(),
            place: None,
        };
        let text = configuration(&Chosen(&decl), 6379);
        let (_, chosen) = text.split_once("save \"\"\n").unwrap();
        assert_eq!(
            chosen,
            "appendonly yes\nmaxmemory 67108864\nmaxmemory-policy allkeys-lru\n\
             requirepass \"\\x61\\x22\\x20\\x62\"\nsave 60 1000\n"
        );
    }
}
