//! Classes: what one place of a pattern can match: `a`, `.`, `%d`, `[^%s,]`.

/// One class: the bytes of the pattern that spell it.
#[derive(Clone, Copy)]
pub(super) struct Class<'a>(&'a [u8]);

impl<'a> Class<'a> {
    /// The class at the beginning of a pattern; the error says why there is none.
    pub(super) fn first(pattern: &'a [u8]) -> Result<Self, &'static str> {
        let end = match pattern {
            [b'%'] => return Err("malformed pattern (ends with '%')"),
            [b'%', ..] => 2,
            [b'[', ..] => set_end(pattern)?,
            _ => 1,
        };
        Ok(Self(&pattern[..end]))
    }

    /// How many bytes of the pattern spell it.
    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    /// Is the byte in it?
    pub(super) fn has(self, byte: u8) -> bool {
        match self.0 {
            [b'.'] => true,
            [b'%', letter] => in_class(byte, *letter),
            [b'[', b'^', inner @ .., b']'] => !in_set(byte, inner),
            [b'[', inner @ .., b']'] => in_set(byte, inner),
            literal => literal == [byte],
        }
    }
}

/// Where the set at the beginning of a pattern ends.
fn set_end(pattern: &[u8]) -> Result<usize, &'static str> {
    let mut at = if pattern.get(1) == Some(&b'^') { 2 } else { 1 };
    // The first of a set is in it even if it is `]`.
    loop {
        match pattern.get(at) {
            None => return Err("malformed pattern (missing ']')"),
            Some(b'%') if at + 1 < pattern.len() => at += 2,
            Some(_) => at += 1,
        }
        if pattern.get(at) == Some(&b']') {
            return Ok(at + 1);
        }
    }
}

/// Is the byte among the classes, ranges and bytes of a set?
fn in_set(byte: u8, mut set: &[u8]) -> bool {
    loop {
        let (is, rest) = match set {
            [] => return false,
            [b'%', letter, rest @ ..] => (in_class(byte, *letter), rest),
            [first, b'-', last, rest @ ..] => ((*first..=*last).contains(&byte), rest),
            [one, rest @ ..] => (*one == byte, rest),
        };
        if is {
            return true;
        }
        set = rest;
    }
}

/// Is the byte in the class of this letter? Upper-case letters are the opposite of lower-case ones;
/// what is no letter of a class stands for itself.
fn in_class(byte: u8, letter: u8) -> bool {
    let is = match letter.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | 9..=13),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return letter == byte,
    };
    is != letter.is_ascii_uppercase()
}
