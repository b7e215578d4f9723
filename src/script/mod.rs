//! The script room.

pub mod api;
pub mod argument;
pub mod plain;
