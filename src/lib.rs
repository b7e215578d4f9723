//! loadrun: one Lua file says the load, the fault and the proof; one command runs it and writes
//! down what happened.

pub mod client;
pub mod executor;
pub mod ledger;
pub mod metric;
pub mod plan;
pub mod sandbox;
pub mod script;
pub mod service;
pub mod units;
pub mod wire;
