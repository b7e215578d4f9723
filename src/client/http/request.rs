//! One request, valid by construction: what could break out of its place in the head (a line
//! break in a header or path) is refused while it is built, so sending never has to ask again.

use std::time::Duration;

use super::body::Body;
use super::expect::Expect;

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
}

impl Request {
    /// A request for a path relative to the client's base, or for an absolute URL. Spaces and
    /// letters beyond ASCII are percent-encoded, what is encoded already stays; control
    /// characters are refused. A fragment is cut off.
    pub fn new(_method: &str, _target: &str) -> Result<Self, String> {
        todo!()
    }

    /// Appends `name=value` to the query, percent-encoding both.
    pub fn query(&mut self, _name: &str, _value: &[u8]) {
        todo!()
    }

    /// Adds a header; a name may be repeated. It replaces a default of the same name.
    pub fn header(&mut self, _name: &str, _value: &[u8]) -> Result<(), String> {
        todo!()
    }

    /// Adds an `Authorization` header for a name and a password.
    pub fn basic_auth(&mut self, _user: &str, _password: &str) -> Result<(), String> {
        todo!()
    }

    /// Adds an `Authorization` header for a token.
    pub fn bearer_auth(&mut self, _token: &str) -> Result<(), String> {
        todo!()
    }

    /// The method as it is sent.
    pub fn method(&self) -> &str {
        todo!()
    }

    /// Path and query as they are sent, without scheme and host; for naming a sample.
    pub fn path(&self) -> &str {
        todo!()
    }
}
