//! What a text leaves behind on its connection: a transaction, or another database to speak to.

use super::super::Dialect;
use super::is;
use super::tokens::{Token, tokens};

/// What a text, of one statement or several, leaves behind on its connection, or may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub struct Traces {
    /// It begins or ends a transaction.
    pub bounds: bool,
    /// Outside of a transaction, it begins one that it does not end, or ends one that it has not begun.
    pub unpaired: bool,
    /// What comes after it on its connection is said to another database: MySQL's `USE`.
    pub moves: bool,
    /// Where it fails in the middle a transaction may be open.
    pub opens: bool,
}

/// What may be created that holds no statements of its own.
const BODILESS: [&str; 10] = [
    "database",
    "index",
    "role",
    "schema",
    "sequence",
    "server",
    "table",
    "tablespace",
    "user",
    "view",
];

/// What a statement does about transactions.
enum Effect {
    Begins,
    Ends,
    /// It ends one and begins the next.
    Chains,
    /// It ends one that it is in; outside of any it is about another connection's.
    Settles,
    /// It begins one with every statement that comes after it.
    Autocommit,
}

/// Statements of its own that a statement holds.
enum Body {
    /// They come to an end with `END`.
    ToEnd,
    /// Where they end cannot be told without a grammar.
    Unknown,
}

impl Traces {
    pub(super) fn read(dialect: Dialect, text: &[u8]) -> Self {
        let all = tokens(dialect, text).filter(|it| !matches!(it, Token::Space | Token::Open));
        let all: Vec<Token> = all.collect();
        let mut found = Self::default();
        let mut open = false;
        // Of SQLite, where the first begins a transaction.
        let mut savepoints = Vec::new();
        let mut statements = all.split(|token| *token == Token::Mark(b';'));
        while let Some(statement) = statements.next() {
            let Some(first) = statement.first() else { continue };
            match body(dialect, statement) {
                Some(Body::ToEnd) => {
                    statements.find(|it| it.first().is_some_and(|first| is(*first, "end")));
                    continue;
                }
                Some(Body::Unknown) => {
                    found.opens = true;
                    return found;
                }
                None => {}
            }
            found.moves |= dialect == Dialect::MySql && is(*first, "use");
            if dialect == Dialect::Sqlite && !open {
                let name = statement.last();
                if is(*first, "savepoint") {
                    savepoints.push(name);
                    found.opens = true;
                } else if is(*first, "release") {
                    let outer = savepoints.iter().rposition(|savepoint| *savepoint == name);
                    savepoints.truncate(outer.unwrap_or(savepoints.len()));
                }
            }
            let Some(effect) = effect(dialect, statement) else { continue };
            let within = open || !savepoints.is_empty();
            if matches!(effect, Effect::Settles) && !within {
                continue;
            }
            found.bounds = true;
            found.unpaired |= match effect {
                Effect::Begins | Effect::Settles => false,
                Effect::Ends | Effect::Chains => !within,
                Effect::Autocommit => true,
            };
            savepoints.clear();
            open = matches!(effect, Effect::Begins | Effect::Chains);
        }
        found.unpaired |= open || !savepoints.is_empty();
        found.opens |= found.bounds;
        found
    }
}

/// What a statement does about transactions; `None` where it does nothing.
fn effect(dialect: Dialect, statement: &[Token]) -> Option<Effect> {
    let has = |word| statement.iter().any(|token| is(*token, word));
    let word = |at: usize, words: &[&str]| {
        statement.get(at).is_some_and(|token| words.iter().any(|word| is(*token, word)))
    };
    let ending: &[&str] = match dialect {
        Dialect::Postgres => &["abort", "commit", "end", "rollback"],
        Dialect::MySql => &["commit", "rollback"],
        Dialect::Sqlite => &["commit", "end", "rollback"],
    };
    if word(0, &["begin"]) || word(0, &["start"]) && has("transaction") {
        return Some(Effect::Begins);
    }
    if word(0, ending) {
        // Back to a savepoint, or about one that was prepared on any connection.
        if word(0, &["rollback"]) && has("to") || word(1, &["prepared"]) {
            return None;
        }
        return Some(if has("chain") && !has("no") { Effect::Chains } else { Effect::Ends });
    }
    match dialect {
        Dialect::Postgres if word(0, &["prepare"]) && word(1, &["transaction"]) => {
            Some(Effect::Ends)
        }
        Dialect::MySql if word(0, &["set"]) && has("autocommit") && !has("global") => {
            Some(Effect::Autocommit)
        }
        // Tables that are locked commit what was begun, and stay locked as a transaction stays open.
        Dialect::MySql if word(0, &["lock"]) && word(1, &["table", "tables"]) => {
            Some(Effect::Begins)
        }
        Dialect::MySql if word(0, &["unlock"]) => Some(Effect::Ends),
        Dialect::MySql if word(0, &["xa"]) && word(1, &["begin", "start"]) => Some(Effect::Begins),
        Dialect::MySql if word(0, &["xa"]) && word(1, &["commit", "rollback"]) => {
            Some(Effect::Settles)
        }
        _ => None,
    }
}

