//! A queue seen by all workers: first in, first out; each value is taken once.
//!
//! Taking waits without holding the thread: a waiter sleeps on a `Notify`, which works across
//! runtimes, and a waiter that is dropped passes its wake-up on.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::super::super::plain::Plain;

/// A queue of plain values.
#[derive(Debug)]
pub struct Queue {
    items: Mutex<VecDeque<Plain>>,
    /// One permit a value that was put in.
    filled: Notify,
    /// How many values it holds at most.
    pub capacity: usize,
}

impl Queue {
    /// An empty queue.
    pub fn new(capacity: usize) -> Self {
        Self { items: Mutex::default(), filled: Notify::new(), capacity }
    }

    /// Puts a value at the end; false when the queue is full.
    pub fn push(&self, value: Plain) -> bool {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        if items.len() >= self.capacity {
            return false;
        }
        items.push_back(value);
        drop(items);
        self.filled.notify_one();
        true
    }

    /// Takes the first value if there is one.
    pub fn try_pop(&self) -> Option<Plain> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Takes the first value, waiting for one; `None` when none came within `patience`.
    pub async fn pop(&self, patience: Option<Duration>) -> Option<Plain> {
        match patience {
            Some(patience) => tokio::time::timeout(patience, self.next()).await.ok(),
            None => Some(self.next().await),
        }
    }

    async fn next(&self) -> Plain {
        loop {
            // The permit of a value that came after this look stays, so no value is slept through.
            if let Some(value) = self.try_pop() {
                return value;
            }
            self.filled.notified().await;
        }
    }

    /// How many values wait to be taken.
    pub fn len(&self) -> usize {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
