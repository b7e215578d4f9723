//! What a request carries: nothing, bytes, or a form of several parts.

use bytes::Bytes;

/// What a request carries.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The bytes as they are sent.
    pub bytes: Bytes,
    /// Sent as `Content-Type` unless the request has a header of that name.
    pub content_type: Option<String>,
}

impl Body {
    /// Bytes, and what they are.
    pub fn new(bytes: impl Into<Bytes>, content_type: Option<&str>) -> Self {
        Self {
            bytes: bytes.into(),
            content_type: content_type.map(str::to_owned),
        }
    }
}

/// Builds a `multipart/form-data` body (RFC 7578).
#[derive(Clone, Debug)]
pub struct Multipart {}

impl Multipart {
    /// An empty form.
    pub fn new() -> Self {
        todo!()
    }

    /// Adds a plain field.
    pub fn field(&mut self, _name: &str, _value: &[u8]) -> Result<(), String> {
        todo!()
    }

    /// Adds a file; `content_type` defaults to `application/octet-stream`.
    pub fn file(
        &mut self,
        _name: &str,
        _filename: &str,
        _content_type: Option<&str>,
        _content: &[u8],
    ) -> Result<(), String> {
        todo!()
    }

    /// The finished body.
    pub fn build(self) -> Body {
        todo!()
    }
}
