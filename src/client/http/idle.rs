//! Connections between two requests. A list, not a map: a user has one, a shared set a few dozen,
//! and the one used last is the warmest.

use std::cell::RefCell;
use std::rc::Rc;

use super::h2::Link;
use super::origin::Origin;
use crate::wire::Stream;

/// A connection that can carry a request.
#[derive(Debug)]
pub(super) enum Line {
    /// HTTP/1.1: one request at a time.
    H1(Stream),
    /// HTTP/2: many at a time, so it is lent and kept at once.
    H2(Rc<Link>),
}

/// Connections nobody is using, or that can be used by several.
#[derive(Debug, Default)]
pub(super) struct Idle {
    lines: RefCell<Vec<(Rc<Origin>, Line)>>,
}

impl Idle {
    /// The connection to this origin that was used last.
    pub(super) fn take(&self, origin: &Rc<Origin>) -> Option<Line> {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|(_, line)| !matches!(line, Line::H2(link) if link.closed()));
        let at = lines.iter().rposition(|(to, _)| Rc::ptr_eq(to, origin))?;
        match &lines[at].1 {
            Line::H2(link) => Some(Line::H2(Rc::clone(link))),
            Line::H1(_) => Some(lines.swap_remove(at).1),
        }
    }

    /// The HTTP/2 connection to this origin with the fewest requests on it, and how many there are.
    pub(super) fn least_busy(&self, origin: &Rc<Origin>) -> Option<(Rc<Link>, usize)> {
        let lines = self.lines.borrow();
        let links = lines.iter().filter_map(|(to, line)| match line {
            Line::H2(link) if Rc::ptr_eq(to, origin) && !link.closed() => Some(link),
            _ => None,
        });
        let count = links.clone().count();
        let link = links.min_by_key(|link| Rc::strong_count(link))?;
        Some((Rc::clone(link), count))
    }

    /// Keeps a connection, and at most `most` of its kind: the oldest goes first.
    pub(super) fn put(&self, origin: &Rc<Origin>, line: Line, most: usize) {
        let mut lines = self.lines.borrow_mut();
        if lines.capacity() == 0 {
            // Most users only ever have one.
            lines.reserve_exact(1);
        }
        let kind = std::mem::discriminant(&line);
        lines.push((Rc::clone(origin), line));
        trim(&mut lines, most, |line| std::mem::discriminant(line) == kind);
    }

    /// Closes the oldest HTTP/1.1 connections until at most `most` are left.
    pub(super) fn trim_h1(&self, most: usize) {
        trim(&mut self.lines.borrow_mut(), most, |line| matches!(line, Line::H1(_)));
    }

    /// Keeps an HTTP/2 connection no longer.
    pub(super) fn forget(&self, gone: &Rc<Link>) {
        let is_gone = |line: &Line| matches!(line, Line::H2(link) if Rc::ptr_eq(link, gone));
        self.lines.borrow_mut().retain(|(_, line)| !is_gone(line));
    }
}

/// Drops the first of those that count until at most `most` of them are left.
fn trim(lines: &mut Vec<(Rc<Origin>, Line)>, most: usize, counts: impl Fn(&Line) -> bool) {
    let count = lines.iter().filter(|(_, line)| counts(line)).count();
    let mut surplus = count.saturating_sub(most);
    lines.retain(|(_, line)| {
        let goes = surplus > 0 && counts(line);
        surplus -= usize::from(goes);
        !goes
    });
}
