//! What SQLite must be told of a text, or kept from, which its driver does not know.

use std::sync::Arc;

use super::tokens::{Parameter, Token, tokens};
use super::{changing, is, is_blank};
use crate::client::sql::Dialect;

/// What follows each text of SQLite.
pub const QUESTION: &str = ";PRAGMA schema_version";

/// The highest number a parameter of SQLite can have.
const HIGHEST: usize = 32_766;

/// What SQLite must be told of a text, or kept from.
#[derive(Debug)]
pub struct Lite {
    /// The text, and after it a question for the version of the schema: its answer shows whether
    /// the schema is still the one the text was prepared for.
    pub watched: Arc<str>,
    /// How many parameters it has, or why it cannot be given any.
    pub parameters: Result<usize, String>,
    /// The word by which it would reach a file of its own choice.
    pub reaches: Option<&'static str>,
    /// Of each statement whether it changes rows, where they can be told apart: not with a trigger,
    /// which has statements of its own.
    pub changes_rows: Option<Vec<bool>>,
    /// How many statements there are in it. A trigger has statements of its own.
    pub count: Count,
    /// Whether it changes the schema, after which statements must be prepared anew.
    pub changes_schema: bool,
    /// Whether a transaction ends in it, and with it what it did to the schema is seen by others.
    pub ends_transaction: bool,
}

/// How many statements there are in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    None,
    One,
    Several,
}

impl Lite {
    pub fn read(text: &str) -> Self {
        let pieces: Vec<Token> = tokens(Dialect::Sqlite, text.as_bytes()).collect();
        let any = |words: &[&str]| pieces.iter().any(|it| words.iter().any(|word| is(*it, word)));
        Self {
            watched: watched(text, pieces.last() == Some(&Token::Open)),
            parameters: parameters(&pieces),
            reaches: reaches(&pieces),
            changes_rows: (!any(&["trigger"])).then(|| changing(&pieces)),
            count: match pieces.iter().all(is_blank) {
                true => Count::None,
                false if is_several(&pieces) => Count::Several,
                false => Count::One,
            },
            changes_schema: any(&["create", "alter", "drop"]),
            ends_transaction: any(&["commit", "end", "rollback"]),
        }
    }
}

fn watched(text: &str, open: bool) -> Arc<str> {
    let end = if open { "*/" } else { "\n" };
    format!("{text}{end}{QUESTION}").into()
}

/// How many parameters a statement of SQLite has; the driver gives them their values by number.
fn parameters(pieces: &[Token]) -> Result<usize, String> {
    let (mut next, mut most) = (0, 0);
    for token in pieces {
        let Token::Parameter(parameter) = *token else { continue };
        match parameter {
            Parameter::Next => next += 1,
            Parameter::Number(number) if (1..=HIGHEST).contains(&number) => {
                most = most.max(number);
            }
            Parameter::Number(_) => {
                return Err(format!("parameters have numbers from 1 to {HIGHEST}"));
            }
            Parameter::Named(name) => {
                return Err(format!(
                    "`{}` is a parameter with a name; write `?` for each value, or `?1` and `?2` \
                     where one is used more than once",
                    String::from_utf8_lossy(name)
                ));
            }
        }
    }
    match (next, most) {
        (0, most) => Ok(most),
        (next, 0) => Ok(next),
        _ => Err("the statement has both `?` and `?1`; write all of them in one way".to_owned()),
    }
}

/// The word by which a statement of SQLite would reach a file of its own choice.
fn reaches(pieces: &[Token]) -> Option<&'static str> {
    let mut vacuum = false;
    for &token in pieces {
        match token {
            token if is(token, "attach") => return Some("ATTACH"),
            token if vacuum && is(token, "into") => return Some("VACUUM INTO"),
            token if is(token, "temp_store_directory") => {
                return Some("PRAGMA temp_store_directory");
            }
            token if is(token, "vacuum") => vacuum = true,
            Token::Mark(b';') => vacuum = false,
            _ => {}
        }
    }
    None
}

fn is_several(pieces: &[Token]) -> bool {
    let (mut made, mut trigger, mut ended) = (None, false, false);
    for &token in pieces {
        match token {
            Token::Space | Token::Open => continue,
            Token::Mark(b';') => ended = made.is_some(),
            _ if ended => return !(trigger && made == Some(true)),
            _ => {}
        }
        trigger |= is(token, "trigger");
        if token != Token::Mark(b';') {
            made.get_or_insert(is(token, "create") || is(token, "explain"));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_as_sqlite_counts_them_or_refused() {
        for (text, count) in [
            ("SELECT ?, ?", 2),
            ("SELECT ?2, ?1", 2),
            ("SELECT $1, $3", 3),
            ("SELECT ?1, $2, ?1", 2),
            ("SELECT '?', \"?\", [a?b], `?` -- ?\n, ?5", 5),
            ("SELECT json('{}') ->> '$.a'", 0),
            ("SELECT 1", 0),
        ] {
            assert_eq!(Lite::read(text).parameters, Ok(count), "{text}");
        }
        for (text, why) in [
            ("SELECT :a", "`:a` is a parameter with a name"),
            ("SELECT @b + @b", "`@b` is a parameter with a name"),
            ("SELECT $c, ?", "`$c` is a parameter with a name"),
            ("SELECT ?, ?1", "both `?` and `?1`"),
            ("SELECT $0", "from 1 to 32766"),
            ("SELECT ?99999999999999999999", "from 1 to 32766"),
        ] {
            let found = Lite::read(text).parameters.unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn statements_that_choose_a_file_are_found_and_no_others() {
        for (text, word) in [
            ("ATTACH 'x' AS y", Some("ATTACH")),
            ("\u{feff}ATTACH 'x' AS y", Some("ATTACH")),
            ("VACUUM \u{feff}INTO 'x'", Some("VACUUM INTO")),
            ("select 1; /* */ aTTach database 'x' as y", Some("ATTACH")),
            ("VACUUM main INTO 'x'", Some("VACUUM INTO")),
            ("PRAGMA temp_store_directory = '/'", Some("PRAGMA temp_store_directory")),
            ("VACUUM; INSERT INTO t VALUES ('attach')", None),
            ("SELECT \"attach\", [attach], attachment FROM t -- attach", None),
        ] {
            assert_eq!(Lite::read(text).reaches, word, "{text}");
        }
    }

    #[test]
    fn one_statement_is_told_from_several_and_a_change_of_the_schema_from_others() {
        for (text, count, schema) in [
            ("SELECT ';' ; -- ; more", Count::One, false),
            ("SELECT 1; SELECT 2", Count::Several, false),
            ("INSERT INTO t VALUES ('create');;", Count::One, false),
            ("create TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; END", Count::One, true),
            ("DROP TRIGGER x; SELECT 1", Count::Several, true),
            ("; ALTER TABLE t ADD c", Count::One, true),
            (" ; -- nothing", Count::None, false),
        ] {
            let lite = Lite::read(text);
            assert_eq!((lite.count, lite.changes_schema), (count, schema), "{text}");
        }
    }

    #[test]
    fn the_question_for_the_schema_is_not_part_of_a_comment() {
        assert_eq!(&*Lite::read("SELECT 1 -- x").watched, "SELECT 1 -- x\n;PRAGMA schema_version");
        assert_eq!(&*Lite::read("SELECT 1 /* x").watched, "SELECT 1 /* x*/;PRAGMA schema_version");
    }
}
