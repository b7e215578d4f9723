//! Real Redis servers for tests, each with a folder and a port of its own, and servers that
//! misbehave.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A private `redis-server`; killed when dropped.
pub struct Server {
    child: Child,
    folder: tempfile::TempDir,
    /// Its port on 127.0.0.1; also of TLS, if it was started with `--tls-port`.
    pub port: u16,
}

impl Server {
    /// Starts one with these options, and waits until it answers.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Somebody else may take a port between asking for it and using it.
        for _ in 0..5 {
            let port = free_port();
            let mut child = launch(folder.path(), port, options);
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
                if answers(port) {
                    return Self { child, folder, port };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("redis-server {options:?} does not start")
    }

    /// Starts a sentinel that watches a master at this port under a name.
    pub fn sentinel(name: &str, master: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let rules = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {name} 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds {name} 300\n\
             sentinel failover-timeout {name} 3000\n",
            folder.path().display()
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, rules).unwrap();
        let child = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut made = Self { child, folder, port };
        while !answers(port) {
            assert!(made.child.try_wait().unwrap().is_none(), "the sentinel does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        made
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The folder it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again at the same port, with nothing in it.
    pub fn restart(&mut self, options: &[&str]) {
        self.child = launch(self.folder.path(), self.port, options);
        while !answers(self.port) {
            assert!(self.child.try_wait().unwrap().is_none(), "it does not start again");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(folder: &Path, port: u16, options: &[&str]) -> Child {
    let port = port.to_string();
    Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"])
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

/// A port nobody listens at.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something is so, for a minute at most.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !so().await {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether something of Redis's answers there, be it that it wants a password.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut byte = [0];
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(b"PING\r\n").is_ok() && matches!(stream.read(&mut byte), Ok(1))
}

/// A server that gives every connection the next of these answers to what it says first, and then
/// closes it; afterwards how many connections said something.
pub fn answering(answers: &'static [&'static [u8]]) -> (String, std::thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let mut asked = 0;
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 1024];
            asked += usize::from(matches!(stream.read(&mut buffer), Ok(1..)));
            stream.write_all(answer).unwrap();
        }
        asked
    });
    (url, served)
}
