//! One request, valid by construction: what could break out of its place in the head (a line
//! break in a header or path) is refused while it is built, so sending never has to ask again.

use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;

use super::body::Body;
use super::expect::Expect;
use super::fields;
use super::origin::{self, Origin};
use super::settings::Auth;

/// One request. Built up by its methods, which refuse what HTTP cannot carry.
#[derive(Clone, Debug)]
pub struct Request {
    /// Longest this request may take; `None` leaves it to the settings.
    pub timeout: Option<Duration>,
    /// How many redirects to follow; `None` leaves it to the settings.
    pub redirects: Option<u8>,
    /// Which statuses are a success; `None` leaves it to the settings.
    pub expect: Option<Expect>,
    /// What is sent after the head. Its content type is sent unless a header says otherwise.
    pub body: Body,
    pub(super) method: Method,
    /// A path with its query, or an absolute URL with at least `/` for a path; escaped.
    pub(super) target: String,
    /// Where in `target` the path begins: 0 unless it is absolute.
    pub(super) path_at: usize,
    /// Where an absolute target leads, if that is known already.
    pub(super) origin: Option<Rc<Origin>>,
    /// The caller's headers as they are sent.
    pub(super) fields: Vec<u8>,
}

impl Request {
    /// A request for a path relative to the client's base, or for an absolute URL. Spaces and
    /// letters beyond ASCII are percent-encoded, what is encoded already stays; control
    /// characters are refused. A fragment is cut off.
    pub fn new(method: &str, target: &str) -> Result<Self, String> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("malformed method {method:?}; expected a word such as GET"))?;
        if method == Method::CONNECT {
            return Err("method CONNECT is for proxies; expected GET, POST or another".to_owned());
        }
        if let Some(bad) = target.bytes().find(u8::is_ascii_control) {
            return Err(format!("control character {bad:#04x} in the path {target:?}"));
        }
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let path_at = origin::path_begin(target).unwrap_or(0);
        let (place, path) = target.split_at(path_at);
        let mut escaped = String::with_capacity(target.len() + 8);
        escaped.push_str(place);
        if !path.starts_with('/') {
            escaped.push('/');
        }
        escape(&mut escaped, path.as_bytes(), |byte| b"\"<>\\^`{|}".contains(&byte));
        Ok(Self {
            timeout: None,
            redirects: None,
            expect: None,
            body: Body::default(),
            method,
            target: escaped,
            path_at,
            origin: None,
            fields: Vec::new(),
        })
    }

    /// Appends `name=value` to the query, percent-encoding both.
    pub fn query(&mut self, name: &str, value: &[u8]) {
        self.target.push(if self.path().contains('?') { '&' } else { '?' });
        let reserved = |byte: u8| !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte);
        escape(&mut self.target, name.as_bytes(), reserved);
        self.target.push('=');
        escape(&mut self.target, value, reserved);
    }

    /// Adds a header; a name may be repeated. It replaces a default of the same name.
    pub fn header(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        fields::push(&mut self.fields, name, value)
    }

    /// Adds an `Authorization` header for a name and a password.
    pub fn basic_auth(&mut self, user: &str, password: &str) -> Result<(), String> {
        let auth = Auth::Basic { user: user.to_owned(), password: password.to_owned() };
        self.header("Authorization", authorization(&auth)?.as_bytes())
    }

    /// Adds an `Authorization` header for a token.
    pub fn bearer_auth(&mut self, token: &str) -> Result<(), String> {
        self.header("Authorization", authorization(&Auth::Bearer(token.to_owned()))?.as_bytes())
    }

    /// The method as it is sent.
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// Path and query as they are sent, without scheme and host, and without the path of the
    /// client's base; for naming a sample.
    pub fn path(&self) -> &str {
        &self.target[self.path_at..]
    }

    /// Scheme, host and port of an absolute URL.
    pub(super) fn place(&self) -> Option<&str> {
        (self.path_at > 0).then(|| &self.target[..self.path_at])
    }
}

/// The value of `Authorization` for these credentials.
pub(super) fn authorization(auth: &Auth) -> Result<String, String> {
    match auth {
        Auth::Basic { user, .. } if user.contains(':') => {
            Err(format!("user name {user:?} contains a colon, which basic auth cannot send"))
        }
        Auth::Basic { user, password } => {
            Ok(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        }
        Auth::Bearer(token) if !token.bytes().all(fields::may_stand_in_value) => {
            Err("the bearer token contains a line break or control character".to_owned())
        }
        Auth::Bearer(token) => Ok(format!("Bearer {token}")),
    }
}

/// Appends text, percent-encoding spaces, controls, bytes beyond ASCII and what `reserved` names.
fn escape(into: &mut String, text: &[u8], reserved: impl Fn(u8) -> bool) {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text {
        if byte.is_ascii_graphic() && !reserved(*byte) {
            into.push(*byte as char);
        } else {
            into.push('%');
            into.push(HEX[usize::from(byte >> 4)]);
            into.push(HEX[usize::from(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_a_path_is_refused() {
        for path in ["/a\r\nEvil: 1", "/a\nb", "http://a\r\n/", "/\0"] {
            assert!(Request::new("GET", path).unwrap_err().contains("control character"));
        }
        assert!(Request::new("GE T", "/").is_err());
        assert!(Request::new("GET\r\n", "/").is_err());
        assert!(Request::new("CONNECT", "/").is_err());
    }

    #[test]
    fn a_target_is_escaped_once_and_its_fragment_cut() {
        for (target, sent) in [
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/ü?q=ö#top", "/%C3%BC?q=%C3%B6"),
            ("items/1", "/items/1"),
            ("", "/"),
            ("?a=1", "/?a=1"),
            ("http://h:1/x y", "/x%20y"),
            ("http://h", "/"),
            ("http://h?a", "/?a"),
            ("/a?next=http://b/", "/a?next=http://b/"),
        ] {
            assert_eq!(Request::new("GET", target).unwrap().path(), sent, "{target}");
        }
    }

    #[test]
    fn a_query_is_appended_with_every_reserved_character_escaped() {
        let mut request = Request::new("GET", "http://h/s?a=1").unwrap();
        request.query("b c", b"&=?/\xff");
        request.query("d", b"");
        assert_eq!(request.path(), "/s?a=1&b%20c=%26%3D%3F%2F%FF&d=");
        let mut request = Request::new("GET", "/s").unwrap();
        request.query("q", "ü".as_bytes());
        assert_eq!(request.path(), "/s?q=%C3%BC");
    }

    #[test]
    fn credentials_become_an_authorization_header() {
        let mut request = Request::new("GET", "/").unwrap();
        request.basic_auth("Aladdin", "open sesame").unwrap();
        assert_eq!(request.fields, b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
        assert!(request.basic_auth("a:b", "c").is_err());
        assert!(request.bearer_auth("x\r\ny").is_err());
        request.bearer_auth("t").unwrap();
        assert!(request.fields.ends_with(b"Authorization: Bearer t\r\n"));
    }
}
