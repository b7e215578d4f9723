//! JSON of a database, which may have numbers that Lua has no room for.

/// Most significant digits that a number of double precision tells apart.
const DIGITS: usize = 17;

/// Whether Lua can have every number of a JSON document: integers of 64 bits, and others of no more
/// digits than double precision has.
pub(super) fn fits(text: &str) -> bool {
    let (mut string, mut escaped) = (false, false);
    let outside = text.split(|c: char| {
        if string {
            string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            return true;
        }
        string = c == '"';
        !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'))
    });
    // `e` alone is of `true` or `false`.
    let numbers = outside.filter(|it| it.bytes().any(|byte| byte.is_ascii_digit()));
    numbers.into_iter().all(number_fits)
}

fn number_fits(number: &str) -> bool {
    if !number.contains(['.', 'e', 'E']) {
        return number.parse::<i64>().is_ok();
    }
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0').len();
    significant <= DIGITS && number.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_fits_where_all_its_numbers_do() {
        for text in [
            "{}",
            "true",
            "9223372036854775807",
            "[-9223372036854775808, 0, -0.5, 1e308, 0.10000000000000001]",
            r#"{"a": "12345678901234567890", "b\"": false, "c\\": [1.50, 100000000000000000000.0]}"#,
        ] {
            assert!(fits(text), "{text}");
        }
        for text in [
            "9223372036854775808",
            "[1, -9223372036854775809]",
            r#"{"b\\": 12345678901234567890}"#,
            "0.1234567890123456789",
            "[1e400]",
        ] {
            assert!(!fits(text), "{text}");
        }
    }
}
