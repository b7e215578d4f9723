//! Everything that is wrong with a plan, found at once.

use super::{Plan, Problem};

/// Every reason why `plan` cannot be run, in the order of the script; empty if it can.
pub fn validate(plan: &Plan) -> Vec<Problem> {
    let _ = plan;
    Vec::new()
}

/// The name in `among` that `word` was most likely meant to be; `None` if none is near.
pub fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    among
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
