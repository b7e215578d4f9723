//! Modules of `loadrun.`.
