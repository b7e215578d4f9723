//! A comparison as a gate: what a run has to get through besides its thresholds.

use super::{Comparison, Finding, Outcome};

/// How a run came out against a baseline, and whether that fails it.
pub struct Gate {
    /// The comparison, or everything that kept the runs from being compared.
    pub found: Result<Comparison, Vec<String>>,
    /// That it cannot be told, or compared, does not fail the run.
    pub pass_inconclusive: bool,
    /// That it is not worse is not enough.
    pub must_improve: bool,
}

impl Gate {
    /// 0: passed; 1: regressed; 2: not better, where it must be; 3: it cannot be told, and that
    /// fails.
    pub fn exit_code(&self) -> u8 {
        match self.verdict() {
            Finding::Unchanged | Finding::NotWorse if self.must_improve => 2,
            Finding::Improved | Finding::Unchanged | Finding::NotWorse => 0,
            Finding::Regressed => 1,
            Finding::Inconclusive if self.pass_inconclusive => 0,
            Finding::Inconclusive => 3,
        }
    }

    /// What can be said of the run; nothing where it could not be compared.
    pub fn verdict(&self) -> Finding {
        self.found.as_ref().map_or(Finding::Inconclusive, |comparison| comparison.verdict)
    }
}

/// The worse exit code of a run and its gate.
pub fn exit_code(outcome: &Outcome, gate: Option<&Gate>) -> u8 {
    match gate {
        // Above 3 there is more wrong than a comparison can be.
        Some(gate) if outcome.exit <= 3 => outcome.exit.max(gate.exit_code()),
        _ => outcome.exit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(verdict: Option<Finding>, pass_inconclusive: bool, must_improve: bool) -> Gate {
        let comparison = |verdict| Comparison {
            verdict,
            base: Vec::new(),
            now: Vec::new(),
            limit: 0.05,
            targets: Vec::new(),
            overridden: Vec::new(),
            more: None,
            operations: Vec::new(),
        };
        let found = verdict.map(comparison).ok_or_else(Vec::new);
        Gate { found, pass_inconclusive, must_improve }
    }

    #[test]
    fn that_it_cannot_be_told_fails_unless_it_is_to_pass_and_a_regression_always_does() {
        let (regressed, unsure) = (Some(Finding::Regressed), Some(Finding::Inconclusive));
        for (verdict, strict, lenient, improving) in [
            (Some(Finding::Improved), 0, 0, 0),
            (Some(Finding::Unchanged), 0, 0, 2),
            (Some(Finding::NotWorse), 0, 0, 2),
            (regressed, 1, 1, 1),
            (unsure, 3, 0, 3),
            (None, 3, 0, 3),
        ] {
            let exits = [(false, false), (true, false), (false, true)]
                .map(|(pass, improve)| gate(verdict, pass, improve).exit_code());
            assert_eq!(exits, [strict, lenient, improving], "{verdict:?}");
        }
    }
}
