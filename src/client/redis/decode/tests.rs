//! The decoder against the crate's own, against nonsense, and cut in every place.

use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 1 << 20;

/// Everything in `bytes`, fed in pieces of so many bytes.
fn decoded(bytes: &[u8], piece: usize, limit: u64) -> Result<Vec<Value>, Failure> {
    let mut decoder = Decoder::new(limit);
    let mut found = Vec::new();
    for mut piece in bytes.chunks(piece) {
        while !piece.is_empty() {
            let (used, value) = decoder.feed(piece)?;
            found.extend(value);
            piece = &piece[used..];
        }
    }
    assert!(!decoder.is_within(), "bytes are left over");
    Ok(found)
}

fn one(text: &str) -> Value {
    let [value] = <[Value; 1]>::try_from(decoded(text.as_bytes(), 64, LIMIT).unwrap()).unwrap();
    value
}

#[test]
fn every_type_comes_back_as_what_it_is() {
    let text = |text: &str| Value::Text(text.into());
    for (bytes, value) in [
        ("$-1\r\n", Value::Nil),
        ("*-1\r\n", Value::Nil),
        ("_\r\n", Value::Nil),
        ("$0\r\n\r\n", text("")),
        ("$4\r\na\r\nb\r\n", text("a\r\nb")),
        ("+OK\r\n", Value::Status("OK".into())),
        (":-9223372036854775808\r\n", Value::Integer(i64::MIN)),
        (",3.25\r\n", Value::Double(3.25)),
        (",inf\r\n", Value::Double(f64::INFINITY)),
        ("#t\r\n", Value::Boolean(true)),
        ("(123456789012345678901\r\n", Value::BigNumber("123456789012345678901".into())),
        ("=8\r\ntxt:some\r\n", text("some")),
        ("*0\r\n", Value::List(vec![])),
        ("%1\r\n+a\r\n:1\r\n", Value::Map(vec![(Value::Status("a".into()), Value::Integer(1))])),
        ("~1\r\n:1\r\n", Value::Set(vec![Value::Integer(1)])),
        (">1\r\n:1\r\n", Value::Push(vec![Value::Integer(1)])),
        ("|1\r\n+ttl\r\n:9\r\n:1\r\n", Value::Integer(1)),
        (
            "*2\r\n|1\r\n+ttl\r\n*0\r\n*0\r\n_\r\n",
            Value::List(vec![Value::List(vec![]), Value::Nil]),
        ),
        ("|0\r\n:1\r\n", Value::Integer(1)),
    ] {
        assert_eq!(one(bytes), value, "{bytes:?}");
    }
}

#[test]
fn what_is_no_reply_is_a_failure_of_the_protocol() {
    for bytes in [
        "HTTP/1.1 400 Bad Request\r\n",
        "x",
        ":one\r\n",
        ":1\n",
        "$3\r\nabcdef\r\n",
        "$-2\r\n",
        "%-1\r\n",
        "#maybe\r\n",
        "*99999999999999999999\r\n",
        "\r\n",
    ] {
        let failure = decoded(bytes.as_bytes(), 64, LIMIT).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Protocol, "{bytes:?}: {failure}");
    }
    let deep = "*1\r\n".repeat(DEEPEST + 1);
    assert_eq!(decoded(deep.as_bytes(), 64, LIMIT).unwrap_err().kind, FailureKind::Protocol);
    let long = format!("+{}", "x".repeat(LONGEST_LINE));
    assert_eq!(decoded(long.as_bytes(), 64, LIMIT).unwrap_err().kind, FailureKind::Protocol);
}

