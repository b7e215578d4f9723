//! What is known of a server that cannot be reached, and when it is tried again.

use std::time::Duration;

use tokio::time::Instant;

use super::Failure;

/// The pause after the first failed attempt, and the longest one.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is known of a server that cannot be reached.
#[derive(Debug, Default)]
pub struct Outage {
    /// Attempts that failed since the last that did not.
    pub failed: u32,
    /// No attempt before this.
    pub until: Option<Instant>,
    /// How the last one failed.
    pub last: Option<Failure>,
}

impl Outage {
    /// An attempt begins: others wait for what comes of it.
    pub fn attempt(&mut self) {
        if self.failed > 0 {
            self.until = Some(Instant::now() + self.pause());
        }
    }

    /// An attempt failed: the pause before the next one grows.
    pub fn failed(&mut self, failure: &Failure) {
        self.failed = self.failed.saturating_add(1);
        self.until = Some(Instant::now() + self.pause());
        self.last = Some(failure.clone());
    }

    /// Lets workers that have no connection go first.
    pub fn step_back(&mut self) {
        self.failed = self.failed.max(1);
        self.until = Some(Instant::now() + 3 * LONGEST_PAUSE);
    }

    fn pause(&self) -> Duration {
        let doublings = self.failed.saturating_sub(1).min(10);
        (PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::FailureKind;

    #[test]
    fn the_pause_between_attempts_grows_to_half_a_second_and_no_further() {
        let mut outage = Outage::default();
        let failure = Failure::new(FailureKind::Refused, "refused");
        let pauses: Vec<u128> = (0..40)
            .map(|_| {
                outage.failed(&failure);
                outage.pause().as_millis()
            })
            .collect();
        assert_eq!(pauses[..6], [20, 40, 80, 160, 320, 500]);
        assert!(pauses[6..].iter().all(|pause| *pause == 500));
    }
}
