//! Which values of its type a parameter takes.

use mlua::Value;

use crate::plan::ParamValue;
use crate::script::options::{self, Options, shown};

/// The values that are taken: all, where a script says nothing.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    least: Option<f64>,
    most: Option<f64>,
    /// None of them: any other will do as well.
    choices: Vec<ParamValue>,
}

impl Accepted {
    /// The keys of its options.
    pub(super) const KEYS: [&str; 3] = ["min", "max", "one_of"];

    /// What a script says of a parameter of this default.
    pub(super) fn read(opts: &Options<'_>, default: &ParamValue) -> mlua::Result<Self> {
        let bound = |value: &Value| match default {
            ParamValue::Integer(_) | ParamValue::Float(_) => options::number(value),
            _ => Err("only a number has one; its default is none".to_owned()),
        };
        let accepted = Self {
            least: opts.read("min", bound)?,
            most: opts.read("max", bound)?,
            choices: opts.read("one_of", |value| choices(value, default))?.unwrap_or_default(),
        };
        if !accepted.takes(default) {
            let expected = accepted.words().unwrap_or_default();
            opts.refuse(format!("default: expected {expected}, got {default}"))?;
        }
        Ok(accepted)
    }

    pub(super) fn takes(&self, value: &ParamValue) -> bool {
        let number = match value {
            ParamValue::Integer(number) => Some(*number as f64),
            ParamValue::Float(number) => Some(*number),
            _ => None,
        };
        let within = number.is_none_or(|number| {
            self.least.is_none_or(|least| number >= least)
                && self.most.is_none_or(|most| number <= most)
        });
        within && (self.choices.is_empty() || self.choices.contains(value))
    }

    /// In words: `from 1 to 10`; `None` where all are taken.
    pub(super) fn words(&self) -> Option<String> {
        if !self.choices.is_empty() {
            let choices: Vec<String> = self.choices.iter().map(ToString::to_string).collect();
            return Some(format!("one of {}", choices.join(", ")));
        }
        match (self.least, self.most) {
            (None, None) => None,
            (Some(least), None) => Some(format!("at least {least}")),
            (None, Some(most)) => Some(format!("at most {most}")),
            (Some(least), Some(most)) => Some(format!("from {least} to {most}")),
        }
    }
}

fn choices(value: &Value, default: &ParamValue) -> Result<Vec<ParamValue>, String> {
    let Value::Table(list) = value else {
        return Err(format!("expected a list of values, got {}", shown(value)));
    };
    let same =
        |value: &ParamValue| std::mem::discriminant(value) == std::mem::discriminant(default);
    options::items(list)?
        .iter()
        .map(|item| {
            let value = super::parameter_value(item)?;
            if same(&value) {
                Ok(value)
            } else {
                Err(format!("expected values of the type of the default, got {}", shown(item)))
            }
        })
        .collect()
}
