//! The closed loop: user *k* is there while the curve is above *k*, and iterates without a pause.
//!
//! No one counts users up and down. Each user asks the curve when it is above the user's own
//! number: while it is, the user iterates; when it is not, the user finishes its iteration and
//! rests, keeping its state, until the curve rises above it again.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Driver;
use super::crew::Crew;
use crate::plan::Curve;

/// Brings each user of the stripe in when the curve first rises above its number.
pub(super) async fn offer<D: Driver>(crew: &Rc<Crew<D>>, users: &mut JoinSet<()>, curve: &Curve) {
    let curve = Rc::new(curve.clone());
    for number in crew.shift.stripe.below(u64::MAX) {
        let Some(rise) = curve.rise_above(number as f64, Duration::ZERO) else {
            break;
        };
        crew.sleep_until(rise).await;
        users.spawn_local(live(Rc::clone(crew), Rc::clone(&curve), number));
    }
    crew.sleep_until(curve.duration()).await;
}

/// The life of one user.
pub(super) async fn live<D: Driver>(crew: Rc<Crew<D>>, curve: Rc<Curve>, number: u64) {
    let mut user = crew.create(number).await;
    for iteration in 0.. {
        let now = crew.elapsed();
        let Some(rise) = curve.rise_above(number as f64, now) else {
            break;
        };
        if rise > now {
            crew.leave();
            crew.sleep_until(rise).await;
            crew.arrive();
        }
        if crew.is_closing() {
            break;
        }
        crew.iterate_freely(&mut user, iteration).await;
    }
    crew.leave();
}
