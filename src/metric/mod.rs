//! What we measure: metrics, their series, and the accumulators samples fall into.
//!
//! Pure and single-threaded. A worker records into its own [`Recorder`]; once a second what it
//! holds is taken out and merged into one [`Summary`], against which [`Threshold`]s are judged.
//! Every accumulator has one `merge`; merging in any order gives the same result.

mod series;

pub use series::{BUILTIN, Builtin, Kind, Metric, Series, Tags, Unit};