/// Which statements of its own a statement holds, of which this is the first piece.
fn body(dialect: Dialect, statement: &[Token]) -> Option<Body> {
    let first = |words: &[&str]| words.iter().any(|word| is(statement[0], word));
    let creates = |kinds: &[&str]| {
        let kind = statement.iter().skip(1).find_map(|token| {
            let named = |words: &[&str]| words.iter().any(|word| is(*token, word));
            if named(kinds) { Some(true) } else { named(&BODILESS).then_some(false) }
        });
        first(&["create"]) && kind == Some(true)
    };
    match dialect {
        Dialect::Postgres => {
            let is_atomic = statement.iter().any(|token| is(*token, "atomic"));
            (creates(&["function", "procedure"]) && is_atomic).then_some(Body::ToEnd)
        }
        Dialect::Sqlite => creates(&["trigger"]).then_some(Body::ToEnd),
        Dialect::MySql => {
            let second = |word| statement.get(1).is_some_and(|token| is(*token, word));
            let is_compound = first(&["case", "for", "if", "loop", "repeat", "while"])
                || first(&["begin"]) && second("not");
            let defines = creates(&["event", "function", "package", "procedure", "trigger"])
                || first(&["alter"]) && second("event");
            (is_compound || defines).then_some(Body::Unknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: Dialect = Dialect::Postgres;
    const MY: Dialect = Dialect::MySql;
    const LITE: Dialect = Dialect::Sqlite;

    fn traces(dialect: Dialect, text: &str) -> Traces {
        Traces::read(dialect, text.as_bytes())
    }

    #[test]
    fn what_begins_a_transaction_without_its_end_or_ends_one_without_its_begin_is_unpaired() {
        for (dialect, text) in [
            (PG, "BEGIN"),
            (PG, "  begin isolation level serializable;"),
            (MY, "START TRANSACTION READ ONLY"),
            (LITE, "BEGIN IMMEDIATE"),
            (PG, "COMMIT"),
            (PG, "/* done */ END"),
            (PG, "ABORT"),
            (LITE, "END TRANSACTION"),
            (PG, "BEGIN; COMMIT; BEGIN"),
            (PG, "COMMIT; BEGIN"),
            (PG, "BEGIN; INSERT INTO t VALUES (1); COMMIT AND CHAIN"),
            (PG, "BEGIN; PREPARE TRANSACTION 'a'; PREPARE TRANSACTION 'b'"),
            (MY, "XA START 'a'; INSERT INTO t VALUES (1); XA END 'a'"),
            // It outlives the COMMIT.
            (MY, "set @@autocommit = 0"),
            (MY, "LOCK TABLES t WRITE"),
            (MY, "SET autocommit=0; INSERT INTO t VALUES (1); COMMIT"),
            // A name is no definition.
            (PG, "INSERT INTO event VALUES (1); COMMIT"),
            (PG, "CREATE TABLE log (id int, event text); BEGIN; INSERT INTO log VALUES (1, 'a')"),
            (PG, "BEGIN; CREATE TABLE log (event text)"),
            (PG, "ALTER TABLE t DISABLE TRIGGER ALL; BEGIN"),
            (MY, "CREATE TABLE parcels (package int); COMMIT"),
            (PG, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; BEGIN"),
            (PG, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$; BEGIN"),
            (LITE, "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM t; END; BEGIN"),
        ] {
            let found = traces(dialect, text);
            assert!(found.bounds && found.unpaired && found.opens, "{text}: {found:?}");
        }
    }

    #[test]
    fn a_text_may_begin_a_transaction_and_end_it() {
        for (dialect, text) in [
            (PG, "BEGIN; INSERT INTO t VALUES (';'); COMMIT"),
            (PG, "BEGIN; ROLLBACK AND NO CHAIN"),
            (PG, "BEGIN; PREPARE TRANSACTION 'a'"),
            (PG, "BEGIN; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT"),
            (MY, "LOCK TABLES t WRITE; INSERT INTO t VALUES (1); UNLOCK TABLES"),
            (MY, "XA START 'a'; XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'"),
            (LITE, "SAVEPOINT a; INSERT INTO t VALUES (1); COMMIT"),
        ] {
            let found = traces(dialect, text);
            assert!(found.bounds && !found.unpaired && found.opens, "{text}: {found:?}");
        }
    }

    #[test]
    fn what_has_nothing_to_do_with_transactions_leaves_no_trace() {
        for (dialect, text) in [
            (PG, ""),
            (PG, "SELECT 'BEGIN'"),
            (PG, "DO $$ BEGIN PERFORM 1; END $$"),
            (PG, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END"),
            (PG, "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; SELECT 2; END"),
            (PG, "PREPARE a AS SELECT 1"),
            (PG, "ROLLBACK TO SAVEPOINT a"),
            (PG, "COMMIT PREPARED 'a'"),
            (PG, "SAVEPOINT a"),
            (MY, "SAVEPOINT a"),
            (MY, "START REPLICA"),
            (MY, "SET GLOBAL autocommit = 1"),
            (MY, "XA COMMIT 'a'"),
            (MY, "XA RECOVER"),
            (MY, "SELECT CASE WHEN 1 THEN 2 END"),
            (MY, "SELECT a FROM t USE INDEX (b)"),
            (LITE, "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM t; END"),
            (
                LITE,
                "CREATE TEMP TRIGGER a AFTER DELETE ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END",
            ),
        ] {
            assert_eq!(traces(dialect, text), Traces::default(), "{text}");
        }
    }

    #[test]
    fn what_holds_statements_in_a_grammar_of_its_own_is_let_pass_but_not_trusted_when_it_fails() {
        for text in [
            "FOR i IN 1..1000 DO INSERT INTO t VALUES (i); END FOR",
            "BEGIN NOT ATOMIC INSERT INTO t VALUES (1); COMMIT; END",
            "CREATE OR REPLACE DEFINER = 'root'@localhost PROCEDURE p() BEGIN SELECT 1; END",
            "ALTER EVENT e DO BEGIN SELECT 1; END",
        ] {
            let expected = Traces { opens: true, ..Traces::default() };
            assert_eq!(traces(MY, text), expected, "{text}");
        }
    }

    #[test]
    fn the_first_savepoint_of_sqlite_begins_a_transaction_that_its_release_ends() {
        for (text, unpaired) in [
            ("SAVEPOINT a", true),
            ("SAVEPOINT a; SAVEPOINT b; RELEASE b", true),
            ("SAVEPOINT a; ROLLBACK TO a", true),
            ("SAVEPOINT a; SAVEPOINT b; RELEASE SAVEPOINT a", false),
            ("SAVEPOINT a; INSERT INTO t VALUES (1); RELEASE a", false),
        ] {
            let expected = Traces { unpaired, opens: true, ..Traces::default() };
            assert_eq!(traces(LITE, text), expected, "{text}");
        }
        let within = traces(LITE, "BEGIN; SAVEPOINT a; COMMIT");
        assert!(within.bounds && !within.unpaired);
    }

    #[test]
    fn to_use_another_database_is_told_from_a_name() {
        for (dialect, text, moves) in
            [(MY, "USE shop", true), (MY, "SELECT 1; use `shop`", true), (LITE, "USE shop", false)]
        {
            assert_eq!(traces(dialect, text), Traces { moves, ..Traces::default() }, "{text}");
        }
    }
}
