//! Values for PostgreSQL in the binary form of the type the server expects.
//!
//! The server says what type each parameter of a prepared statement has, and the value is written
//! as that type: text into a `uuid`, an integer into a `smallint` or a `numeric`. What would lose
//! something is refused.

use super::super::datum::Datum;
use super::numeric;
use super::shape::Shape;
use super::time;

/// Appends a value that is not null; the error is a sentence without its subject, the parameter.
pub(super) fn encode(shape: &Shape, value: &Datum, buffer: &mut Vec<u8>) -> Result<(), String> {
    let written = match (shape, value) {
        (Shape::Unknown(_) | Shape::Interval, _) => {
            let name = shape.name();
            return Err(format!(
                "is of type {name}, which cannot be sent; send text and cast it: `$1::text::{name}`"
            ));
        }
        (Shape::Array { of, oid }, Datum::List(items)) => return array(of, *oid, items, buffer),
        (Shape::Bool, Datum::Bool(truth)) => {
            buffer.push(u8::from(*truth));
            Some(())
        }
        (Shape::Integer(_) | Shape::Oid, _) => return integer(shape, value, buffer),
        (Shape::Float4 | Shape::Float8, _) => float(shape, value, buffer),
        (Shape::Numeric, Datum::Integer(number)) => numeric::write(&number.to_string(), buffer),
        (Shape::Numeric, Datum::Float(number)) => numeric::write(&number.to_string(), buffer),
        (Shape::Numeric, Datum::Text(text)) => numeric::write(text, buffer),
        (Shape::Text, _) => scalar(value, buffer),
        (Shape::Bytes, Datum::Bytes(bytes)) => {
            buffer.extend(bytes);
            Some(())
        }
        (Shape::Bytes, Datum::Text(text)) => {
            buffer.extend(text.bytes());
            Some(())
        }
        (Shape::Json { binary }, _) => {
            if *binary {
                buffer.push(1);
            }
            scalar(value, buffer)
        }
        (_, Datum::Text(text)) => from_text(shape, text, buffer),
        _ => None,
    };
    written.ok_or_else(|| {
        format!("is of type {}, got {}{}", shape.name(), shown(value), expected(shape))
    })
}

/// A value as a message names it: itself where it is short.
fn shown(value: &Datum) -> String {
    match value {
        Datum::Text(text) if text.len() <= 60 => format!("{text:?}"),
        Datum::Float(number) => format!("{number:?}"),
        other => other.kind().to_owned(),
    }
}

/// What to write for a type whose text has a form of its own.
fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Bool => "; expected true or false",
        Shape::Uuid => "; expected a text such as \"6f9619ff-8b86-d011-b42d-00cf4fc964ff\"",
        Shape::Date => "; expected a text such as \"2026-11-25\"",
        Shape::Time => "; expected a text such as \"18:30:00.123456\", without a zone",
        Shape::ZonedTime => "; expected a text such as \"18:30:00.123456+01\"",
        Shape::Timestamp { zoned: true } => {
            "; expected a text such as \"2026-11-25 18:30:00.123456+01\" or \
             \"2026-11-25T18:30:00Z\""
        }
        Shape::Timestamp { zoned: false } => {
            "; expected a text such as \"2026-11-25 18:30:00.123456\", without a zone; with one, \
             write `$1::timestamptz` and the server makes it its own local time"
        }
        Shape::Array { .. } => "; expected `sql.array { ... }`",
        _ => "",
    }
}

/// Anything that has one obvious text.
fn scalar(value: &Datum, buffer: &mut Vec<u8>) -> Option<()> {
    match value {
        Datum::Text(text) | Datum::Json(text) => buffer.extend(text.bytes()),
        Datum::Bytes(bytes) => buffer.extend(bytes),
        Datum::Integer(number) => buffer.extend(number.to_string().bytes()),
        Datum::Float(number) => buffer.extend(number.to_string().bytes()),
        Datum::Bool(truth) => buffer.extend(truth.to_string().bytes()),
        Datum::Null | Datum::List(_) => return None,
    }
    Some(())
}

/// Types that a script gives as text.
fn from_text(shape: &Shape, text: &str, buffer: &mut Vec<u8>) -> Option<()> {
    match shape {
        Shape::Uuid => buffer.extend(uuid::Uuid::parse_str(text).ok()?.as_bytes()),
        Shape::Date => buffer.extend(time::read_date(text)?.to_be_bytes()),
        Shape::Time => buffer.extend(time::read_time(text)?.to_be_bytes()),
        Shape::ZonedTime => {
            let (micros, west) = time::read_zoned_time(text)?;
            buffer.extend(micros.to_be_bytes());
            buffer.extend(west.to_be_bytes());
        }
        Shape::Timestamp { zoned } => {
            buffer.extend(time::read_timestamp(text, *zoned)?.to_be_bytes());
        }
        Shape::Bool if text == "true" || text == "false" => buffer.push(u8::from(text == "true")),
        _ => return None,
    }
    Some(())
}

