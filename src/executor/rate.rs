//! The open loop: arrival *n* is due when the curve's area reaches *n*, whatever the target does.
//!
//! A due arrival is taken up by the user that became free last, whose connections are warm, or by
//! a new one, or it is dropped and counted. Nothing queues: an arrival that waited for a user
//! would hide the target's slowness in the generator. A new user's `init` is a wait of ours as
//! well: it makes the user's first arrival late, and is counted as such.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::task::JoinSet;

use super::crew::Crew;
use super::{Driver, Turn};
use crate::plan::{Arrivals, Curve};

/// Starts every arrival of the stripe when it is due.
pub(super) async fn offer<D: Driver>(
    crew: &Rc<Crew<D>>,
    users: &mut JoinSet<()>,
    curve: &Curve,
    mut chance: Chance,
    most_users: u64,
) {
    let stripe = crew.shift.stripe.among(most_users);
    let mut newcomers = stripe.below(most_users);
    let idle = Rc::new(Idle::default());
    for number in stripe.below(u64::MAX) {
        let Some(due) = curve.time_of(chance.position(number)) else {
            break;
        };
        crew.sleep_until(due).await;
        crew.offered();
        let turn = Turn { number, intended: Some(crew.at(due)) };
        if let Some(seat) = idle.seats.borrow_mut().pop() {
            crew.taken();
            seat.give(turn);
        } else if let Some(user) = newcomers.next() {
            crew.taken();
            users.spawn_local(serve(Rc::clone(crew), Rc::clone(&idle), user, turn));
        } else {
            crew.dropped();
        }
    }
    crew.sleep_until(curve.duration()).await;
}

/// The life of one user, from the arrival it was made for.
pub(super) async fn serve<D: Driver>(
    crew: Rc<Crew<D>>,
    idle: Rc<Idle>,
    number: u64,
    mut turn: Turn,
) {
    let seat = Rc::new(Seat::default());
    let mut user = crew.create_for(number, turn).await;
    loop {
        crew.iterate(&mut user, turn).await;
        idle.seats.borrow_mut().push(Rc::clone(&seat));
        turn = seat.next().await;
    }
}

/// The users that wait for an arrival, the one that became free last on top.
#[derive(Default)]
pub(super) struct Idle {
    seats: RefCell<Vec<Rc<Seat>>>,
}

/// Where one user waits: a channel for a single turn, without the channel.
#[derive(Default)]
struct Seat {
    turn: Cell<Option<Turn>>,
    waker: Cell<Option<Waker>>,
}

impl Seat {
    /// Hands the waiting user its next turn.
    fn give(&self, turn: Turn) {
        self.turn.set(Some(turn));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits for the next turn.
    async fn next(&self) -> Turn {
        poll_fn(|context| {
            let turn = self.turn.take();
            if turn.is_none() {
                self.waker.set(Some(context.waker().clone()));
            }
            turn.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Where on the curve's area each arrival stands: at its own number, or around it by chance.
pub(super) enum Chance {
    /// Arrival *n* at *n*.
    Even,
    /// Arrival *n* at the sum of *n* + 1 gaps of mean 1. Every worker draws all gaps, so that
    /// all agree without asking each other.
    Poisson {
        /// Draws the gaps.
        random: Box<Xoshiro256PlusPlus>,
        /// How many have been drawn.
        drawn: u64,
        /// Their sum.
        position: f64,
    },
}

impl Chance {
    /// The arrivals of the scenario called `name` in a run with this seed.
    pub(super) fn new(arrivals: Arrivals, seed: u64, name: &str) -> Self {
        match arrivals {
            Arrivals::Even => Self::Even,
            Arrivals::Poisson => Self::Poisson {
                random: Box::new(Xoshiro256PlusPlus::seed_from_u64(seed ^ fnv1a(name))),
                drawn: 0,
                position: 0.0,
            },
        }
    }

    /// Where arrival `number` stands; asked for in rising order.
    fn position(&mut self, number: u64) -> f64 {
        match self {
            Self::Even => number as f64,
            Self::Poisson { random, drawn, position } => {
                while *drawn <= number {
                    let gap: f64 = Exp1.sample(random);
                    *position += gap;
                    *drawn += 1;
                }
                *position
            }
        }
    }
}

/// The FNV-1a hash of a name: so that scenarios with one seed differ, in every release alike.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
