//! How sure a figure is that was made of many: sums and slopes over time, and how far the truth
//! may lie from them. Pure; whoever asks says what the figure means.

pub mod dependence;
pub mod many;
pub mod slope;
pub mod student;
