//! Those who wait for a connection of a bounded set to be given back, in the order they came.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;

use tokio::sync::oneshot;

/// The line: whoever has the lowest ticket is handed the next.
#[derive(Debug)]
pub(super) struct Line<T> {
    last: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<T>>>,
}

/// A place in the line, given up when it is dropped.
pub(super) struct Standing<'a, T, F: Fn(T)> {
    line: &'a Line<T>,
    ticket: u64,
    handed: oneshot::Receiver<T>,
    /// What becomes of what was handed over and not taken.
    pass_on: F,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { last: Cell::new(0), waiting: RefCell::default() }
    }
}

impl<T> Line<T> {
    /// The next ticket. It keeps its place when its holder leaves the line and comes back.
    pub(super) fn ticket(&self) -> u64 {
        self.last.update(|last| last + 1);
        self.last.get()
    }

    /// Stands in the line.
    pub(super) fn stand<F: Fn(T)>(&self, ticket: u64, pass_on: F) -> Standing<'_, T, F> {
        let (sender, handed) = oneshot::channel();
        self.waiting.borrow_mut().insert(ticket, sender);
        Standing { line: self, ticket, handed, pass_on }
    }

    /// How many stand in it.
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Hands something to the first in the line; it comes back where nobody is.
    pub(super) fn hand(&self, mut what: T) -> Option<T> {
        loop {
            let Some((_, first)) = self.waiting.borrow_mut().pop_first() else {
                return Some(what);
            };
            match first.send(what) {
                Ok(()) => return None,
                Err(back) => what = back,
            }
        }
    }
}

impl<T, F: Fn(T)> Standing<'_, T, F> {
    /// What is handed over.
    pub(super) async fn handed(&mut self) -> T {
        match (&mut self.handed).await {
            Ok(what) => what,
            // Nobody else can take the place away.
            Err(_) => pending().await,
        }
    }
}

impl<T, F: Fn(T)> Drop for Standing<'_, T, F> {
    fn drop(&mut self) {
        self.line.waiting.borrow_mut().remove(&self.ticket);
        if let Ok(what) = self.handed.try_recv() {
            (self.pass_on)(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_to_the_line_has_the_old_place_and_what_is_not_taken_goes_on() {
        let line = Line::default();
        let over = RefCell::new(Vec::new());
        let keep = |what| over.borrow_mut().push(what);
        let (first, second) = (line.ticket(), line.ticket());
        let mut two = line.stand(second, keep);
        let mut one = line.stand(first, keep);
        assert_eq!(line.hand("a"), None);
        assert_eq!(one.handed.try_recv(), Ok("a"));
        assert!(two.handed.try_recv().is_err());
        let one = line.stand(first, keep);
        assert_eq!(line.hand("b"), None);
        drop(one);
        assert_eq!(*over.borrow(), ["b"]);
        drop(two);
        assert_eq!(line.hand("c"), Some("c"));
    }
}
