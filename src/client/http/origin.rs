//! Where requests go: scheme, host and port, read from an address once and then shared.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use url::{Host, Url};

/// Most origins kept at once; beyond it all are read again.
const MOST_ORIGINS: usize = 1_000;

/// A scheme, host and port; connections are kept by it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Whether the scheme is `https`.
    pub(super) tls: bool,
    /// Host name or address, an IPv6 one without its brackets.
    pub(super) host: String,
    /// Port, the scheme's own if none was written.
    pub(super) port: u16,
    /// As the `Host` header says it: the port only where it is not the scheme's own.
    pub(super) authority: String,
}

impl Origin {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("malformed address {text:?}: {why}; expected \"http://host:port\"");
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("the scheme is not http or https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("credentials belong into `auth`"));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(wrong("there is no host")),
        };
        let port = url.port_or_known_default().ok_or_else(|| wrong("there is no port"))?;
        let shown = url.host_str().unwrap_or_default();
        let authority = match url.port() {
            Some(port) => format!("{shown}:{port}"),
            None => shown.to_owned(),
        };
        Ok(Self { tls, host, port, authority })
    }

    /// As an address without a path.
    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// Where an absolute URL's path begins; `None` if it is not absolute.
pub(super) fn path_begin(url: &str) -> Option<usize> {
    if url.starts_with('/') {
        return None;
    }
    let scheme = url.find("://")?;
    let named = url[..scheme].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
    if scheme == 0 || !named {
        return None;
    }
    let rest = scheme + 3;
    Some(url[rest..].find(['/', '?', '#']).map_or(url.len(), |at| rest + at))
}

/// Origins by the text they were read from.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: RefCell<HashMap<Box<str>, Rc<Origin>>>,
}

impl Origins {
    /// The origin an address without a path names; the same one for the same text.
    pub(super) fn find(&self, text: &str) -> Result<Rc<Origin>, String> {
        if let Some(origin) = self.known.borrow().get(text) {
            return Ok(Rc::clone(origin));
        }
        let parsed = Origin::parse(text)?;
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_ORIGINS {
            known.clear();
        }
        // Two spellings of one origin must share their connections.
        let same = known.values().find(|origin| ***origin == parsed).map(Rc::clone);
        let origin = same.unwrap_or_else(|| Rc::new(parsed));
        known.insert(text.into(), Rc::clone(&origin));
        Ok(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let origin = Origin::parse("https://Example.com:8443").unwrap();
        assert_eq!((origin.tls, origin.port), (true, 8443));
        assert_eq!(origin.host, "example.com");
        assert_eq!(origin.authority, "example.com:8443");
        let origin = Origin::parse("http://[::1]:80").unwrap();
        assert_eq!((origin.host.as_str(), origin.authority.as_str()), ("::1", "[::1]"));
        assert_eq!(Origin::parse("http://bücher.example").unwrap().host, "xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_http_address_is_an_error_that_shows_it() {
        for text in ["ftp://a", "http://", "http://a:99999", "http://u:p@a", "http://a b"] {
            let error = Origin::parse(text).unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn two_spellings_of_one_origin_are_one() {
        let origins = Origins::default();
        let a = origins.find("http://localhost").unwrap();
        let b = origins.find("HTTP://LOCALHOST:80").unwrap();
        assert!(Rc::ptr_eq(&a, &b));
    }

    #[test]
    fn the_path_of_an_absolute_url_is_found() {
        for (url, path) in [
            ("http://a/b?c", Some("/b?c")),
            ("http://a", Some("")),
            ("http://a?x=/y", Some("?x=/y")),
            ("/a?next=http://b/c", None),
            ("items", None),
        ] {
            assert_eq!(path_begin(url).map(|at| &url[at..]), path, "{url}");
        }
    }
}
