//! How we tell: each report one file, a pure function from an [`Outcome`] to text.
//!
//! A report reads nothing but the outcome and writes nothing but what it is given to write to.
//! `json` is the smallest and the template.
//!
//! [`Outcome`]: crate::outcome::Outcome

mod json;
mod operations;
mod text;

pub use json::write as json;
pub use text::{Ink, write as text};

#[cfg(test)]
mod tests;
