//! A private `MariaDB`: made by `mariadb-install-db`, durable as it is in production unless it is
//! told otherwise.
//!
//! The one user who is let in over the network has a password: the script's, or one made for the
//! run. `root` without one has only the socket, in the server's own folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::guard::{Orders, Program};
use super::host::Wanted;
use super::probe::Probe;
use super::process::{Launch, Ready};
use super::setting::{Chosen, Kind, Setting, Takes};
use super::{Entry, Place, ServiceError, user};
use crate::plan::ServiceDecl;

/// What a script can declare.
pub const KIND: Kind = Kind {
    name: "mariadb",
    settings: &[
        Setting { name: "database", takes: Takes::Name },
        Setting { name: "innodb_buffer_pool_size", takes: Takes::Bytes },
        Setting { name: "innodb_flush_log_at_trx_commit", takes: Takes::Count(0, 3) },
        Setting { name: "innodb_lock_wait_timeout", takes: Takes::Duration },
        Setting { name: "max_connections", takes: Takes::Count(10, 100_000) },
        Setting { name: "password", takes: Takes::Secret },
        Setting { name: "user", takes: Takes::Name },
    ],
    reserved: &[
        "bind_address",
        "datadir",
        "init_file",
        "innodb_buffer_pool_size",
        "innodb_flush_log_at_trx_commit",
        "innodb_lock_wait_timeout",
        "log_error",
        "max_connections",
        "pid_file",
        "port",
        "skip_networking",
        "socket",
        "tmpdir",
        "user",
    ],
};

const PROGRAM: Wanted = Wanted {
    names: &["mariadbd"],
    folders: &[
        "/usr/sbin",
        "/usr/libexec",
        "/usr/local/sbin",
        "/opt/homebrew/opt/mariadb*/bin",
        "/usr/local/opt/mariadb*/bin",
    ],
    packages: ["mariadb-server", "mariadb-server", "mariadb"],
};

const INSTALL: Wanted = Wanted {
    names: &["mariadb-install-db", "mysql_install_db"],
    folders: &["/usr/bin", "/opt/homebrew/opt/mariadb*/bin", "/usr/local/opt/mariadb*/bin"],
    packages: PROGRAM.packages,
};

/// Turns the declaration into what the guard is to do.
pub(super) fn launch(decl: &ServiceDecl, place: &Place) -> Result<Launch, ServiceError> {
    let (program, install) = (PROGRAM.find(&decl.name)?, INSTALL.find(&decl.name)?);
    let (folder, port) = (place.folder.clone(), place.port);
    let chosen = Chosen(decl);
    let user = chosen.text("user").unwrap_or("root");
    let database = chosen.text("database").unwrap_or("loadrun");
    let password = place.password(&chosen);

    let within = |name: &str| folder.join(name).display().to_string();
    let call = |file: PathBuf, arguments: &[&str]| Program {
        file,
        // The option file has to come first.
        arguments: std::iter::once(format!("--defaults-file={}", within("my.cnf")))
            .chain(arguments.iter().map(|&argument| argument.to_owned()))
            .collect(),
        ..Program::default()
    };
    let made = call(install, &["--skip-test-db", "--skip-name-resolve"]);
    // Not for the one that makes it, which has to write everything down.
    let quick = "--innodb-fast-shutdown=2";
    let server = call(program, &[&format!("--init-file={}", within("init.sql")), quick]);
    Ok(Launch {
        name: decl.name.clone(),
        orders: Orders {
            files: vec![
                ("my.cnf".to_owned(), configuration(&chosen, &folder, port)),
                ("init.sql".to_owned(), first_words(user, password, database)),
            ],
            user: user::ordinary(&decl.name, &["mysql", "nobody"])?,
            before: vec![made],
            ..Orders::new(folder, server)
        },
        port: Some(port),
        ready: Ready {
            line: Some("ready for connections".to_owned()),
            probe: Some(Probe::MariaDb(format!("127.0.0.1:{port}"))),
            url: Some(Entry { user, password: Some(password), database }.url("mysql", port)),
        },
        ready_within: chosen.ready_within(Launch::READY_WITHIN),
        // Not the advice of the one that makes it, which is long.
        reasons: &["[ERROR]"],
    })
}

/// What the server does before it lets anybody in: one statement a line.
fn first_words(user: &str, password: &str, database: &str) -> String {
    let password = password.replace('\\', "\\\\").replace('\'', "''");
    format!(
        "CREATE DATABASE IF NOT EXISTS `{database}`;\n\
         CREATE OR REPLACE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO '{user}'@'127.0.0.1' WITH GRANT OPTION;\n"
    )
}

/// The text of its option file.
fn configuration(chosen: &Chosen<'_>, folder: &Path, port: u16) -> String {
    let folder = folder.display();
    let mut text = format!(
        "[mysqld]\ndatadir={folder}/data\nsocket={folder}/socket\npid-file={folder}/pid\n\
         tmpdir={folder}\nsecure-file-priv={folder}\nbind-address=127.0.0.1\nport={port}\n\
         skip-name-resolve\ncharacter-set-server=utf8mb4\nlc-messages=en_US\n\
         innodb-buffer-pool-dump-at-shutdown=0\n"
    );
    for setting in KIND.settings {
        let name = setting.name;
        let value = match setting.takes {
            Takes::Name | Takes::Secret => None,
            Takes::Bytes => chosen.bytes(name).map(|bytes| bytes.to_string()),
            Takes::Duration => chosen.millis(name).map(|millis| millis.div_ceil(1000).to_string()),
            _ => chosen.text(name).map(str::to_owned),
        };
        if let Some(value) = value {
            let _ = writeln!(text, "{name}={value}");
        }
    }
    for (key, value) in chosen.config() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "{key}=\"{value}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_mariadb_has_them() {
        let options = [
            ("max_connections", "20"),
            ("innodb_buffer_pool_size", "64MiB"),
            ("innodb_lock_wait_timeout", "1.5s"),
            ("config.sql_mode", "ANSI"),
        ];
        let decl = ServiceDecl {
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..ServiceDecl::default()
        };
        let text = configuration(&Chosen(&decl), Path::new("/tmp/x"), 3306);
        let (_, chosen) = text.split_once("dump-at-shutdown=0\n").unwrap();
        assert_eq!(
            chosen,
            "innodb_buffer_pool_size=67108864\ninnodb_lock_wait_timeout=2\nmax_connections=20\n\
             sql_mode=\"ANSI\"\n"
        );
    }

    #[test]
    fn a_password_cannot_end_its_quotes() {
        let text = first_words("root", r"it's \", "shop");
        assert!(text.contains(r"IDENTIFIED BY 'it''s \\';"), "{text}");
    }
}
