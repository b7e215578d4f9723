//! One line of JSON a second, while the run goes on: for whoever follows it.
//!
//! Not a report of an outcome: a second is told when it is over, by what ended in it, and never
//! again. (The points of an outcome show values by intended start, which later seconds still
//! move.) Times are in milliseconds.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::metric::{Total, Unit};
use crate::outcome::{Second, SeriesSecond};

/// Its file's name, beside `outcome.json`.
pub const FILE: &str = "seconds.ndjson";

/// Writes one second as one line, in one go.
pub fn write(second: &Second, out: &mut dyn Write) -> io::Result<()> {
    let series: Vec<_> = second.series.iter().map(series).collect();
    let line = json!({ "second": second.second, "series": series });
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

fn series(series: &SeriesSecond) -> Value {
    let (unit, scale) = match series.unit {
        Unit::Time => ("ms", 1e6),
        Unit::Bytes => ("bytes", 1.0),
        Unit::Number | Unit::Share => ("", 1.0),
    };
    let mut told = json!({ "metric": series.metric, "tags": series.tags, "unit": unit });
    match &series.total {
        Total::Counter(sum) => told["sum"] = json!(sum / scale),
        Total::Gauge(gauge) => told["value"] = json!(gauge.last / scale),
        Total::Rate { hits, total } => (told["hits"], told["total"]) = (json!(hits), json!(total)),
        Total::Trend(values) => {
            told["count"] = json!(values.count());
            for (name, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
                told[name] = json!(series.unit.value(values.quantile(q)) / scale);
            }
        }
    }
    told
}
