//! A private PostgreSQL: made by `initdb`, durable as it is in production unless it is told
//! otherwise.
//!
//! Whoever is let in may run programs as the server's user, so there is always a password: the
//! script's, or one made for the run.

use std::fmt::Write as _;
use std::path::Path;

use rustix::process::Signal;

use super::guard::{Orders, Program};
use super::host::Wanted;
use super::probe::Probe;
use super::process::{Launch, Ready};
use super::setting::{Chosen, Kind, Setting, Takes};
use super::{Entry, Place, ServiceError, user};
use crate::plan::ServiceDecl;

/// What a script can declare.
pub const KIND: Kind = Kind {
    name: "postgres",
    settings: &[
        Setting { name: "database", takes: Takes::Name },
        Setting { name: "deadlock_timeout", takes: Takes::Duration },
        Setting { name: "fsync", takes: Takes::Flag },
        Setting { name: "lock_timeout", takes: Takes::Duration },
        Setting { name: "max_connections", takes: Takes::Count(1, 262_143) },
        Setting { name: "password", takes: Takes::Secret },
        Setting { name: "shared_buffers", takes: Takes::Bytes },
        Setting { name: "statement_timeout", takes: Takes::Duration },
        Setting { name: "user", takes: Takes::Name },
        Setting { name: "work_mem", takes: Takes::Bytes },
    ],
    reserved: &[
        "config_file",
        "data_directory",
        "deadlock_timeout",
        "external_pid_file",
        "fsync",
        "hba_file",
        "ident_file",
        "include",
        "include_dir",
        "include_if_exists",
        "listen_addresses",
        "lock_timeout",
        "log_destination",
        "log_min_messages",
        "logging_collector",
        "max_connections",
        "port",
        "shared_buffers",
        "statement_timeout",
        "unix_socket_directories",
        "work_mem",
    ],
};

const PROGRAM: Wanted = Wanted {
    names: &["postgres"],
    folders: &[
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql*/bin",
        "/usr/local/opt/postgresql*/bin",
    ],
    packages: ["postgresql", "postgresql-server", "postgresql"],
};

/// Databases that every server has.
const THERE: &[&str] = &["postgres", "template0", "template1"];

/// Turns the declaration into what the guard is to do.
pub(super) fn launch(decl: &ServiceDecl, place: &Place) -> Result<Launch, ServiceError> {
    let program = PROGRAM.find(&decl.name)?;
    let (folder, port) = (place.folder.clone(), place.port);
    let chosen = Chosen(decl);
    let user = chosen.text("user").unwrap_or("postgres");
    let database = chosen.text("database").unwrap_or("postgres");
    let password = place.password(&chosen);

    let call = |file: &Path, arguments: &[&str]| Program {
        file: file.to_owned(),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        environment: vec![("LC_ALL".to_owned(), "C".to_owned())],
        ..Program::default()
    };
    let config = format!("config_file={}", folder.join("postgres.conf").display());
    let mut before = vec![call(
        &program.with_file_name("initdb"),
        &[
            "--pgdata=data",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            "--pwfile=password",
            &format!("--username={user}"),
        ],
    )];
    let mut files = vec![
        ("password".to_owned(), format!("{password}\n")),
        ("postgres.conf".to_owned(), configuration(&chosen, port)),
    ];
    if !THERE.contains(&database) {
        files.push(("create.sql".to_owned(), format!("CREATE DATABASE \"{database}\"\n")));
        let single = call(&program, &["--single", "-D", "data", "-c", &config, "postgres"]);
        before.push(Program { input: Some("create.sql".to_owned()), ..single });
    }
    let server = call(&program, &["-D", "data", "-c", &config]);
    Ok(Launch {
        name: decl.name.clone(),
        orders: Orders {
            files,
            user: user::ordinary(&decl.name, &["postgres", "nobody"])?,
            before,
            // At once: nobody will read what it would write down first.
            signal: Signal::QUIT.as_raw(),
            ..Orders::new(folder, server)
        },
        port: Some(port),
        ready: Ready {
            line: Some("database system is ready to accept connections".to_owned()),
            probe: Some(Probe::Postgres(format!("127.0.0.1:{port}"))),
            url: Some(Entry { user, password: Some(password), database }.url("postgres", port)),
        },
        ready_within: chosen.ready_within(Launch::READY_WITHIN),
        // Not what `initdb` does, step by step.
        reasons: &["LOG:", "ERROR:", "FATAL:", "PANIC:", "DETAIL:", "HINT:", "error:"],
    })
}

/// The text of its configuration file. The server's user may use every connection there is.
fn configuration(chosen: &Chosen<'_>, port: u16) -> String {
    let mut text = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
         logging_collector = off\nlog_destination = 'stderr'\nshared_buffers = '128MB'\n\
         max_wal_senders = 0\nsuperuser_reserved_connections = 0\n"
    );
    for setting in KIND.settings {
        let name = setting.name;
        let value = match setting.takes {
            Takes::Name | Takes::Secret => None,
            Takes::Bytes => chosen.bytes(name).map(|bytes| format!("{}kB", bytes.div_ceil(1024))),
            Takes::Duration => chosen.millis(name).map(|millis| format!("{millis}ms")),
            _ => chosen.text(name).map(str::to_owned),
        };
        if let Some(value) = value {
            let _ = writeln!(text, "{name} = '{value}'");
        }
    }
    for (key, value) in chosen.config() {
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        let _ = writeln!(text, "{key} = '{value}'");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_postgres_has_them() {
        let options = [
            ("max_connections", "20"),
            ("shared_buffers", "64MiB"),
            ("lock_timeout", "1.5s"),
            ("fsync", "false"),
            ("database", "shop"),
            ("config.search_path", r"it's a \ path"),
        ];
        let decl = ServiceDecl {
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..ServiceDecl::default()
        };
        let text = configuration(&Chosen(&decl), 5432);
        let (_, chosen) = text.split_once("superuser_reserved_connections = 0\n").unwrap();
        assert_eq!(
            chosen,
            "fsync = 'false'\nlock_timeout = '1500ms'\nmax_connections = '20'\n\
             shared_buffers = '65536kB'\nsearch_path = 'it''s a \\\\ path'\n"
        );
    }
}
