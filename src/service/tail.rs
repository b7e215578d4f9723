//! What a child writes: read to its end, since a full pipe would stop it. Only the last lines are
//! kept, for the message when it fails.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// How many of the last lines are kept.
const LINES: usize = 20;

/// Bytes of one such line that are kept.
const LINE_BYTES: usize = 500;

/// The last lines a child wrote, stdout and stderr in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, mut line: String) {
        if line.len() > LINE_BYTES {
            line.truncate(line.floor_char_boundary(LINE_BYTES));
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// `; it wrote:` and the lines, or nothing when there are none.
    pub(super) fn quoted(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return String::new();
        }
        lines.iter().fold("; it wrote:".to_owned(), |text, line| text + "\n    " + line)
    }

    /// Reads a stream to its end, line by line; what follows `mark` in the first line that has it
    /// is passed on.
    pub(super) async fn drain(
        self,
        stream: impl AsyncRead + Unpin,
        mark: Option<String>,
        found: watch::Sender<Option<String>>,
    ) {
        let mut lines = BufReader::new(stream).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(mark) = &mark
                && let Some((_, rest)) = line.split_once(mark)
                && found.borrow().is_none()
            {
                found.send_replace(Some(rest.trim().to_owned()));
            }
            self.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_is_read_and_only_its_end_is_kept() {
        let mut written = vec![b'x'; 300_000];
        written.extend(b"\nit is up at http://a\nit is up at http://b\n");
        for line in 0..30 {
            written.extend(format!("line {line}\n").into_bytes());
        }
        let (found, place) = watch::channel(None);
        let tail = Tail::default();
        tail.clone().drain(&written[..], Some("up at ".into()), found).await;
        assert_eq!(place.borrow().as_deref(), Some("http://a"));
        let quoted = tail.quoted();
        assert!(quoted.starts_with("; it wrote:\n    line 10\n"), "{quoted}");
        assert!(quoted.ends_with("\n    line 29"), "{quoted}");
    }

    #[tokio::test]
    async fn a_long_line_is_cut_between_characters() {
        let (found, _) = watch::channel(None);
        let tail = Tail::default();
        tail.clone().drain("é".repeat(1000).as_bytes(), None, found).await;
        assert!(tail.quoted().len() <= "; it wrote:\n    ".len() + LINE_BYTES);
    }
}
