//! The `recovery` of the returned table: how it is judged what faults did.

use super::{At, Part, Reading, values};
use crate::plan::RecoveryDecl;
use crate::script::fault::{lease, share};
use crate::script::options::{self, shown};

/// Keys of it.
const RECOVERY: &[&str] = &["p99", "period", "promise", "success", "warm_up"];

impl Reading<'_> {
    pub(super) fn recovery(&mut self, part: &Part<'_>) -> RecoveryDecl {
        let usual = RecoveryDecl::default();
        let Some(table) = self.field(part, "recovery", values::table) else { return usual };
        let called = "recovery: ".to_owned();
        let part = Part { table: &table, path: vec![At::Key("recovery")], called };
        self.unknown_keys(&part, RECOVERY);
        let promise = self.field(&part, "promise", |value| match share(value)? {
            promise if promise < 1.0 => Ok(promise),
            _ => Err(format!("expected a share below 100%, got {}", shown(value))),
        });
        RecoveryDecl {
            warm_up: self.field(&part, "warm_up", options::duration).unwrap_or(usual.warm_up),
            success: self.field(&part, "success", share),
            p99: self.field(&part, "p99", lease),
            promise: promise.unwrap_or(usual.promise),
            period: self.field(&part, "period", lease).unwrap_or(usual.period),
        }
    }
}
