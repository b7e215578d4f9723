//! What a reply's head says about its body and its connection (RFC 9112, 6.3 and 9.3). A head
//! that can be read in two ways is refused: whoever reads it the other way sees another reply.

use super::Failure;
use super::reply::broken;

/// What the head says about the body.
#[derive(Default)]
pub(super) struct Framing {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    /// Whether the connection stays, where the peer says so.
    pub(super) stays: Option<bool>,
    pub(super) sets_cookie: bool,
    /// Whether the body is packed.
    pub(super) packed: bool,
}

impl Framing {
    /// Reads the fields that matter; what contradicts itself is refused.
    pub(super) fn read(headers: &[httparse::Header<'_>]) -> Result<Self, Failure> {
        let mut framing = Self::default();
        for header in headers {
            let value = header.value;
            // The length rules out nearly every name before a letter is compared.
            match header.name.len() {
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    for word in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                        if word.eq_ignore_ascii_case(b"close") {
                            framing.stays = Some(false);
                        } else if word.eq_ignore_ascii_case(b"keep-alive") {
                            framing.stays = framing.stays.or(Some(true));
                        }
                    }
                }
                10 if header.name.eq_ignore_ascii_case("set-cookie") => framing.sets_cookie = true,
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    for length in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                        let length = read_length(length)?;
                        if framing.length.is_some_and(|other| other != length) {
                            return Err(broken("the reply has two different Content-Lengths"));
                        }
                        framing.length = Some(length);
                    }
                }
                16 if header.name.eq_ignore_ascii_case("content-encoding") => framing.packed = true,
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    if framing.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                        let shown = String::from_utf8_lossy(value);
                        return Err(broken(format!(
                            "Transfer-Encoding {shown:?} is not supported"
                        )));
                    }
                    framing.chunked = true;
                }
                _ => {}
            }
        }
        if framing.chunked && framing.length.is_some() {
            return Err(broken("the reply has both Content-Length and Transfer-Encoding"));
        }
        Ok(framing)
    }
}

fn read_length(text: &[u8]) -> Result<u64, Failure> {
    let digits = std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        broken(format!("malformed Content-Length {:?}", String::from_utf8_lossy(text)))
    })
}
