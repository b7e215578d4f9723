//! The statements a script sends, each read once: its text as the client takes it, and its name.
//!
//! A script says the same few statements over and over. To read one again costs more than all else
//! that is done for a call before it is sent.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::Value;

use crate::client::sql;
use crate::script::options::shown;

/// Most statements kept; beyond it all are read again. A script that writes its values into the text
/// makes more without end.
const MOST: usize = 1_000;

/// Longest text that is kept, in bytes.
const LONGEST: usize = 4 << 10;

/// A statement that was read.
#[derive(Clone)]
pub(super) struct Statement {
    pub(super) text: Arc<str>,
    /// What it is called where the script does not say.
    pub(super) name: Rc<[u8]>,
}

/// What one client was given to send so far.
#[derive(Default)]
pub(super) struct Statements(RefCell<HashMap<Arc<str>, Statement>>);

impl Statements {
    /// The statement a script gives.
    pub(super) fn given(&self, text: &Value) -> Result<Statement, String> {
        match text {
            Value::String(text) => match text.to_str() {
                Ok(text) => Ok(self.known(&text)),
                Err(_) => Err("expected a statement in UTF-8, got other bytes".to_owned()),
            },
            other => Err(format!(
                "expected a statement, got {}\n  hint: call it as `db:query(\"SELECT 1\")`",
                shown(other)
            )),
        }
    }

    /// The statement of that text.
    pub(super) fn known(&self, text: &str) -> Statement {
        if let Some(known) = self.0.borrow().get(text) {
            return known.clone();
        }
        let mut name = Vec::new();
        sql::name(text.as_bytes(), &mut name);
        let read = Statement { text: text.into(), name: name.into() };
        if text.len() <= LONGEST {
            let mut all = self.0.borrow_mut();
            if all.len() >= MOST {
                all.clear();
            }
            all.insert(Arc::clone(&read.text), read.clone());
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_once_and_only_so_many_and_short_ones_are_kept() {
        let statements = Statements::default();
        let first = statements.known("SELECT 1");
        assert_eq!(&*first.name, b"SELECT ?");
        assert!(Arc::ptr_eq(&first.text, &statements.known("SELECT 1").text));
        for n in 0..MOST * 3 {
            let text = format!("SELECT {n}");
            assert_eq!(*statements.known(&text).text, *text);
            assert!(statements.0.borrow().len() <= MOST);
        }
        let kept = statements.0.borrow().len();
        let long = format!("SELECT '{}'", "x".repeat(LONGEST));
        assert_eq!(&*statements.known(&long).name, b"SELECT ?");
        assert_eq!(statements.0.borrow().len(), kept);
    }
}
