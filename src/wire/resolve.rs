//! Host names to addresses, by the system's resolver, which blocks and so runs on tokio's pool.
//!
//! Answers are kept for a few seconds, and a name that is being asked for is not asked for twice:
//! ten thousand users that connect at once would otherwise queue ten thousand lookups and measure
//! the local resolver. A failed lookup is not kept.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long an answer is used before the name is asked for again.
const ANSWER_LIFE: Duration = Duration::from_secs(5);

/// Most names kept at once; beyond it all are forgotten.
const MOST_NAMES: usize = 1_000;

/// One worker's lookups and their recent answers.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    answers: RefCell<HashMap<Box<str>, Answer>>,
}

/// A lookup, under way or done, and when it began.
#[derive(Clone, Debug)]
struct Answer {
    asked: Instant,
    addresses: Rc<OnceCell<Rc<[IpAddr]>>>,
}

/// The address a host text is by itself, without a lookup.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

impl Resolver {
    /// All addresses of a host name, in the order the system prefers them; never empty.
    pub(super) async fn resolve(&self, host: &str) -> io::Result<Rc<[IpAddr]>> {
        let lookup = self.lookup(host);
        let addresses = lookup
            .get_or_try_init(|| async {
                let found = tokio::net::lookup_host((host, 0)).await?;
                let found: Rc<[IpAddr]> = found.map(|address: SocketAddr| address.ip()).collect();
                if found.is_empty() {
                    return Err(io::Error::other("the name has no address"));
                }
                Ok(found)
            })
            .await?;
        Ok(Rc::clone(addresses))
    }

    /// The lookup to wait for: a recent one, or a new one.
    fn lookup(&self, host: &str) -> Rc<OnceCell<Rc<[IpAddr]>>> {
        let mut answers = self.answers.borrow_mut();
        if let Some(answer) = answers.get(host)
            && answer.asked.elapsed() < ANSWER_LIFE
        {
            return Rc::clone(&answer.addresses);
        }
        if answers.len() >= MOST_NAMES {
            answers.clear();
        }
        let answer = Answer { asked: Instant::now(), addresses: Rc::default() };
        answers.insert(host.into(), answer.clone());
        answer.addresses
    }
}
