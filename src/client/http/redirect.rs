//! What a redirect makes of a request (RFC 9110, 15.4).

use http::Method;
use url::{Position, Url};

use super::body::Body;
use super::fields;
use super::request::Request;
use super::{Failure, FailureKind};

/// Whether a reply with this status and a `Location` sends us elsewhere.
pub(super) fn leads_on(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The request that follows a redirect from `from` to `location`.
pub(super) fn follow(
    mut request: Request,
    status: u16,
    from: &str,
    location: &[u8],
) -> Result<Request, Failure> {
    let location = String::from_utf8_lossy(location);
    let wrong =
        |why: &str| Failure::new(FailureKind::Protocol, format!("redirect to {location:?}: {why}"));
    let to = Url::parse(from).and_then(|from| from.join(&location));
    let to = to.map_err(|error| wrong(&error.to_string()))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(wrong("not an http address"));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(wrong("credentials in an address are not followed"));
    }
    let was_post = request.method == Method::POST;
    let becomes_get = match status {
        301 | 302 => was_post,
        303 => request.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body = Body::default();
        request.fields = without_content_fields(&request.fields);
    }
    request.path_at = to[..Position::BeforePath].len();
    request.target = String::from(&to[..Position::AfterQuery]);
    request.origin = None;
    Ok(request)
}

/// The fields that do not describe a body, which is gone.
fn without_content_fields(block: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for line in fields::whole_lines(block) {
        let describes = line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
        if !describes {
            kept.extend_from_slice(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(method: &str, status: u16, location: &str) -> Request {
        let mut request = Request::new(method, "/a/b").unwrap();
        request.body = Body::json("{}");
        request.header("Content-Type", b"text/x").unwrap();
        request.header("X-Id", b"1").unwrap();
        follow(request, status, "http://h:1/a/b?q=1", location.as_bytes()).unwrap()
    }

    #[test]
    fn a_post_becomes_a_get_but_not_with_307_or_308() {
        for (method, status, becomes, keeps_body) in [
            ("POST", 301, "GET", false),
            ("POST", 302, "GET", false),
            ("POST", 303, "GET", false),
            ("PUT", 303, "GET", false),
            ("HEAD", 303, "HEAD", true),
            ("PUT", 302, "PUT", true),
            ("POST", 307, "POST", true),
            ("POST", 308, "POST", true),
        ] {
            let next = after(method, status, "/c");
            assert_eq!(next.method(), becomes, "{method} {status}");
            assert_eq!(!next.body.bytes.is_empty(), keeps_body, "{method} {status}");
            let kept = fields::find(&next.fields, b"content-type").is_some();
            assert_eq!(kept, keeps_body, "{method} {status}");
            assert!(fields::find(&next.fields, b"x-id").is_some());
        }
    }

    #[test]
    fn a_location_may_be_relative_or_absolute() {
        for (location, target, path) in [
            ("c", "http://h:1/a/c", "/a/c"),
            ("/c?d#e", "http://h:1/c?d", "/c?d"),
            ("//other/x", "http://other/x", "/x"),
            ("https://other", "https://other/", "/"),
            ("/sp ace", "http://h:1/sp%20ace", "/sp%20ace"),
        ] {
            let next = after("GET", 302, location);
            assert_eq!((next.target.as_str(), next.path()), (target, path));
        }
    }

    #[test]
    fn a_location_that_is_no_http_address_is_a_protocol_failure() {
        for location in ["ftp://h/", "http://", "http://u:p@h/", "javascript:alert(1)"] {
            let request = Request::new("GET", "/").unwrap();
            let failure = follow(request, 302, "http://h/", location.as_bytes()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Protocol);
            assert!(failure.detail.contains(location), "{failure}");
        }
    }
}
