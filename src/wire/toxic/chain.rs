//! The toxics on one direction of one connection, and what is on its way through them.
//!
//! Each stage holds what its effect has not let go yet (`held.rs`); [`Chain::advance`] moves on
//! whatever is due.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::super::frame::Request;
use super::{Cut, Dice, Direction, Effect, Held, Kind, Marks, Parcel, Per, Rigged, roll};

/// One toxic at work.
struct Stage {
    rigged: Arc<Rigged>,
    /// Where it is for single requests: not there before the first one that it concerns.
    effect: Option<Box<dyn Effect>>,
    held: Held,
    touched: bool,
    /// The last request it concerned, where it is for single ones.
    request: Option<Arc<Request>>,
}

impl Stage {
    fn accept(&mut self, parcel: Parcel, now: Instant, whose: &Whose) {
        let request = match &parcel {
            Parcel::Part(_, request) => Some(Arc::clone(request)),
            _ => None,
        };
        if !self.concerns(&parcel, request.as_deref(), whose) {
            return self.held.push(now, parcel);
        }
        if request.is_some() {
            self.request.clone_from(&request);
        }
        let Self { rigged, effect, held, .. } = self;
        let effect = effect.get_or_insert_with(|| rigged.toxic.effect(whose, now, held));
        held.request.clone_from(&request);
        let (touched, bytes) = match parcel {
            Parcel::Bytes(bytes) | Parcel::Part(bytes, _) => {
                let len = bytes.len();
                (effect.bytes(bytes, now, held), len)
            }
            Parcel::End => (effect.end(now, held), 0),
            Parcel::Close => {
                held.push(now, Parcel::Close);
                (false, 0)
            }
        };
        held.request = None;
        if touched {
            self.touch(whose);
            self.rigged.tally.touch_chunk(bytes);
        }
    }

    /// Whether a parcel is disturbed; one that is not waits behind those that are. What follows
    /// something that was swallowed is swallowed too: nobody could tell any more what it is to.
    fn concerns(&self, parcel: &Parcel, request: Option<&Request>, whose: &Whose) -> bool {
        let toxic = &self.rigged.toxic;
        let Per::Request(wanted) = &toxic.per else {
            return true;
        };
        let swallowed = self.held.lost;
        let wanted = |request: &&Request| {
            swallowed || wanted.as_ref().is_none_or(|pattern| fits(pattern, &request.subject))
        };
        let Some(request) = request.filter(wanted) else {
            return swallowed || matches!(parcel, Parcel::Close);
        };
        request.marks.meet(&self.rigged);
        let rolled = roll(whose.seed, &toxic.name, whose.connection, request.number);
        swallowed || rolled < toxic.toxicity
    }

    fn touch(&mut self, whose: &Whose) {
        let marks = match (&self.rigged.toxic.per, &self.request) {
            (Per::Request(_), Some(request)) => &request.marks,
            (Per::Request(_), None) => return,
            (Per::Connection, _) if std::mem::replace(&mut self.touched, true) => return,
            (Per::Connection, _) => &whose.marks,
        };
        marks.touch(&self.rigged);
    }
}

/// Whether a text fits a pattern in which `*` stands for anything, or nothing.
pub fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            rest.is_empty() || ends.into_iter().any(|at| fits(rest, &text[at..]))
        }),
    }
}

impl Whose {
    /// The choices of an effect on it.
    pub(super) fn dice(&self, fault: &str) -> Dice {
        Dice::new(self.seed, fault, self.connection, self.direction == Direction::Upstream)
    }
}

/// Whose chain it is; the choices of its effects follow from it.
#[derive(Clone, Debug)]
pub(in crate::wire) struct Whose {
    pub(in crate::wire) seed: u64,
    /// The number of the connection, from 0 in the order they were accepted.
    pub(in crate::wire) connection: u64,
    pub(in crate::wire) direction: Direction,
    pub(in crate::wire) marks: Marks,
}

/// The toxics on one direction of one connection.
pub(in crate::wire) struct Chain {
    whose: Whose,
    stages: Vec<Stage>,
    /// What is through, to be delivered now.
    outlet: VecDeque<Parcel>,
    outlet_weight: usize,
    /// The newest toxic it has met: each is met once.
    met: u64,
}

impl Chain {
    pub(in crate::wire) fn new(whose: Whose) -> Self {
        Self { whose, stages: Vec::new(), outlet: VecDeque::new(), outlet_weight: 0, met: 0 }
    }

    /// Whether no toxic stands in it.
    pub(in crate::wire) fn is_bare(&self) -> bool {
        self.stages.is_empty()
    }

