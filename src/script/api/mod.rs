//! The modules of `loadrun.x`, one file each.

pub mod crypto;
pub mod data;
pub mod json;
pub mod ledger;
pub mod rand;
pub mod shared;
