//! What we measure: metrics, their series, and the accumulators samples fall into.
//!
//! Pure and single-threaded. A worker records into its own [`Recorder`]; once a second what it
//! holds is taken out and merged into one [`Summary`], against which [`Threshold`]s are judged.
//! Every accumulator has one `merge`; merging in any order gives the same result.
//!
//! A value is *raw* as a trend keeps it: whole nanoseconds, bytes, or thousandths of a number
//! ([`Unit::raw`]). Counters and gauges hold nanoseconds, bytes or the number itself.

mod builtin;
mod distribution;
mod grammar;
mod growth;
mod judgement;
mod meant;
mod packed;
mod received;
mod recorder;
mod series;
mod slices;
mod summary;
mod threshold;
mod timeline;
mod total;
mod windows;

pub use builtin::{BUILTIN, Builtin, FAILURES};
pub use distribution::Distribution;
pub use growth::{Course, Growth, levels};
pub use judgement::{Held, Judgement};
use meant::{gather, length, of_phases};
use packed::Packed;
pub use received::Received;
pub use recorder::{Interval, Overflowed, Recorder, SERIES_LIMIT, SeriesId};
pub use series::{Kind, Metric, Series, Tags, Unit, show};
pub use slices::Slices;
pub use summary::{Point, Reading, Summary};
pub use threshold::{Aggregate, Bound, Comparison, Filter, Form, Threshold, ThresholdError};
pub use timeline::{Edge, Edges, Phase, Slot, Stage, Timeline};
pub use total::{Accumulator, Gauge, Merge, Total};
pub use windows::{Counted, Ending, Tally, Window, Windows};
