//! Private servers of a test, on free ports, as an ordinary user where they refuse root.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};

use super::{failure, to};

/// User and group `nobody`.
const NOBODY: u32 = 65_534;

/// The password of every server here.
const PASSWORD: &str = "p%40ss%2Fword";

/// A server that ends with the test.
pub(super) struct Server {
    process: Child,
    /// With user and password.
    pub(super) url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Ends it as a power cut would.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Stops it from doing anything, without closing a connection.
    pub(super) fn freeze(&self, frozen: bool) {
        let pid = Pid::from_raw(self.process.id().cast_signed()).unwrap();
        kill_process(pid, if frozen { Signal::STOP } else { Signal::CONT }).unwrap();
    }

    /// The URL with another part in it.
    pub(super) fn with(&self, part: &str, other: &str) -> String {
        assert!(self.url.contains(part), "{}", self.url);
        self.url.replace(part, other)
    }

    /// A PostgreSQL server.
    pub(super) async fn postgres(settings: &[&str]) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        std::fs::write(&password, "p@ss/word").unwrap();
        let bin = postgres_bin();
        let made = ordinary(&bin.join("initdb"), folder.path())
            .args(["--username=user", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let process = ordinary(&bin.join("postgres"), folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-c", "fsync=off", "-c", "unix_socket_directories="])
            .args(["-p", &port.to_string()])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .spawn()
            .unwrap();
        let url = format!("postgres://user:{PASSWORD}@127.0.0.1:{port}/postgres");
        ready(Self { process, url, _folder: folder }).await
    }

    /// A MariaDB server.
    pub(super) async fn mariadb(settings: &[&str]) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        let made = ordinary(Path::new("mariadb-install-db"), folder.path())
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let init = folder.path().join("init.sql");
        let sql = "CREATE DATABASE shop; CREATE USER user@'127.0.0.1' IDENTIFIED BY 'p@ss/word'; \
                   GRANT ALL ON *.* TO user@'127.0.0.1';";
        std::fs::write(&init, sql.replace("; ", ";\n")).unwrap();
        let port = free_port();
        let process = ordinary(Path::new("mariadbd"), folder.path())
            .args([
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--innodb-flush-method=nosync",
                "--character-set-server=utf8mb4",
            ])
            .arg(format!("--port={port}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", folder.path().join("socket").display()))
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .arg(format!("--init-file={}", init.display()))
            .args(settings.iter().map(|setting| format!("--{setting}")))
            .spawn()
            .unwrap();
        let url = format!("mariadb://user:{PASSWORD}@127.0.0.1:{port}/shop");
        ready(Self { process, url, _folder: folder }).await
    }
}

/// A folder that the servers' user owns.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if getuid().is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    folder
}

/// A command in that folder, as somebody the servers accept.
fn ordinary(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A MariaDB that begins clears away what others have in a folder for temporary files.
    command.env("TMPDIR", folder);
    if getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Where Debian and others keep the server's programs, outside of PATH.
fn postgres_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin")).max();
    newest.filter(|bin| bin.join("initdb").exists()).unwrap_or_default()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until the server answers.
async fn ready(mut server: Server) -> Server {
    let begun = Instant::now();
    loop {
        let exchange = to(&server.url, 1).call(&super::statement("SELECT 1", &[])).await;
        match exchange.answer {
            Ok(_) => return server,
            Err(trouble) => {
                let ended = server.process.try_wait().unwrap();
                assert!(ended.is_none(), "the server ended: {ended:?}");
                assert!(begun.elapsed() < Duration::from_mins(1), "{trouble:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

#[tokio::test(flavor = "local")]
async fn a_server_that_is_not_there_is_refused_and_a_name_that_is_none_is_not_found() {
    let port = free_port();
    for url in [format!("postgres://u@127.0.0.1:{port}/d"), format!("mysql://u@127.0.0.1:{port}/d")]
    {
        let exchange = to(&url, 1).call(&super::statement("SELECT 1", &[])).await;
        let failure = exchange.failure().unwrap();
        assert_eq!(failure.kind, super::FailureKind::Refused, "{failure}");
        assert!(!exchange.duration.is_zero() && exchange.connects == 1, "{exchange:?}");
        let named = url.replace("127.0.0.1", "nowhere.invalid");
        assert_eq!(failure_of(&named).await, super::FailureKind::Dns);
    }
}

async fn failure_of(url: &str) -> super::FailureKind {
    failure(&to(url, 1), "SELECT 1").await.kind
}
