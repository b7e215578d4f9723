//! What a request carries: nothing, bytes, or a form of several parts.

use std::borrow::Cow;

use bytes::Bytes;

use super::fields::may_stand_in_value;

/// What a request carries.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub(super) bytes: Bytes,
    pub(super) content_type: Option<Cow<'static, str>>,
}

impl Body {
    /// Bytes, and what they are; sent as `Content-Type` unless the request has such a header.
    pub fn new(bytes: impl Into<Bytes>, content_type: Option<&str>) -> Result<Self, String> {
        if let Some(text) = content_type
            && !text.bytes().all(may_stand_in_value)
        {
            return Err(format!("malformed content type {text:?}; expected no line break"));
        }
        let content_type = content_type.map(|text| Cow::Owned(text.to_owned()));
        Ok(Self { bytes: bytes.into(), content_type })
    }

    /// A JSON text.
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), content_type: Some("application/json".into()) }
    }

    /// A URL-encoded form.
    pub fn form(bytes: impl Into<Bytes>) -> Self {
        let content_type = Some("application/x-www-form-urlencoded".into());
        Self { bytes: bytes.into(), content_type }
    }

    /// The bytes as they are sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Builds a `multipart/form-data` body (RFC 7578). The boundary is derived from the content, so a
/// run that is repeated sends the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Multipart {
    /// Each part: its head, and its content.
    parts: Vec<(String, Vec<u8>)>,
}

impl Multipart {
    /// An empty form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plain field.
    pub fn field(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", quote(name)?);
        self.parts.push((head, value.to_vec()));
        Ok(())
    }

    /// Adds a file; `content_type` defaults to `application/octet-stream`.
    pub fn file(
        &mut self,
        name: &str,
        filename: &str,
        content_type: Option<&str>,
        content: &[u8],
    ) -> Result<(), String> {
        let kind = content_type.unwrap_or("application/octet-stream");
        if !kind.bytes().all(may_stand_in_value) {
            return Err(format!("malformed content type {kind:?}; expected no line break"));
        }
        let head = format!(
            "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\
             Content-Type: {kind}\r\n\r\n",
            quote(name)?,
            quote(filename)?,
        );
        self.parts.push((head, content.to_vec()));
        Ok(())
    }

    /// The finished body.
    pub fn build(self) -> Body {
        let boundary = self.boundary();
        let mut bytes = Vec::new();
        for (head, content) in &self.parts {
            bytes.extend_from_slice(format!("--{boundary}\r\n{head}").as_bytes());
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        Body { bytes: bytes.into(), content_type: Some(content_type.into()) }
    }

    /// A line that occurs in no part: a hash of them all, hashed on until that holds.
    fn boundary(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |byte: u8| {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            hash
        };
        for (head, content) in &self.parts {
            for byte in head.bytes().chain(content.iter().copied()) {
                mix(byte);
            }
        }
        loop {
            let boundary = format!("loadrun-{:016x}", mix(0));
            let occurs = |content: &Vec<u8>| {
                content.windows(boundary.len()).any(|window| window == boundary.as_bytes())
            };
            if !self.parts.iter().any(|(_, content)| occurs(content)) {
                return boundary;
            }
        }
    }
}

/// A name as it stands between quotes, escaped as browsers do.
fn quote(name: &str) -> Result<String, String> {
    if name.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(format!("malformed part name {name:?}; expected no line break"));
    }
    Ok(name.replace('"', "%22"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipart_form_is_what_a_browser_would_send() {
        let mut form = Multipart::new();
        form.field("title", b"a \"quoted\" word").unwrap();
        form.file("photo", "me\".png", Some("image/png"), b"\x89PNG\r\n").unwrap();
        form.file("raw", "x", None, b"").unwrap();
        let again = form.clone().build();
        let body = form.build();
        assert_eq!(again.bytes, body.bytes, "the boundary must not be random");
        let kind = body.content_type.unwrap();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8_lossy(&body.bytes).replace(boundary, "B");
        assert_eq!(
            text,
            "--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\na \"quoted\" word\r\n\
             --B\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"me%22.png\"\r\n\
             Content-Type: image/png\r\n\r\n\u{fffd}PNG\r\n\r\n\
             --B\r\nContent-Disposition: form-data; name=\"raw\"; filename=\"x\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\r\n--B--\r\n"
        );
    }

    #[test]
    fn a_line_break_in_a_part_name_or_type_is_refused() {
        let mut form = Multipart::new();
        assert!(form.field("a\r\nb", b"").is_err());
        assert!(form.file("a", "b\n", None, b"").is_err());
        assert!(form.file("a", "b", Some("text/plain\r\nX: 1"), b"").is_err());
        assert!(Body::new("x", Some("a\r\nb")).is_err());
    }
}
