//! PostgreSQL's NUMERIC between its binary form and decimal text, exact in both directions.
//!
//! The binary form is digits to the base of 10,000: their number, the weight of the first one, a
//! sign, how many decimals are shown, and the digits.

/// Sign words of the binary form.
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// The text of a number in its binary form; `None` if it is malformed.
pub(super) fn read(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let count = usize::from(word(0)?);
    let weight = i32::from(word(2)?.cast_signed());
    let decimals = usize::from(word(6)?);
    let sign = match word(4)? {
        0 => "",
        NEGATIVE => "-",
        NAN => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        MINUS_INFINITY => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    let digit = |group: i32| -> Option<u16> {
        let at = weight - group;
        match usize::try_from(at) {
            Ok(at) if at < count => word(8 + 2 * at),
            _ => Some(0),
        }
    };
    let mut text = sign.to_owned();
    let four = |group: i32| digit(group).map(|digit| format!("{digit:04}"));
    for group in (0..=weight.max(-1)).rev() {
        let digits = four(group)?;
        text += if group == weight { digits.trim_start_matches('0') } else { &digits };
    }
    if text.is_empty() || text == "-" {
        text.push('0');
    }
    if decimals > 0 {
        let mut fraction = String::new();
        let mut group = -1;
        while fraction.len() < decimals {
            fraction += &four(group)?;
            group -= 1;
        }
        fraction.truncate(decimals);
        text.push('.');
        text += &fraction;
    }
    Some(text)
}

/// Appends the binary form of a decimal number such as `-12.50` or `1e-7`; `None` if it is none.
pub(super) fn write(text: &str, buffer: &mut Vec<u8>) -> Option<()> {
    let special = match text.trim().to_ascii_lowercase().as_str() {
        "nan" => Some(NAN),
        "infinity" | "inf" => Some(INFINITY),
        "-infinity" | "-inf" => Some(MINUS_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        words(buffer, &[0, 0, sign, 0]);
        return Some(());
    }
    let (negative, digits, exponent, decimals) = parts(text.trim())?;
    // A group begins where the number of digits behind it is a multiple of four.
    let padding = exponent.rem_euclid(4);
    let mut padded = digits;
    padded.resize(padded.len() + usize::try_from(padding).ok()?, 0);
    let lowest = (exponent - padding) / 4;
    let lead = (4 - padded.len() % 4) % 4;
    padded.splice(0..0, std::iter::repeat_n(0, lead));
    let mut groups: Vec<u16> = padded
        .chunks_exact(4)
        .map(|four| four.iter().fold(0, |sum, digit| sum * 10 + u16::from(*digit)))
        .collect();
    let mut weight = lowest + i32::try_from(groups.len()).ok()? - 1;
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    weight -= i32::try_from(zeros).ok()?;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign = if negative && !groups.is_empty() { NEGATIVE } else { 0 };
    let weight = i16::try_from(weight).ok()?.cast_unsigned();
    words(buffer, &[u16::try_from(groups.len()).ok()?, weight, sign, decimals]);
    words(buffer, &groups);
    Some(())
}

fn words(buffer: &mut Vec<u8>, words: &[u16]) {
    for word in words {
        buffer.extend(word.to_be_bytes());
    }
}

/// Sign, digits, the power of ten of the last one, and the decimals to show.
fn parts(text: &str) -> Option<(bool, Vec<u8>, i32, u16)> {
    const MOST: i32 = 16_383;
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = whole.bytes().chain(fraction.bytes());
    let digits: Vec<u8> = all.map(|byte| byte.wrapping_sub(b'0')).collect();
    if digits.is_empty() || digits.iter().any(|digit| *digit > 9) {
        return None;
    }
    let last = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if last.abs() > MOST || digits.len() > 140_000 {
        return None;
    }
    Some((negative, digits, last, (-last).max(0) as u16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(text: &str) -> Option<String> {
        let mut buffer = Vec::new();
        write(text, &mut buffer)?;
        read(&buffer)
    }

    #[test]
    fn numbers_keep_every_digit_and_their_decimals() {
        for (text, expected) in [
            ("0", "0"),
            ("-0.00", "0.00"),
            ("12.50", "12.50"),
            (
                "-123456789012345678901234567890.123456789",
                "-123456789012345678901234567890.123456789",
            ),
            ("10000", "10000"),
            ("100000000", "100000000"),
            ("0.00001", "0.00001"),
            ("+007", "7"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1.5E-7", "0.00000015"),
            ("nan", "NaN"),
            ("-Infinity", "-Infinity"),
        ] {
            assert_eq!(there_and_back(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "-", "1,5", "1.2.3", "x", "1e", "1e99999", "0x10", "."] {
            assert_eq!(there_and_back(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_is_no_number() {
        for bytes in [&[][..], &[0], &[0, 1, 0, 0, 0, 0, 0], &[0, 2, 0, 1, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_decimal_comes_back(whole in "(0|[1-9][0-9]{0,40})", fraction in "[0-9]{0,40}") {
            let text = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
            prop_assert_eq!(there_and_back(&text), Some(text));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0_u8.., 0..40)) {
            let _ = read(&bytes);
        }
    }
}
