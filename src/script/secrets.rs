//! Values of secret parameters, and how they are kept out of what is shown.
//!
//! A secret is known from the moment its parameter is declared; from then on every line of the log
//! and every error of a script has `***` in its place. Values shorter than 4 characters are not
//! looked for: they would be found in half of all words.

use std::sync::{PoisonError, RwLock};

/// Fewest characters of a value that is looked for.
const SHORTEST: usize = 4;
/// What stands in place of a secret.
const MASK: &str = "***";

/// The values to keep out, the longest first.
#[derive(Debug, Default)]
pub(super) struct Secrets(RwLock<Vec<String>>);

impl Secrets {
    /// Keeps out one more value.
    pub(super) fn add(&self, value: &str) {
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if value.chars().count() < SHORTEST || values.iter().any(|known| known == value) {
            return;
        }
        values.push(value.to_owned());
        // One that contains another must be replaced before it.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The values, the longest first.
    pub(super) fn list(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The text without the values.
    pub(super) fn masked(&self, mut text: String) -> String {
        for value in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if text.contains(value) {
                text = text.replace(value, MASK);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_contains_another_leaves_no_rest() {
        let secrets = Secrets::default();
        for value in ["hunter", "hunter22", "abc", "", "hunter"] {
            secrets.add(value);
        }
        assert_eq!(secrets.list(), ["hunter22", "hunter"]);
        let text = "hunter22, hunter2 and abc".to_owned();
        assert_eq!(secrets.masked(text), "***, ***2 and abc");
    }
}
