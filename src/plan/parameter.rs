//! What a script lets its caller choose, and what may be shown of it.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::Place;

/// Something a script lets its caller choose: `param("base", "http://...", "address")`.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Parameter {
    /// Its name, as in `-p name=value`.
    pub name: String,
    /// What it is in this run.
    pub value: ParamValue,
    /// What it is when nobody chooses; gives the type.
    pub default: ParamValue,
    /// One line for whoever runs the script.
    pub about: String,
    /// True if its value must not be written down anywhere.
    pub secret: bool,
    /// Where it is declared.
    pub place: Place,
}

/// A parameter's value, of the type of its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// Text.
    String(String),
    /// A whole number; before the other kind, so that it is read back as one.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// Parameters that are set together where `--profile` says its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Parameters by name, as the command line would set them.
    pub values: Vec<(String, String)>,
}

impl Parameter {
    /// What may be shown of it: `***` in place of its values if it is secret.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        if self.secret {
            shown.value = ParamValue::String("***".to_owned());
            shown.default = shown.value.clone();
        }
        shown
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = self.shown();
        let mut fields = serializer.serialize_struct("Parameter", 6)?;
        fields.serialize_field("name", &shown.name)?;
        fields.serialize_field("value", &shown.value)?;
        fields.serialize_field("default", &shown.default)?;
        fields.serialize_field("about", &shown.about)?;
        fields.serialize_field("secret", &shown.secret)?;
        fields.serialize_field("place", &shown.place)?;
        fields.end()
    }
}

/// Without a secret's value: a log line is a place where it must not be written either.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?} at {}", self.name, self.shown().value, self.place)
    }
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Float(number) => number.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}
