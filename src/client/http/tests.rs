//! The client against servers that behave, and servers that do not, each in the way its test says.

mod hostile;
mod keeping;
mod misbehaviour;
mod replies;
mod requests;
mod servers;
mod tls;
mod versions;
