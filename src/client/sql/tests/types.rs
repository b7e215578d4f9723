//! Every type there and back, held against what the server itself says it has.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::servers::Server;
use super::*;

/// So many values of a strategy, the same each time.
fn some<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Decimal numbers with up to 20 digits before the point and 10 behind it.
fn decimals() -> impl Strategy<Value = Datum> {
    "-?(0|[1-9][0-9]{0,19})\\.[0-9]{1,10}".prop_filter_map("a signed zero", |text| {
        let zero = text.starts_with('-') && !text.bytes().any(|b| (b'1'..=b'9').contains(&b));
        (!zero).then_some(Datum::Text(text))
    })
}

fn texts() -> impl Strategy<Value = Datum> {
    "\\PC{0,40}".prop_map(Datum::Text)
}

fn bytes() -> impl Strategy<Value = Datum> {
    proptest::collection::vec(0_u8.., 0..40).prop_map(Datum::Bytes)
}

fn arrays() -> impl Strategy<Value = Datum> {
    let item = proptest::option::of(any::<i32>())
        .prop_map(|item| item.map_or(Datum::Null, |number| Datum::Integer(number.into())));
    proptest::collection::vec(item, 0..6).prop_map(Datum::List)
}

fn documents() -> impl Strategy<Value = Datum> {
    any::<(i64, bool)>().prop_map(|(number, truth)| {
        Datum::Json(format!("{{\"list\": [{number}, {truth}, null], \"text\": \"é\\\"\"}}"))
    })
}

/// Types of PostgreSQL with values of each.
fn postgres_cases() -> Vec<(&'static str, Vec<Datum>)> {
    let float = any::<f64>().prop_filter("a number", |number| number.is_finite());
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}";
    let date = "(1[0-9]{3}|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
    let time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,5}[1-9])?";
    let moments = |end: &'static str| {
        (date, time).prop_map(move |(date, time)| Datum::Text(format!("{date} {time}{end}")))
    };
    let integer = |strategy: BoxedStrategy<i64>| strategy.prop_map(Datum::Integer).boxed();
    vec![
        ("int8", some(integer(any::<i64>().boxed()), 50)),
        ("int4", some(integer(any::<i32>().prop_map_into::<i64>().boxed()), 20)),
        ("int2", some(integer(any::<i16>().prop_map_into::<i64>().boxed()), 20)),
        ("small", some(integer(any::<i16>().prop_map_into::<i64>().boxed()), 5)),
        ("float8", some(float.prop_map(Datum::Float), 50)),
        ("float4", some(any::<i16>().prop_map(|n| Datum::Float(n.into())), 10)),
        ("bool", vec![Datum::Bool(true), Datum::Bool(false)]),
        ("numeric", some(decimals(), 100)),
        ("text", some(texts(), 50)),
        ("varchar", some(texts(), 10)),
        ("mood", vec![text("sad"), text("ok")]),
        ("bytea", some(bytes(), 50)),
        ("uuid", some(uuid.prop_map(Datum::Text), 20)),
        ("date", some(date.prop_map(Datum::Text), 50)),
        ("time", some(time.prop_map(Datum::Text), 50)),
        ("timestamp", some(moments(""), 50)),
        ("timestamptz", some(moments("+00"), 50)),
        ("jsonb", some(documents(), 20)),
        ("json", some(documents(), 20)),
        ("int4[]", some(arrays(), 30)),
    ]
}