#[test]
fn a_reply_over_the_limit_fails_at_the_length_it_announces() {
    for bytes in ["$1000001\r\n", "*9223372036854775807\r\n", "%1000001\r\n"] {
        let failure = decoded(bytes.as_bytes(), 64, 1_000_000).unwrap_err();
        assert_eq!(failure.kind, FailureKind::TooLarge, "{bytes:?}: {failure}");
    }
    let many = format!("*1000\r\n{}", ":1\r\n".repeat(1000));
    assert_eq!(decoded(many.as_bytes(), 7, 2_000).unwrap_err().kind, FailureKind::TooLarge);
    assert_eq!(decoded(many.as_bytes(), 7, 5_000).unwrap().len(), 1);
}

/// The bytes of a value, as a server writes them.
fn encode(value: &Value, out: &mut Vec<u8>) {
    let mut many = |kind: char, count: usize, values: &mut dyn Iterator<Item = &Value>| {
        out.extend(format!("{kind}{count}\r\n").bytes());
        values.for_each(|value| encode(value, out));
    };
    match value {
        Value::List(values) => return many('*', values.len(), &mut values.iter()),
        Value::Set(values) => return many('~', values.len(), &mut values.iter()),
        Value::Push(values) => return many('>', values.len(), &mut values.iter()),
        Value::Map(entries) => {
            return many('%', entries.len(), &mut entries.iter().flat_map(|(k, v)| [k, v]));
        }
        _ => {}
    }
    let line = match value {
        Value::Integer(number) => format!(":{number}"),
        Value::Double(number) => format!(",{number}"),
        Value::Boolean(value) => format!("#{}", if *value { 't' } else { 'f' }),
        Value::Status(text) => format!("+{}", String::from_utf8_lossy(text)),
        Value::BigNumber(text) => format!("({}", String::from_utf8_lossy(text)),
        Value::Text(text) => {
            out.extend(format!("${}\r\n", text.len()).bytes());
            out.extend(text);
            String::new()
        }
        _ => "_".to_owned(),
    };
    out.extend(line.bytes());
    out.extend(b"\r\n");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        (-1e9..1e9).prop_map(Value::Double),
        "[a-zA-Z ]{0,9}".prop_map(|text| Value::Status(text.into_bytes())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            list.clone().prop_map(Value::List),
            list.prop_map(Value::Set),
            proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

/// What the crate's own decoder makes of it, in our words.
fn theirs(value: redis::Value) -> Value {
    let list = |values: Vec<redis::Value>| values.into_iter().map(theirs).collect();
    match value {
        redis::Value::Nil => Value::Nil,
        redis::Value::Int(number) => Value::Integer(number),
        redis::Value::BulkString(bytes) => Value::Text(bytes),
        redis::Value::Okay => Value::Status(b"OK".to_vec()),
        redis::Value::SimpleString(text) => Value::Status(text.into_bytes()),
        redis::Value::Double(number) => Value::Double(number),
        redis::Value::Boolean(value) => Value::Boolean(value),
        redis::Value::Array(values) => Value::List(list(values)),
        redis::Value::Set(values) => Value::Set(list(values)),
        redis::Value::Map(entries) => Value::Map(
            entries.into_iter().map(|(key, value)| (theirs(key), theirs(value))).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn a_reply_is_the_same_however_it_is_cut_and_the_same_as_the_crates(
        value in values(),
        piece in 1_usize..50,
    ) {
        let mut bytes = Vec::new();
        encode(&value, &mut bytes);
        encode(&value, &mut bytes);
        prop_assert_eq!(decoded(&bytes, piece, LIMIT).unwrap(), [value.clone(), value.clone()]);
        bytes.truncate(bytes.len() / 2);
        prop_assert_eq!(theirs(redis::parse_redis_value(&bytes).unwrap()), value);
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'-'), Just(b'*'),
                        Just(b'$'), Just(b'%'), Just(b'|'), Just(b'='), any::<u8>()],
            0..60,
        ),
        piece in 1_usize..9,
    ) {
        let mut decoder = Decoder::new(LIMIT);
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                let Ok((used, _)) = decoder.feed(piece) else { return Ok(()) };
                prop_assert!(used > 0);
                piece = &piece[used..];
            }
        }
    }
}
