//! The head of a request: what the settings, the request and the session have to say, each name
//! once, the request's word before the settings'.

use http::Method;

use super::fields;
use super::origin::Origin;
use super::request::{Request, authorization};
use super::settings::Settings;

/// Fields that tell a stranger who the user is; left out when a redirect leads to another origin.
const PRIVATE: [&[u8]; 3] = [b"authorization", b"cookie", b"proxy-authorization"];

/// Where one hop of a request goes and what it carries besides the request's own fields.
pub(super) struct Hop<'a> {
    /// The request; a redirect may have changed it.
    pub(super) request: &'a Request,
    /// Scheme, host and port.
    pub(super) origin: &'a Origin,
    /// Path of the base, put before the request's own; empty for an absolute URL.
    pub(super) prefix: &'a str,
    /// The settings' fields.
    pub(super) defaults: &'a Defaults,
    /// The session's cookies for this URL.
    pub(super) cookies: Option<String>,
    /// Whether a redirect has left the origin the request was meant for.
    pub(super) abroad: bool,
    /// Whether the connection is to be closed afterwards.
    pub(super) close: bool,
}

/// The fields every request of a client carries.
#[derive(Debug)]
pub(super) struct Defaults {
    block: Vec<u8>,
    /// Whether a `Host` is among them.
    names_host: bool,
}

impl Defaults {
    /// Those that follow from the settings.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let mut block = Vec::new();
        for (name, value) in &settings.headers {
            fields::push(&mut block, name, value.as_bytes())?;
        }
        let names_host = fields::find(&block, b"host").is_some();
        let agent = concat!("loadrun/", env!("CARGO_PKG_VERSION"));
        let mut add = |name: &str, value: &str| {
            if fields::find(&block, name.as_bytes()).is_none() {
                fields::push_unchecked(&mut block, name.as_bytes(), value.as_bytes());
            }
        };
        add("User-Agent", agent);
        add("Accept", "*/*");
        if settings.decompress {
            add("Accept-Encoding", "gzip, deflate, br, zstd");
        }
        if let Some(auth) = &settings.auth {
            let value = authorization(auth)?;
            if let Some(bad) = value.bytes().find(|byte| !fields::may_stand_in_value(*byte)) {
                return Err(format!("auth: character {bad:#04x} is not allowed in credentials"));
            }
            add("Authorization", &value);
        }
        Ok(Self { block, names_host })
    }
}

impl Hop<'_> {
    /// Writes the head as HTTP/1.1 has it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let request = self.request;
        out.extend_from_slice(request.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(request.path().as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if request.fields.is_empty() && !self.abroad && self.plain_defaults() {
            // The common case, and the one whose speed counts: blocks are copied as they are.
            fields::push_unchecked(out, b"Host", self.origin.authority.as_bytes());
            out.extend_from_slice(&self.defaults.block);
        } else {
            self.each_field(&mut |name, value| fields::push_unchecked(out, name, value));
        }
        self.each_computed(&mut |name, value| fields::push_unchecked(out, name, value));
        if self.close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Whether the settings' fields hold nothing that others could contradict.
    fn plain_defaults(&self) -> bool {
        !self.close
            && self.cookies.is_none()
            && self.request.body.bytes.is_empty()
            && !self.defaults.names_host
    }

    /// The fields somebody wrote down, `Host` first, each name from one side only.
    pub(super) fn each_field(&self, add: &mut impl FnMut(&[u8], &[u8])) {
        let own = &self.request.fields;
        let withheld = |name: &[u8]| {
            (self.abroad && PRIVATE.iter().any(|private| private.eq_ignore_ascii_case(name)))
                || (self.close && name.eq_ignore_ascii_case(b"connection"))
        };
        // A host that was set by hand is meant for the first origin, not for where it leads.
        let host = if self.abroad { None } else { self.written(b"host") };
        add(b"Host", host.unwrap_or(self.origin.authority.as_bytes()));
        for (name, value) in fields::lines(&self.defaults.block) {
            if !withheld(name) && fields::find(own, name).is_none() && !is(name, b"host") {
                add(name, value);
            }
        }
        for (name, value) in fields::lines(own) {
            if !withheld(name) && !is(name, b"host") {
                add(name, value);
            }
        }
    }

    /// The fields that follow from the body and the session.
    pub(super) fn each_computed(&self, add: &mut impl FnMut(&[u8], &[u8])) {
        let body = &self.request.body;
        if let Some(content_type) = &body.content_type
            && self.written(b"content-type").is_none()
        {
            add(b"Content-Type", content_type.as_bytes());
        }
        let method = &self.request.method;
        let usual = *method == Method::POST || *method == Method::PUT || *method == Method::PATCH;
        if usual || !body.bytes.is_empty() {
            let mut digits = [0; 20];
            add(b"Content-Length", decimal(body.bytes.len(), &mut digits));
        }
        // A cookie header written by hand stands for all of them.
        if let Some(cookies) = &self.cookies
            && (self.abroad || self.written(b"cookie").is_none())
        {
            add(b"Cookie", cookies.as_bytes());
        }
    }

    /// What the request, or else the settings, say under a name.
    fn written(&self, name: &[u8]) -> Option<&[u8]> {
        fields::find(&self.request.fields, name)
            .or_else(|| fields::find(&self.defaults.block, name))
    }
}

fn is(name: &[u8], other: &[u8]) -> bool {
    name.eq_ignore_ascii_case(other)
}

/// A number in decimal digits, written from the end of `room`.
fn decimal(mut number: usize, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[at..];
        }
    }
}
