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
#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// What stands in the lines that give a reason; none where any may.
    marks: &'static [&'static str],
    lines: Arc<Mutex<Lines>>,
}

/// The last lines, and the last of those that give a reason.
#[derive(Debug, Default)]
struct Lines {
    all: VecDeque<String>,
    reasons: VecDeque<String>,
}

impl Tail {
    /// What stands in the lines that are told in place of all, where there are such.
    pub(super) fn new(marks: &'static [&'static str]) -> Self {
        Self { marks, lines: Arc::default() }
    }

    fn push(&self, mut line: String) {
        if line.len() > LINE_BYTES {
            line.truncate(line.floor_char_boundary(LINE_BYTES));
        }
        let Lines { all, reasons } =
            &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let keep = |lines: &mut VecDeque<String>| {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(line.clone());
        };
        if self.marks.iter().any(|mark| line.contains(mark)) {
            keep(reasons);
        }
        keep(all);
    }

    /// `; it wrote:` and the lines, or nothing when there are none.
    pub(super) fn quoted(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = if lines.reasons.is_empty() { &lines.all } else { &lines.reasons };
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
        let tail = Tail::new(&[]);
        tail.clone().drain(&written[..], Some("up at ".into()), found).await;
        assert_eq!(place.borrow().as_deref(), Some("http://a"));
        let quoted = tail.quoted();
        assert!(quoted.starts_with("; it wrote:\n    line 10\n"), "{quoted}");
        assert!(quoted.ends_with("\n    line 29"), "{quoted}");
    }

    #[tokio::test]
    async fn a_long_line_is_cut_between_characters() {
        let (found, _) = watch::channel(None);
        let tail = Tail::new(&[]);
        tail.clone().drain("é".repeat(1000).as_bytes(), None, found).await;
        assert!(tail.quoted().len() <= "; it wrote:\n    ".len() + LINE_BYTES);
    }

    #[tokio::test]
    async fn a_reason_is_told_whatever_is_written_after_it() {
        let (found, _) = watch::channel(None);
        let tail = Tail::new(&["[ERROR]"]);
        let written = "begins\n[ERROR] no such option\n".to_owned() + &"try this\n".repeat(50);
        tail.clone().drain(written.as_bytes(), None, found).await;
        assert_eq!(tail.quoted(), "; it wrote:\n    [ERROR] no such option");
    }
}
