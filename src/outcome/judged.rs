//! How a run came out: whether its numbers can be believed, how its thresholds held, and the exit
//! code that follows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether the numbers can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunVerdict {
    /// They can.
    Valid,
    /// The generator itself was too slow: they tell about it, not about the target.
    GeneratorLimited,
    /// The script was too slow or broke too often.
    ScriptLimited,
    /// Nothing succeeded.
    TargetDown,
    /// The run was ended before its plan was done.
    Incomplete,
    /// A fault may still be there.
    Unclean,
}

impl fmt::Display for RunVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "VALID",
            Self::GeneratorLimited => "GENERATOR_LIMITED",
            Self::ScriptLimited => "SCRIPT_LIMITED",
            Self::TargetDown => "TARGET_DOWN",
            Self::Incomplete => "INCOMPLETE",
            Self::Unclean => "UNCLEAN",
        })
    }
}

/// One cause for which the numbers cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The verdict it speaks for.
    pub verdict: RunVerdict,
    /// One sentence.
    pub cause: String,
}

/// How the thresholds came out together, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Grade {
    /// Every limit and every goal held.
    Excellent,
    /// Every limit held.
    Good,
    /// At least half of the limits held.
    Fair,
    /// Fewer held, or a critical one was missed.
    Poor,
}

impl Grade {
    /// The grade of a set of thresholds; `None` for an empty set.
    pub fn of(verdicts: &[Verdict]) -> Option<Self> {
        if verdicts.is_empty() {
            return None;
        }
        let held = verdicts.iter().filter(|v| v.limit_held).count();
        let critical = verdicts.iter().any(|v| v.critical && !v.limit_held);
        Some(if held == verdicts.len() {
            let goals = verdicts.iter().all(|v| v.goal_held != Some(false));
            if goals { Self::Excellent } else { Self::Good }
        } else if !critical && 2 * held >= verdicts.len() {
            Self::Fair
        } else {
            Self::Poor
        })
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excellent => "EXCELLENT",
            Self::Good => "GOOD",
            Self::Fair => "FAIR",
            Self::Poor => "POOR",
        })
    }
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By its plan, or by a threshold that aborts.
    Own,
    /// By a signal.
    Interrupted,
    /// By a defect of loadrun.
    Broken,
}

/// The exit code of a run that began.
pub fn exit_code(verdict: RunVerdict, grade: Option<Grade>, end: End) -> u8 {
    match end {
        End::Own => {}
        End::Interrupted => return 130,
        End::Broken => return 5,
    }
    match (verdict, grade) {
        (RunVerdict::Valid, None | Some(Grade::Excellent | Grade::Good)) => 0,
        (RunVerdict::Valid, Some(Grade::Fair)) => 1,
        (RunVerdict::Valid, Some(Grade::Poor)) => 2,
        _ => 3,
    }
}

/// A threshold, judged at the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verdict {
    /// As the script wrote it.
    pub threshold: String,
    /// What was measured, as shown to people; `None` when no sample matched.
    pub shown: Option<String>,
    /// What was measured, in the metric's raw unit (nanoseconds, bytes, a share, a number).
    pub value: Option<f64>,
    /// Whether the limit held, at the end and at every second it was judged when windowed.
    pub limit_held: bool,
    /// Whether the goal held; `None` without a goal.
    pub goal_held: Option<bool>,
    /// Missing it makes the grade POOR.
    pub critical: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(limit_held: bool, goal_held: Option<bool>, critical: bool) -> Verdict {
        let threshold = "http.failed rate < 1%".to_owned();
        Verdict { threshold, shown: None, value: None, limit_held, goal_held, critical }
    }

    #[test]
    fn the_grade_follows_limits_goals_and_critical_marks() {
        let held = || verdict(true, Some(true), false);
        let goal_missed = || verdict(true, Some(false), false);
        let missed = || verdict(false, Some(false), false);
        assert_eq!(Grade::of(&[]), None);
        assert_eq!(Grade::of(&[held(), verdict(true, None, false)]), Some(Grade::Excellent));
        assert_eq!(Grade::of(&[held(), goal_missed()]), Some(Grade::Good));
        assert_eq!(Grade::of(&[held(), missed()]), Some(Grade::Fair));
        assert_eq!(Grade::of(&[held(), missed(), missed()]), Some(Grade::Poor));
        assert_eq!(Grade::of(&[held(), held(), verdict(false, None, true)]), Some(Grade::Poor));
    }

    #[test]
    fn only_a_valid_run_can_exit_zero() {
        for verdict in [
            RunVerdict::GeneratorLimited,
            RunVerdict::ScriptLimited,
            RunVerdict::TargetDown,
            RunVerdict::Incomplete,
        ] {
            assert_eq!(exit_code(verdict, Some(Grade::Excellent), End::Own), 3);
            assert_eq!(exit_code(verdict, None, End::Own), 3);
        }
        assert_eq!(exit_code(RunVerdict::Valid, None, End::Own), 0);
        assert_eq!(exit_code(RunVerdict::Valid, Some(Grade::Good), End::Own), 0);
        assert_eq!(exit_code(RunVerdict::Valid, Some(Grade::Fair), End::Own), 1);
        assert_eq!(exit_code(RunVerdict::Valid, Some(Grade::Poor), End::Own), 2);
        assert_eq!(exit_code(RunVerdict::Incomplete, None, End::Interrupted), 130);
        assert_eq!(exit_code(RunVerdict::Incomplete, None, End::Broken), 5);
    }
}