    /// Bytes on their way, with what keeping them costs.
    pub(in crate::wire) fn weight(&self) -> usize {
        self.outlet_weight + self.stages.iter().map(|stage| stage.held.weight).sum::<usize>()
    }

    /// Whether a toxic has swallowed something the stream cannot go on without.
    pub(in crate::wire) fn has_lost(&self) -> bool {
        self.stages.iter().any(|stage| stage.held.lost)
    }

    /// Takes in what was sent at `now`.
    pub(in crate::wire) fn accept(&mut self, parcel: Parcel, now: Instant) {
        self.enter(0, parcel, now);
    }

    /// Hands a parcel to the stage with that number, or out when there is none.
    fn enter(&mut self, stage: usize, parcel: Parcel, now: Instant) {
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.accept(parcel, now, &self.whose);
        } else {
            self.outlet_weight += parcel.weight();
            self.outlet.push_back(parcel);
        }
    }

    /// Moves on whatever is due; the error says that the connection is cut.
    pub(in crate::wire) fn advance(&mut self, now: Instant) -> Result<(), Cut> {
        for at in 0..self.stages.len() {
            while let Some((due, parcel)) = self.stages[at].held.pop_due(now) {
                self.enter(at + 1, parcel, due);
            }
            let stage = &mut self.stages[at];
            if let Some((_, how)) = stage.held.cut.filter(|(when, _)| *when <= now) {
                stage.touch(&self.whose);
                return Err(how);
            }
        }
        Ok(())
    }

    /// The next moment at which [`Chain::advance`] has something to do.
    pub(in crate::wire) fn next(&self) -> Option<Instant> {
        self.stages.iter().filter_map(|stage| stage.held.next()).min()
    }

    /// The first parcel to be delivered.
    pub(in crate::wire) fn first(&mut self) -> Option<&mut Parcel> {
        self.outlet.front_mut()
    }

    /// Says that so many bytes of the first parcel were delivered.
    pub(in crate::wire) fn delivered(&mut self, count: usize) {
        if let Some(Parcel::Bytes(bytes) | Parcel::Part(bytes, _)) = self.outlet.front_mut()
            && count < bytes.len()
        {
            drop(bytes.split_to(count));
            self.outlet_weight -= count;
            return;
        }
        if let Some(parcel) = self.outlet.pop_front() {
            self.outlet_weight -= parcel.weight();
        }
    }

    /// Becomes the chain of these toxics. What those that are gone or changed have held moves on
    /// at once, in order; a stream that lost bytes for good is cut.
    pub(in crate::wire) fn refit(
        &mut self,
        toxics: &[Arc<Rigged>],
        now: Instant,
    ) -> Result<(), Cut> {
        let mut lost = false;
        // From the far end, so that what a stage held stays in front of what those before it held.
        for at in (0..self.stages.len()).rev() {
            let serial = self.stages[at].rigged.serial;
            if !toxics.iter().any(|rigged| rigged.serial == serial) {
                let gone = self.stages.remove(at);
                lost |= gone.held.lost;
                for (_, parcel) in gone.held.parcels {
                    self.enter(at, parcel, now);
                }
            }
        }
        let mut fitted = Vec::with_capacity(toxics.len());
        let mut kept = std::mem::take(&mut self.stages).into_iter().peekable();
        for rigged in toxics {
            if kept.peek().is_some_and(|stage| stage.rigged.serial == rigged.serial) {
                fitted.extend(kept.next());
            } else if rigged.serial > self.met {
                fitted.extend(self.stage(rigged, now));
            }
        }
        self.met = toxics.iter().map(|rigged| rigged.serial).max().unwrap_or(0).max(self.met);
        self.stages = fitted;
        if lost { Err(Cut::Close) } else { Ok(()) }
    }

    /// A toxic put to work, if it concerns this connection.
    fn stage(&self, rigged: &Arc<Rigged>, now: Instant) -> Option<Stage> {
        let (whose, toxic) = (&self.whose, &rigged.toxic);
        if !toxic.stream.covers(whose.direction) {
            return None;
        }
        let mut held = Held::default();
        if matches!(toxic.per, Per::Request(_)) {
            return Some(Stage {
                rigged: Arc::clone(rigged),
                effect: None,
                held,
                touched: false,
                request: None,
            });
        }
        whose.marks.meet(rigged);
        let concerned = roll(whose.seed, &toxic.name, whose.connection, 0) < toxic.toxicity;
        if !concerned && toxic.kind != Kind::Down {
            return None;
        }
        let effect = Some(toxic.effect(whose, now, &mut held));
        Some(Stage { rigged: Arc::clone(rigged), effect, held, touched: false, request: None })
    }
}
