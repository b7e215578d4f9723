//! Lists as scripts give them.
//!
//! Lua's own length of a list ends at one `nil` or another among its items, and what stands after it
//! would be left out without a word: so a list with a gap is refused.

use mlua::{Table, Value};

use super::shown;

/// The items of a list.
pub fn items(list: &Table) -> Result<Vec<Value>, String> {
    whole(gathered(list, false))
}

/// The items of a list that has options by name among them, which are left to the caller.
pub fn items_among_options(list: &Table) -> Result<Vec<Value>, String> {
    whole(gathered(list, true))
}

/// The items of a list up to its first gap, and what is said of everything else in it.
pub fn items_and_strays(list: &Table) -> (Vec<Value>, Vec<String>) {
    gathered(list, false)
}

fn whole((found, strays): (Vec<Value>, Vec<String>)) -> Result<Vec<Value>, String> {
    strays.into_iter().next().map_or(Ok(found), Err)
}

fn gathered(list: &Table, options: bool) -> (Vec<Value>, Vec<String>) {
    let mut found = Vec::with_capacity(list.raw_len());
    // Lua gives items in order, but for those of a list that was not filled in order.
    let (mut later, mut strays) = (Vec::new(), Vec::new());
    let is_next = |at: i64, found: &[Value]| usize::try_from(at.wrapping_sub(1)) == Ok(found.len());
    let all = list.for_each(|key: Value, value: Value| {
        match key {
            Value::Integer(at) if is_next(at, &found) => found.push(value),
            Value::Integer(at) if at > 0 => later.push((at, value)),
            Value::String(_) if options => {}
            key => strays.push(format!("expected a list, got the key {}", shown(&key))),
        }
        Ok(())
    });
    strays.extend(all.err().map(|error| error.to_string()));
    later.sort_by_key(|(at, _)| *at);
    for (at, value) in later {
        if is_next(at, &found) {
            found.push(value);
        } else {
            strays.push(format!("expected a list without gaps, got item {at} after a nil"));
        }
    }
    strays.sort();
    (found, strays)
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let lua = Lua::new();
        let gap = |at| Err(format!("expected a list without gaps, got item {at} after a nil"));
        let key = |key: &str| Err(format!("expected a list, got the key {key}"));
        for (code, expected) in [
            ("{}", Ok(0)),
            ("{ 1, 2, 3 }", Ok(3)),
            ("{ 1, 2, nil }", Ok(2)),
            ("{ [3] = 3, [1] = 1, [2] = 2 }", Ok(3)),
            ("{ 1, nil, 3 }", gap(3)),
            ("{ nil, 2 }", gap(2)),
            ("{ [1] = 1, [3] = 3 }", gap(3)),
            ("{ 1, [0] = 0 }", key("0")),
            ("{ 1, name = 1 }", key("\"name\"")),
        ] {
            let list: Table = lua.load(code).eval().unwrap();
            assert_eq!(items(&list).map(|items| items.len()), expected, "{code}");
        }
        let list: Table = lua.load("{ 1, name = 1, 2 }").eval().unwrap();
        assert_eq!(items_among_options(&list).unwrap(), [Value::Integer(1), Value::Integer(2)]);
    }
}
