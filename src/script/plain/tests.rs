//! Plain data on its way through Lua and JSON.

use mlua::{Lua, Value};
use proptest::prelude::*;

use super::{Entries, Plain, View};

fn read(code: &str) -> Result<Plain, String> {
    let lua = Lua::new();
    lua.globals().set("null", Value::NULL).unwrap();
    lua.globals().set("list", super::mark_as_list(&lua, None).unwrap()).unwrap();
    let value: Value = lua.load(format!("return {code}")).eval().unwrap();
    Plain::read(&value).map_err(|error| error.to_string())
}

fn scalar() -> impl Strategy<Value = Plain> {
    prop_oneof![
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::Bool),
        any::<i64>().prop_map(Plain::Integer),
        prop::num::f64::NORMAL.prop_map(Plain::Float),
        any::<Vec<u8>>().prop_map(Plain::text),
    ]
}

/// Keys that Lua keeps as they are.
fn key() -> impl Strategy<Value = Plain> {
    prop_oneof![
        any::<bool>().prop_map(Plain::Bool),
        // Beyond what could make a list of the map.
        (100..i64::MAX).prop_map(Plain::Integer),
        "[a-z]{1,6}".prop_map(Plain::text),
    ]
}

fn any_plain() -> impl Strategy<Value = Plain> {
    scalar().prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Plain::list),
            prop::collection::vec((key(), inner), 0..6).prop_map(Plain::map),
        ]
    })
}

proptest! {
    #[test]
    fn what_goes_through_lua_comes_back_the_same(plain in any_plain()) {
        let lua = Lua::new();
        let value = plain.write(&lua).unwrap();
        prop_assert_eq!(Plain::read(&value).unwrap(), plain);
    }

    #[test]
    fn a_key_is_found_with_the_last_value_it_was_given(
        entries in prop::collection::vec((key(), any::<i64>()), 0..20),
    ) {
        let map: Entries =
            entries.iter().map(|(key, value)| (key.clone(), Plain::Integer(*value))).collect();
        for (key, _) in &entries {
            let last = entries.iter().rev().find(|(other, _)| other == key).unwrap().1;
            prop_assert_eq!(map.find(key), Some(&Plain::Integer(last)));
        }
    }

    #[test]
    fn integers_and_texts_go_through_json_unchanged(number in any::<i64>(), text in ".*") {
        let plain = Plain::list([Plain::Integer(number), Plain::text(text)]);
        let json = plain.to_json().unwrap().to_string();
        prop_assert_eq!(Plain::from_json(serde_json::from_str(&json).unwrap()), plain);
    }
}

#[test]
fn only_keys_from_1_to_n_make_a_list() {
    let numbers = |items: &[i64]| Plain::list(items.iter().copied().map(Plain::Integer));
    assert_eq!(read("{ 1, 2, 3 }"), Ok(numbers(&[1, 2, 3])));
    assert_eq!(read("{}"), Ok(Plain::map([])));
    assert_eq!(read("list"), Ok(Plain::list([])));
    for mixed in ["{ 1, x = 2 }", "{ [1] = 1, [3] = 3 }", "{ [0] = 0, 1 }"] {
        assert!(matches!(read(mixed), Ok(Plain::Map(entries)) if entries.len() == 2), "{mixed}");
    }
}

#[test]
fn what_is_not_plain_is_refused_with_the_way_to_it() {
    let cases = [
        ("{ db = { connect = print } }", "a function at .db.connect"),
        ("{ 1, { name = coroutine.create(print) } }", "a thread at [2].name"),
        ("{ ['odd key'] = print }", "a function at [\"odd key\"]"),
        ("{ [true] = { [7] = print } }", "a function at [true][7]"),
        ("{ [{}] = 1 }", "a table as a key"),
        ("print", "a function"),
        (
            "(function() local t = {}; t.a = { b = t }; return t end)()",
            "a table that contains itself at .a.b",
        ),
    ];
    for (code, expected) in cases {
        assert_eq!(read(code), Err(expected.to_owned()), "{code}");
    }
}

#[test]
fn a_table_that_is_there_twice_does_not_contain_itself() {
    let code = "(function() local t = { 1 }; return { t, t } end)()";
    let one = Plain::list([Plain::Integer(1)]);
    assert_eq!(read(code), Ok(Plain::list([one.clone(), one])));
}

#[test]
fn nesting_without_end_is_refused_before_the_stack_is_full() {
    let code = "(function() local t = {}; for _ = 1, 1000 do t = { t } end; return t end)()";
    let error = read(code).unwrap_err();
    assert!(error.starts_with("tables nested more than 128 deep at [1][1]"), "{error}");
}

#[test]
fn a_view_is_read_like_the_table_it_stands_for() {
    let lua = Lua::new();
    let plain = read("{ 10, { a = { 'x', 'y' } }, null }").unwrap();
    lua.globals().set("view", View::of(&lua, &plain).unwrap()).unwrap();
    let seen: String = lua
        .load(
            "local keys = {}
             for key in pairs(view) do keys[#keys + 1] = key end
             local a, b = table.unpack(view[2].a)
             return table.concat({ #view, view[1], a, b, table.concat(view[2].a, '+'),
               tostring(view[2].nothing), tostring(view[99]), tostring(view[2] == view[2]),
               table.concat(keys, ',') }, ' ')",
        )
        .eval()
        .unwrap();
    assert_eq!(seen, "3 10 x y x+y nil nil true 1,2,3");
}

#[test]
fn a_view_is_taken_over_without_a_copy() {
    let lua = Lua::new();
    let plain = read("{ 1, 2 }").unwrap();
    let view = View::of(&lua, &plain).unwrap();
    let (Plain::List(one), Ok(Plain::List(two))) = (plain, Plain::read(&view)) else {
        panic!("both are lists");
    };
    assert!(std::sync::Arc::ptr_eq(&one, &two));
}
