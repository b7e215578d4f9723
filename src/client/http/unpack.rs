//! Content codings undone: gzip, deflate, brotli, zstd. The limit on bodies holds for what comes
//! out as well, so a few kilobytes that unpack to gigabytes end as a failure, not as memory.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::reply::over_limit;
use super::{Failure, FailureKind};

/// Most codings one inside the other; real replies have one.
const MOST_CODINGS: usize = 4;

/// Largest window a zstd body may ask for, in bytes (RFC 9659).
const ZSTD_WINDOW: u64 = 8 << 20;

/// Size of brotli's reading buffer, in bytes.
const BROTLI_BUFFER: usize = 4 << 10;

/// The body without the codings `Content-Encoding` names. A coding that is not known is left as
/// it is: the body is then what was sent.
pub(super) fn unpack(codings: &str, body: Bytes, limit: u64) -> Result<Bytes, Failure> {
    if body.is_empty() {
        return Ok(body);
    }
    let mut names: Vec<&str> = codings.split(',').map(str::trim).collect();
    if names.len() > MOST_CODINGS {
        let detail = format!("more than {MOST_CODINGS} content codings");
        return Err(Failure::new(FailureKind::Protocol, detail));
    }
    let mut body = body;
    while let Some(name) = names.pop() {
        match undo(&name.to_ascii_lowercase(), &body, limit) {
            None => break,
            Some(unpacked) => body = unpacked?.into(),
        }
    }
    Ok(body)
}

/// One coding undone; `None` for one that is not known.
fn undo(coding: &str, packed: &[u8], limit: u64) -> Option<Result<Vec<u8>, Failure>> {
    Some(match coding {
        "identity" | "" => Ok(packed.to_vec()),
        "gzip" | "x-gzip" => drain(coding, MultiGzDecoder::new(packed), limit),
        "deflate" if has_zlib_header(packed) => drain(coding, ZlibDecoder::new(packed), limit),
        // Some servers have always sent it without the header the name stands for.
        "deflate" => drain(coding, DeflateDecoder::new(packed), limit),
        "br" => {
            let brotli = brotli_decompressor::Decompressor::new(packed, BROTLI_BUFFER);
            drain(coding, brotli, limit)
        }
        "zstd" => unpack_zstd(packed, limit),
        _ => return None,
    })
}

fn has_zlib_header(packed: &[u8]) -> bool {
    matches!(packed, [a, b, ..] if a & 15 == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0)
}

/// Reads a decoder to its end, or to the limit.
fn drain(coding: &str, decoder: impl Read, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut unpacked = Vec::new();
    let read = decoder.take(limit.saturating_add(1)).read_to_end(&mut unpacked);
    if unpacked.len() as u64 > limit {
        return Err(over_limit(limit));
    }
    read.map_err(|error| invalid(coding, &error))?;
    Ok(unpacked)
}

fn unpack_zstd(mut packed: &[u8], limit: u64) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    while !packed.is_empty() {
        let frame = StreamingDecoder::new_with_max_window_size(&mut packed, ZSTD_WINDOW)
            .map_err(|error| invalid("zstd", &error))?;
        let unpacked = drain("zstd", frame, limit.saturating_sub(all.len() as u64));
        all.extend_from_slice(&unpacked.map_err(|failure| match failure.kind {
            FailureKind::TooLarge => over_limit(limit),
            _ => failure,
        })?);
    }
    Ok(all)
}

fn invalid(coding: &str, error: &impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Protocol, format!("the body is not valid {coding}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const LIMIT: u64 = 1 << 20;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn packings(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(plain).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(plain).unwrap();
        vec![
            ("gzip", gzip(plain)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("zstd", zstd(plain)),
        ]
    }

    #[test]
    fn every_coding_gives_back_what_was_packed() {
        let plain = b"one two three ".repeat(1000);
        for (coding, packed) in packings(&plain) {
            let body = unpack(coding, packed.into(), LIMIT).unwrap();
            assert_eq!(body, plain, "{coding}");
        }
        // "hello" by the reference encoder.
        let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
        assert_eq!(unpack("br", brotli.to_vec().into(), LIMIT).unwrap(), "hello");
    }

    #[test]
    fn codings_are_undone_in_reverse_order_and_members_joined() {
        let twice = gzip(&zstd(b"hello"));
        assert_eq!(unpack("zstd, GZIP", twice.into(), LIMIT).unwrap(), "hello");
        let members = [gzip(b"hel"), gzip(b"lo")].concat();
        assert_eq!(unpack("gzip", members.into(), LIMIT).unwrap(), "hello");
        let frames = [zstd(b"hel"), zstd(b"lo")].concat();
        assert_eq!(unpack("zstd", frames.into(), LIMIT).unwrap(), "hello");
    }

    #[test]
    fn a_body_that_unpacks_beyond_the_limit_is_too_large() {
        let plain = vec![0; 100_000];
        for (coding, packed) in packings(&plain) {
            let failure = unpack(coding, packed.clone().into(), 99_999).unwrap_err();
            assert_eq!(failure.kind, FailureKind::TooLarge, "{coding}");
            assert!(unpack(coding, packed.into(), 100_000).is_ok(), "{coding}");
        }
    }

    #[test]
    fn what_is_not_what_it_says_is_a_protocol_failure() {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let failure = unpack(coding, "\u{1}certainly not".into(), LIMIT).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Protocol, "{coding}");
            assert!(failure.detail.contains(coding), "{failure}");
        }
        let cut = gzip(b"hello, hello, hello");
        assert!(unpack("gzip", cut[..cut.len() - 9].to_vec().into(), LIMIT).is_err());
        assert!(unpack("a,b,c,d,e", "x".into(), LIMIT).is_err());
    }

    #[test]
    fn an_unknown_coding_and_an_empty_body_are_left_as_they_are() {
        assert_eq!(unpack("compress", "x".into(), LIMIT).unwrap(), "x");
        assert_eq!(unpack("gzip", Bytes::new(), LIMIT).unwrap(), "");
        assert_eq!(unpack("identity", "x".into(), LIMIT).unwrap(), "x");
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_body_never_panics(
            at in 0usize..400, byte: u8, cut in 0usize..400
        ) {
            let plain: Vec<u8> = (0..2000u32).map(|n| ((n * n) >> 3) as u8).collect();
            for (coding, mut packed) in packings(&plain) {
                let length = packed.len();
                packed[at % length] ^= byte;
                packed.truncate(length - cut % length);
                let _ = unpack(coding, packed.clone().into(), 10_000);
                let _ = unpack("br", packed.into(), 10_000);
            }
        }
    }
}
