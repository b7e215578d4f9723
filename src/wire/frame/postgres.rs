//! PostgreSQL's protocol, version 3: messages with a type and a length. A request is everything up
//! to the one readiness that answers it: a simple query, or the messages of a prepared statement up
//! to their `Sync`. What is said before the first readiness is no request.

use std::collections::HashMap;

use super::{Begin, Found, Reader, SaidTo, subject};

/// Asks whether TLS or GSS encryption is spoken; answered by one byte.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];

/// Asks on a connection of its own to cancel what another one does.
const CANCEL: u32 = 80_877_102;

/// Bytes of a message that may be needed to know what it asks for.
const LOOK: usize = 1024;

/// Prepared statements that are remembered.
const STATEMENTS: usize = 1000;

/// Reads what the client says.
#[derive(Default)]
pub(super) struct Statements {
    /// Whether the connection has been introduced.
    started: bool,
    /// Bytes of the present message that are still to come.
    skip: u64,
    /// Whether a request is under way.
    asking: bool,
    /// Statements by the names they were prepared under.
    prepared: HashMap<Vec<u8>, String>,
}

impl Reader for Statements {
    fn next(&mut self, bytes: &[u8], said: &mut SaidTo<'_>) -> Found {
        if self.skip > 0 {
            return skipped(&mut self.skip, bytes);
        }
        if !self.started {
            let Some(code) = bytes.get(4..8).map(integer) else { return Found::More };
            let len = integer(bytes);
            if !(8..=10_000).contains(&len) {
                return Found::Nonsense;
            }
            if ENCRYPTION.contains(&code) {
                *said.bytes += 1;
            }
            self.started = !ENCRYPTION.contains(&code) && code != CANCEL;
            return self.piece(u64::from(len), bytes, Begin::Aside);
        }
        let total = match total(bytes) {
            Ok(total) => total,
            Err(found) => return found,
        };
        let kind = bytes[0];
        if bytes.len() < LOOK && (bytes.len() as u64) < total && matches!(kind, b'Q' | b'P' | b'B')
        {
            return Found::More;
        }
        let content = &bytes[5..bytes.len().min(total as usize)];
        let asked = self.asked(kind, content);
        if !matches!(kind, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'F' | b'H' | b'S') {
            // A password, data of a copy, a farewell.
            let begin = if self.asking { Begin::Nothing } else { Begin::Aside };
            return self.piece(total, bytes, begin);
        }
        let begin = if self.asking { Begin::Nothing } else { Begin::Request(asked) };
        self.asking = !matches!(kind, b'Q' | b'F' | b'S');
        self.piece(total, bytes, begin)
    }
}

impl Statements {
    fn piece(&mut self, total: u64, bytes: &[u8], begin: Begin) -> Found {
        let len = total.min(bytes.len() as u64);
        self.skip = total - len;
        Found::Piece(len as usize, begin)
    }

    /// The statement a message is about; one that is prepared is remembered.
    fn asked(&mut self, kind: u8, content: &[u8]) -> String {
        let mut texts = content.split(|byte| *byte == 0);
        let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        match kind {
            b'Q' => subject(first),
            b'P' => {
                let text = subject(second);
                if self.prepared.len() >= STATEMENTS {
                    self.prepared.clear();
                }
                self.prepared.insert(first.to_vec(), text.clone());
                text
            }
            b'B' => self.prepared.get(second).cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }
}

/// Reads what the server says.
#[derive(Default)]
pub(super) struct Answers {
    /// Whether it has been ready once.
    started: bool,
    skip: u64,
    /// Whether a reply is under way.
    replying: bool,
}

impl Reader for Answers {
    fn next(&mut self, bytes: &[u8], said: &mut SaidTo<'_>) -> Found {
        if self.skip > 0 {
            return skipped(&mut self.skip, bytes);
        }
        if *said.bytes > 0 {
            *said.bytes -= 1;
            // Said yes, it is encrypted from here on; an error is a message.
            return match bytes[0] {
                b'N' => Found::Piece(1, Begin::Aside),
                _ => Found::Nonsense,
            };
        }
        let total = match total(bytes) {
            Ok(total) => total,
            Err(found) => return found,
        };
        let kind = bytes[0];
        // Notices, notifications and settings come at any time.
        let aside = !self.started || (!self.replying && matches!(kind, b'N' | b'A' | b'S'));
        let begin = match (aside, self.replying) {
            (true, _) => Begin::Aside,
            (false, true) => Begin::Nothing,
            (false, false) => Begin::Reply,
        };
        self.replying = !aside && kind != b'Z';
        self.started |= kind == b'Z';
        let len = total.min(bytes.len() as u64);
        self.skip = total - len;
        Found::Piece(len as usize, begin)
    }
}

fn skipped(skip: &mut u64, bytes: &[u8]) -> Found {
    let len = (bytes.len() as u64).min(*skip);
    *skip -= len;
    Found::Piece(len as usize, Begin::Nothing)
}

/// The length of a message with its type, or why it is not known.
fn total(bytes: &[u8]) -> Result<u64, Found> {
    let len = integer(bytes.get(1..5).ok_or(Found::More)?);
    if (4..=1 << 30).contains(&len) { Ok(u64::from(len) + 1) } else { Err(Found::Nonsense) }
}

/// Four bytes as a number.
fn integer(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}