#[tokio::test(flavor = "local")]
async fn every_type_of_postgresql_comes_back_as_it_was() {
    let server = Server::postgres(&[]).await;
    let db = to(&server.url, 1);
    keeps_what_is_wanted(&db).await;
    batch(&db, "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN small AS smallint").await;
    for (kind, values) in postgres_cases() {
        for value in values {
            let sql = format!("SELECT $1::{kind}, $1::{kind}::text");
            let answer = rows(&db, &sql, std::slice::from_ref(&value)).await;
            if kind != "jsonb" {
                assert_eq!(answer.cells[0], value, "{kind}");
            }
            if let Datum::Text(text) = &value {
                assert_eq!(
                    answer.cells[1],
                    Datum::Text(text.clone()),
                    "{kind}, as the server has it"
                );
            }
            let null = rows(&db, &sql, &[Datum::Null]).await;
            assert_eq!(null.cells[0], Datum::Null, "{kind}");
        }
    }
    let unknown = misuse(&db, "SELECT $1::inet", &[text("::1")]).await;
    assert!(unknown.contains("send text and cast it: `$1::text::inet`"), "{unknown}");
    let unknown = misuse(&db, "SELECT '::1'::inet AS address", &[]).await;
    assert!(unknown.starts_with("column `address` is of type inet"), "{unknown}");
    let internal = misuse(&db, "SELECT relpartbound FROM pg_class LIMIT 1", &[]).await;
    assert!(internal.contains("select it as text: `column::text`"), "{internal}");
    let special = rows(
        &db,
        "SELECT 'infinity'::timestamp, '0044-03-15 BC'::date, 'NaN'::numeric, \
        interval '1 year 2 mons -3 days 04:05:06.5'",
        &[],
    )
    .await;
    let expected = ["infinity", "0044-03-15 BC", "NaN", "1 year 2 mons -3 days +04:05:06.5"];
    assert_eq!(special.cells, expected.map(text));
    let interval = "interval '-1 year 1 day -00:00:01'";
    let both = format!("SELECT {interval}, {interval}::text, ''::\"char\"");
    let [ours, servers, empty] = &rows(&db, &both, &[]).await.cells[..] else { panic!("{both}") };
    assert_eq!((ours, empty), (servers, &text("")));
}

/// Types of MariaDB with values of each.
fn mariadb_cases() -> Vec<(&'static str, Vec<Datum>)> {
    let float = any::<f64>().prop_filter("a number", |number| number.is_finite());
    let date = "(1[0-9]{3}|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
    let time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,5}[1-9])?";
    let moments = (date, time).prop_map(|(date, time)| Datum::Text(format!("{date} {time}")));
    vec![
        ("BIGINT", some(any::<i64>().prop_map(Datum::Integer), 50)),
        ("INT", some(any::<i32>().prop_map(|n| Datum::Integer(n.into())), 20)),
        ("TINYINT", some(any::<i8>().prop_map(|n| Datum::Integer(n.into())), 20)),
        ("BIGINT UNSIGNED", vec![text("18446744073709551615"), Datum::Integer(5)]),
        ("BOOLEAN", vec![Datum::Bool(true), Datum::Bool(false), Datum::Integer(7)]),
        ("DOUBLE", some(float.prop_map(Datum::Float), 50)),
        ("DECIMAL(20,4)", vec![text("1234567890123456.7890"), text("-0.0001")]),
        ("TEXT", some(texts(), 50)),
        ("BLOB", some(bytes(), 50)),
        ("VARBINARY(40)", some(bytes(), 20)),
        ("DATE", some(date.prop_map(Datum::Text), 20)),
        ("DATETIME(6)", some(moments, 50)),
        ("TIME", vec![text("-838:59:59"), text("00:00:00"), text("12:30:00")]),
        ("YEAR", vec![Datum::Integer(2026)]),
        ("BIT(12)", vec![Datum::Integer(4095), Datum::Integer(0)]),
        ("UUID", vec![text("6f9619ff-8b86-d011-b42d-00cf4fc964ff")]),
        ("ENUM('sad','ok')", vec![text("sad")]),
    ]
}

#[tokio::test(flavor = "local")]
async fn every_type_of_mariadb_comes_back_as_it_was() {
    let server = Server::mariadb(&[]).await;
    let db = to(&server.url, 1);
    keeps_what_is_wanted(&db).await;
    for (kind, values) in mariadb_cases() {
        batch(&db, &format!("CREATE OR REPLACE TABLE t (v {kind} NULL)")).await;
        for value in values.into_iter().chain([Datum::Null]) {
            batch(&db, "DELETE FROM t").await;
            rows(&db, "INSERT INTO t VALUES (?)", std::slice::from_ref(&value)).await;
            let answer = rows(&db, "SELECT v FROM t", &[]).await;
            // What the server calls binary is bytes; to a script both are a string.
            let found = match &answer.cells[0] {
                Datum::Bytes(bytes) if kind == "UUID" => text(std::str::from_utf8(bytes).unwrap()),
                other => other.clone(),
            };
            assert_eq!(found, value, "{kind}");
        }
    }
}