fn integer(shape: &Shape, value: &Datum, buffer: &mut Vec<u8>) -> Result<(), String> {
    let exact =
        |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    let number = match value {
        Datum::Integer(number) => Some(*number),
        Datum::Float(number) => exact(*number),
        Datum::Text(text) => match (text.parse(), text.parse::<i128>()) {
            (Err(_), Ok(large)) => {
                return Err(format!("is of type {}, which cannot hold {large}", shape.name()));
            }
            (number, _) => number.ok(),
        },
        _ => None,
    };
    let number =
        number.ok_or_else(|| format!("is of type {}, got {}", shape.name(), shown(value)))?;
    let range = || format!("is of type {}, which cannot hold {number}", shape.name());
    match shape {
        Shape::Integer(2) => {
            buffer.extend(i16::try_from(number).map_err(|_| range())?.to_be_bytes());
        }
        Shape::Integer(4) => {
            buffer.extend(i32::try_from(number).map_err(|_| range())?.to_be_bytes());
        }
        Shape::Oid => buffer.extend(u32::try_from(number).map_err(|_| range())?.to_be_bytes()),
        _ => buffer.extend(number.to_be_bytes()),
    }
    Ok(())
}

fn float(shape: &Shape, value: &Datum, buffer: &mut Vec<u8>) -> Option<()> {
    let number = match value {
        Datum::Float(number) => *number,
        Datum::Integer(number) => *number as f64,
        Datum::Text(text) => {
            let number: f64 = text.parse().ok()?;
            let said = text.to_ascii_lowercase().contains("inf");
            (said || !number.is_infinite()).then_some(number)?
        }
        _ => return None,
    };
    if *shape == Shape::Float4 {
        let short = number as f32;
        // Neither too large for it nor too small.
        let lost = short.is_infinite() && number.is_finite() || short == 0.0 && number != 0.0;
        (!lost).then_some(())?;
        buffer.extend(short.to_be_bytes());
    } else {
        buffer.extend(number.to_be_bytes());
    }
    Some(())
}

/// An array: its dimensions, then its items. Lists of lists must be of one length.
fn array(item: &Shape, oid: u32, items: &[Datum], buffer: &mut Vec<u8>) -> Result<(), String> {
    let mut lengths = Vec::new();
    let mut first = Some(items);
    while let Some(items) = first.filter(|items| !items.is_empty()) {
        lengths.push(items.len());
        first = match &items[0] {
            Datum::List(inner) => Some(inner),
            _ => None,
        };
    }
    let number = |length: usize| i32::try_from(length).map_err(|_| "is too long".to_owned());
    buffer.extend(number(lengths.len())?.to_be_bytes());
    // Whether there are nulls is for the server to see; it reads the flag and does not believe it.
    buffer.extend(1_i32.to_be_bytes());
    buffer.extend(oid.to_be_bytes());
    for length in &lengths {
        buffer.extend(number(*length)?.to_be_bytes());
        buffer.extend(1_i32.to_be_bytes());
    }
    level(item, &lengths, items, buffer)
}

