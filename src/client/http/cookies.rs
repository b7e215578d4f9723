//! The cookies of one user. A jar is made when the first cookie arrives: most users of most
//! scripts never see one, and a jar is larger than an idle connection.

use std::cell::RefCell;

use cookie_store::CookieStore;
use url::Url;

use super::fields::Headers;
use super::origin::Origin;

/// Most cookies one user keeps; further ones are not stored.
const MOST_COOKIES: usize = 300;

/// The cookies of one user, if there are any.
#[derive(Debug, Default)]
pub(super) struct Jar {
    store: RefCell<Option<Box<CookieStore>>>,
}

impl Jar {
    /// The value of a `Cookie` header for this address; `None` where there is nothing to send.
    pub(super) fn header(&self, origin: &Origin, prefix: &str, path: &str) -> Option<String> {
        let store = self.store.borrow();
        let store = store.as_ref()?;
        let url = address(origin, prefix, path)?;
        let mut cookies = store.matches(&url);
        // Those of the deeper path come first (RFC 6265, 5.4).
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.as_ref().len()));
        let mut header = String::new();
        for cookie in cookies {
            if !header.is_empty() {
                header.push_str("; ");
            }
            header.push_str(cookie.name());
            header.push('=');
            header.push_str(cookie.value());
        }
        (!header.is_empty()).then_some(header)
    }

    /// Keeps what a reply asks to be kept. What is malformed, or meant for another host, is left
    /// out, as browsers do.
    pub(super) fn keep(&self, origin: &Origin, prefix: &str, path: &str, headers: &Headers) {
        let Some(url) = address(origin, prefix, path) else {
            return;
        };
        let mut store = self.store.borrow_mut();
        let store = store.get_or_insert_with(Box::default);
        for line in headers.all("set-cookie") {
            if let Ok(line) = std::str::from_utf8(line)
                && store.iter_any().count() < MOST_COOKIES
            {
                let _ = store.parse(line, &url);
            }
        }
    }
}

fn address(origin: &Origin, prefix: &str, path: &str) -> Option<Url> {
    Url::parse(&format!("{}{prefix}{path}", origin.url())).ok()
}
