//! A door in front of a server at which one command is held up for ever, and whoever sent it is
//! stopped there and then: so a run can be killed in the middle of what it does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// What is held up: the command that contains these bytes, after so many others that do.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    pub bytes: &'static str,
    pub after: usize,
    /// Whether the server gets the command, and only its answer is held up.
    pub answered: bool,
}

/// A door that stands open but for one command.
pub struct Door {
    /// Where it is: host and port.
    pub place: String,
    state: Arc<State>,
}

struct State {
    server: String,
    hold: Hold,
    seen: AtomicUsize,
    held: AtomicBool,
    /// Whoever is stopped when the command comes.
    sender: OnceLock<Pid>,
}

impl Door {
    pub fn new(server: &str, hold: Hold) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            server: server.to_owned(),
            hold,
            seen: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            sender: OnceLock::new(),
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let state = Arc::clone(&serving);
                thread::spawn(move || state.lead(client.unwrap()));
            }
        });
        Self { place, state }
    }

    /// Says who is stopped once the command comes.
    pub fn stops(&self, pid: u32) {
        self.state.sender.set(Pid::from_raw(pid.cast_signed()).unwrap()).unwrap();
    }

    /// Whether the command came, and its sender stands still.
    pub fn holds(&self) -> bool {
        self.state.held.load(SeqCst)
    }
}

impl State {
    /// Leads one connection to the server, and its answers back.
    fn lead(&self, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.server) else { return };
        let mute = Arc::new(AtomicBool::new(false));
        let (answers, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let muted = Arc::clone(&mute);
        thread::spawn(move || pass(answers, back, |_| muted.load(SeqCst)));
        pass(client, server, |bytes| {
            let held = self.concerns(bytes);
            if held {
                mute.store(true, SeqCst);
                self.stop();
            }
            held && !self.hold.answered
        });
    }

    fn concerns(&self, bytes: &[u8]) -> bool {
        let wanted = self.hold.bytes.as_bytes();
        let found = bytes.windows(wanted.len()).any(|part| part == wanted);
        found && self.seen.fetch_add(1, SeqCst) == self.hold.after
    }

    fn stop(&self) {
        let sender = loop {
            match self.sender.get() {
                Some(sender) => break *sender,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        kill_process(sender, Signal::STOP).unwrap();
        self.held.store(true, SeqCst);
    }
}

/// Passes on what comes, but for what is to be swallowed.
fn pass(mut from: TcpStream, mut to: TcpStream, swallow: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !swallow(&buffer[..count]) && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