fn level(
    item: &Shape,
    lengths: &[usize],
    items: &[Datum],
    buffer: &mut Vec<u8>,
) -> Result<(), String> {
    let Some((length, inner)) = lengths.split_first() else {
        return Ok(());
    };
    if items.len() != *length {
        return Err("has lists of different lengths in it".to_owned());
    }
    for value in items {
        match value {
            Datum::List(items) if !inner.is_empty() => level(item, inner, items, buffer)?,
            _ if !inner.is_empty() => {
                return Err("has lists and other values side by side".to_owned());
            }
            Datum::Null => buffer.extend((-1_i32).to_be_bytes()),
            value => {
                let at = buffer.len();
                buffer.extend([0; 4]);
                encode(item, value, buffer)?;
                let size = i32::try_from(buffer.len() - at - 4);
                let size = size.map_err(|_| "is too long".to_owned())?;
                buffer[at..at + 4].copy_from_slice(&size.to_be_bytes());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode::decode;
    use super::*;

    fn text(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    fn there_and_back(shape: &Shape, value: &Datum) -> Result<Datum, String> {
        let mut buffer = Vec::new();
        encode(shape, value, &mut buffer)?;
        decode(shape, &buffer)
    }

    fn list(of: Shape) -> Shape {
        Shape::Array { of: Box::new(of), oid: 23 }
    }

    #[test]
    fn a_value_comes_back_as_its_type_has_it() {
        let zoned = Shape::Timestamp { zoned: true };
        for (shape, value, expected) in [
            (Shape::Bool, Datum::Bool(true), Datum::Bool(true)),
            (Shape::Bool, text("false"), Datum::Bool(false)),
            (Shape::Integer(8), Datum::Integer(i64::MIN), Datum::Integer(i64::MIN)),
            (Shape::Integer(2), Datum::Float(7.0), Datum::Integer(7)),
            (Shape::Integer(4), text("-5"), Datum::Integer(-5)),
            (Shape::Oid, Datum::Integer(4_294_967_295), Datum::Integer(4_294_967_295)),
            (Shape::Float8, Datum::Integer(3), Datum::Float(3.0)),
            (Shape::Numeric, Datum::Float(0.1), text("0.1")),
            (Shape::Numeric, Datum::Integer(i64::MAX), text("9223372036854775807")),
            (Shape::Text, Datum::Integer(5), text("5")),
            (Shape::Bytes, text("a"), Datum::Bytes(b"a".to_vec())),
            (Shape::Json { binary: true }, Datum::Json("[1]".into()), Datum::Json("[1]".into())),
            (Shape::Json { binary: false }, Datum::Integer(1), Datum::Json("1".into())),
            (
                Shape::Uuid,
                text("6F9619FF8B86D011B42D00CF4FC964FF"),
                text("6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
            ),
            (zoned, text("2026-11-25T12:00:00+02:00"), text("2026-11-25 10:00:00+00")),
            (Shape::ZonedTime, text("10:30:00+02"), text("10:30:00+02")),
        ] {
            assert_eq!(there_and_back(&shape, &value), Ok(expected), "{shape:?} {value:?}");
        }
    }

    #[test]
    fn arrays_of_any_depth_come_back_with_their_nulls() {
        let list_of = |items: &[Datum]| Datum::List(items.to_vec());
        let row = list_of(&[Datum::Integer(1), Datum::Null]);
        for value in [list_of(&[]), row.clone(), list_of(&[row.clone(), row.clone()])] {
            assert_eq!(there_and_back(&list(Shape::Integer(4)), &value), Ok(value.clone()));
        }
        let ragged = list_of(&[row, list_of(&[Datum::Null])]);
        let error = there_and_back(&list(Shape::Integer(4)), &ragged).unwrap_err();
        assert_eq!(error, "has lists of different lengths in it");
    }

    #[test]
    fn what_would_lose_something_is_refused_in_words() {
        for (shape, value, expected) in [
            (
                Shape::Integer(2),
                Datum::Integer(40_000),
                "is of type smallint, which cannot hold 40000",
            ),
            (
                Shape::Integer(8),
                text("9223372036854775808"),
                "is of type bigint, which cannot hold 9223372036854775808",
            ),
            (Shape::Float4, Datum::Float(1e300), "is of type real, got 1e300"),
            (Shape::Float8, text("1e400"), "is of type double precision, got \"1e400\""),
            (
                Shape::Interval,
                text("1 day"),
                "is of type interval, which cannot be sent; send text and cast it: \
                 `$1::text::interval`",
            ),
            (Shape::Integer(4), Datum::Float(1.5), "is of type integer, got 1.5"),
            (
                Shape::Uuid,
                text("no"),
                "is of type uuid, got \"no\"; expected a text such as \
                 \"6f9619ff-8b86-d011-b42d-00cf4fc964ff\"",
            ),
            (
                Shape::Date,
                Datum::Integer(1),
                "is of type date, got an integer; expected a text such as \"2026-11-25\"",
            ),
            (
                Shape::Timestamp { zoned: false },
                text("2026-11-26T10:00:00Z"),
                "is of type timestamp, got \"2026-11-26T10:00:00Z\"; expected a text such as \
                 \"2026-11-25 18:30:00.123456\", without a zone; with one, write `$1::timestamptz` \
                 and the server makes it its own local time",
            ),
            (
                Shape::Bool,
                Datum::Integer(1),
                "is of type boolean, got an integer; expected true or false",
            ),
            (
                list(Shape::Bool),
                text("{t}"),
                "is of type boolean[], got \"{t}\"; expected `sql.array { ... }`",
            ),
            (
                Shape::Unknown("inet".into()),
                text("::1"),
                "is of type inet, which cannot be sent; send text and cast it: `$1::text::inet`",
            ),
        ] {
            assert_eq!(there_and_back(&shape, &value), Err(expected.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_of_any_type_are_read_or_refused(
            bytes in proptest::collection::vec(0_u8.., 0..64),
        ) {
            for shape in [
                Shape::Bool, Shape::Integer(4), Shape::Oid, Shape::Float4, Shape::Float8,
                Shape::Numeric, Shape::Text, Shape::Uuid, Shape::Json { binary: true }, Shape::Date,
                Shape::ZonedTime, Shape::Interval, Shape::Void, list(list(Shape::Text)),
                list(Shape::Integer(4)),
            ] {
                let _ = decode(&shape, &bytes);
            }
        }
    }
}
