//! Values that may not be shown, and how they are kept out of what is.
//!
//! They are those of secret parameters, and what a script gives to be known by: passwords, tokens,
//! cookies. A secret is known from the moment it is declared, and one that stands in the script as
//! a literal before anything runs; from then on every line of the log and every error of a script
//! has `***` in its place, and so has the script's text in the results. Values shorter than 4
//! characters are not looked for: they would be found in half of all words. Nor is a literal that is
//! one plain word of up to 8 letters, such as the password `user` of a test: results are full of such
//! words, and would no longer say what they measured.

use std::sync::{PoisonError, RwLock};

use super::locate::Locator;
use crate::client::sql::passwords;

/// Fewest characters of a value that is looked for.
const SHORTEST: usize = 4;
/// Most letters of a plain word that is not looked for where it was only found.
const WORD: usize = 8;
/// What stands in place of a secret.
const MASK: &str = "***";

/// Keys under which a script gives what it is known by, in any letter case.
const KEYS: &[&str] = &[
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "bearer",
    "cookie",
    "password",
    "proxy-authorization",
    "x-api-key",
];

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

    /// Keeps out what stands under a key by which one is known, such as a header of that name: the
    /// whole, and what of it is not the same for everybody.
    pub(super) fn add_under(&self, key: &str, value: &str) {
        if !KEYS.iter().any(|known| key.eq_ignore_ascii_case(known)) {
            return;
        }
        self.add_found(value);
        if key.eq_ignore_ascii_case("cookie") {
            let pairs = value.split(';').filter_map(|pair| pair.split_once('='));
            pairs.for_each(|(_, value)| self.add_found(value.trim()));
        } else if let Some((_, credentials)) = value.split_once(' ') {
            // Behind the name of a scheme: `Bearer ...`.
            self.add_found(credentials.trim());
        }
    }

    /// Keeps out a value that nobody called a secret, unless it is a word like any other.
    fn add_found(&self, value: &str) {
        if value.len() > WORD || !value.bytes().all(|byte| byte.is_ascii_lowercase()) {
            self.add(value);
        }
    }

    /// Keeps out what a script has as literals.
    pub(super) fn add_literals(&self, script: &[u8]) {
        let locator = Locator::new(script);
        for (key, text) in locator.literals() {
            if let Some(key) = key {
                self.add_under(key, text);
            }
            if text.contains("://") {
                for password in passwords(text) {
                    self.add(&password);
                }
            }
        }
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

    #[test]
    fn what_a_script_is_known_by_is_found_where_it_is_written() {
        let secrets = Secrets::default();
        secrets.add_literals(
            br#"local a = { auth = { bearer = "token-1" }, password = 'pass-2', user = "someone" }
            local b = { ["Authorization"] = "Basic base-3", Cookie = "sid=cookie-4; theme=dark" }
            local c = { authorization = "Bearer " .. token, cookie = name, url = "http://h/p" }
            get("postgres://me:pass-5@host/shop") bearer = [[token-6]] f { bearer == "other" }
            local e = { ["X-Api-Key"] = "key-7", apikey = "key-8", api_key = "key-9", key = "no" }
            local d = { password = "secret", json = { password = "correcthorse" }, cookie = "a=rate" }"#,
        );
        let mut found = secrets.list();
        found.sort();
        let expected = [
            "Basic base-3",
            "a=rate",
            "base-3",
            "cookie-4",
            "correcthorse",
            "key-7",
            "key-8",
            "key-9",
            "pass-2",
            "pass-5",
            "sid=cookie-4; theme=dark",
            "token-1",
            "token-6",
        ];
        assert_eq!(found, expected);
    }
}
