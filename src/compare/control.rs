//! A target compared with itself: what is seen to change there is noise.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Comparison, Finding, Scale, TIMES};

/// How much runs of a target that has not changed seem to change: the noise of a machine now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Control {
    /// What can be said of it, which should be nothing.
    pub verdict: Finding,
    /// The widest arm of the intervals of each figure of the times; `None` where one is open.
    pub noise: BTreeMap<&'static str, Option<f64>>,
}

impl Control {
    /// Of a comparison of a target with itself.
    pub fn of(itself: &Comparison) -> Self {
        let noise = TIMES.map(|(_, figure)| {
            let rows = itself.rows().filter(|row| row.scale == Scale::Time && row.figure == figure);
            let arms = rows.map(|row| Some((row.high? - row.low?) / 2.0));
            let arms = arms.collect::<Option<Vec<f64>>>();
            (figure, arms.and_then(|arms| arms.into_iter().reduce(f64::max)))
        });
        Self { verdict: itself.verdict, noise: noise.into() }
    }
}
