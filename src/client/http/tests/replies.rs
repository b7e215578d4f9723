//! Replies decoded in whatever pieces they come.

use proptest::prelude::*;

use super::super::Failure;
use super::super::reply::Reply;

const LIMIT: u64 = 1 << 20;

/// What is left to see of a decoded reply.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    fields: Vec<u8>,
    body: Vec<u8>,
    keep: bool,
    used: usize,
}

/// Decodes bytes cut at these places, then closes if the reply is not whole.
fn decode(bytes: &[u8], cuts: &[usize]) -> Result<Seen, Failure> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let mut reply = Reply::new(false, LIMIT);
    let mut used = 0;
    for cut in cuts.into_iter().chain([bytes.len()]) {
        if cut > used && !reply.done() {
            used += reply.feed(&bytes[used..cut])?;
        }
    }
    reply.end()?;
    Ok(Seen {
        status: reply.status,
        fields: std::mem::take(&mut reply.fields),
        body: std::mem::take(&mut reply.body),
        keep: reply.answered.keep,
        used,
    })
}

prop_compose! {
    /// A reply in order, and what its body is.
    fn replies()(
        interim in 0usize..3,
        status in prop_oneof![Just(200u16), Just(204), Just(304), Just(404), Just(500)],
        names in prop::collection::vec("[A-Za-z][A-Za-z0-9-]{0,12}", 0..6),
        values in prop::collection::vec("[ -~]{0,20}", 6),
        line_end in prop_oneof![Just("\r\n"), Just("\n")],
        framing in 0..3,
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..5),
        trailer in any::<bool>(),
    ) -> (Vec<u8>, Vec<u8>) {
        let mut bytes = Vec::new();
        for _ in 0..interim {
            bytes.extend(format!("HTTP/1.1 103 Early{line_end}A: b{line_end}{line_end}").bytes());
        }
        bytes.extend(format!("HTTP/1.1 {status} Reason{line_end}").bytes());
        for (name, value) in names.iter().zip(&values) {
            bytes.extend(format!("X-{name}: {value}{line_end}").bytes());
        }
        let mut body = chunks.concat();
        match framing {
            0 => {
                let length = body.len();
                bytes.extend(format!("Content-Length: {length}{line_end}{line_end}").bytes());
                bytes.extend(&body);
            }
            1 => {
                bytes.extend(format!("Transfer-Encoding: chunked{line_end}{line_end}").bytes());
                for chunk in &chunks {
                    bytes.extend(format!("{:x};e=1\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(if trailer { &b"0\r\nX-T: 1\r\n\r\n"[..] } else { b"0\r\n\r\n" });
            }
            _ => {
                bytes.extend(line_end.bytes());
                bytes.extend(&body);
            }
        }
        if matches!(status, 204 | 304) {
            body.clear();
        }
        (bytes, body)
    }
}

proptest! {
    #[test]
    fn any_fragmentation_of_a_reply_decodes_the_same(
        (bytes, body) in replies(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = decode(&bytes, &[]).unwrap();
        prop_assert_eq!(&whole.body, &body);
        prop_assert_eq!(&decode(&bytes, &cuts).unwrap(), &whole);
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(&decode(&bytes, &each).unwrap(), &whole);
    }

    #[test]
    fn a_damaged_reply_never_panics_and_fails_alike_in_any_pieces(
        (mut bytes, _) in replies(),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        for (at, byte) in damage {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        let (whole, pieces) = (decode(&bytes, &[]), decode(&bytes, &cuts));
        prop_assert_eq!(whole.is_ok(), pieces.is_ok(), "{:?} against {:?}", whole, pieces);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, &[7, 60]);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = decode(&[&chunked[..], &bytes].concat(), &[99]);
    }
}

#[test]
fn a_long_head_that_trickles_in_is_not_parsed_anew_for_every_byte() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ".to_vec();
    bytes.extend(std::iter::repeat_n(b'a', 60_000));
    bytes.extend(b"\r\n\r\n");
    let each: Vec<usize> = (0..bytes.len()).collect();
    let seen = decode(&bytes, &each).unwrap();
    assert_eq!((seen.status, seen.used), (200, bytes.len()));
}
