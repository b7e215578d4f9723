//! The series that every protocol's calls have: how long, how many failed and how, how long a
//! connection was waited for, how many were opened.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use super::{Dangers, Moment, builtin, nanoseconds};
use crate::client::FailureKind;
use crate::metric::{Counted, Ending, Recorder, SeriesId, Tags};
use crate::outcome::FailureSample;

/// The first word of a call's metrics: `http` of `http.duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A request and its reply.
    Http,
    /// A command, or several at once, and the reply.
    Redis,
    /// A statement and its answer.
    Sql,
}

impl Thing {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// The first word itself.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Redis => "redis",
            Self::Sql => "sql",
        }
    }

    /// The metric of how long calls took.
    pub(super) const fn duration(self) -> &'static str {
        match self {
            Self::Http => "http.duration",
            Self::Redis => "redis.duration",
            Self::Sql => "sql.duration",
        }
    }

    /// The metric of how many failed.
    const fn failed(self) -> &'static str {
        match self {
            Self::Http => "http.failed",
            Self::Redis => "redis.failed",
            Self::Sql => "sql.failed",
        }
    }

    /// The metric of waiting within a call: for the reply of a web server, for a connection that
    /// is shared.
    const fn wait(self) -> &'static str {
        match self {
            Self::Http => "http.wait",
            Self::Redis => "redis.wait",
            Self::Sql => "sql.wait",
        }
    }

    /// The metric of connections that could not be opened; `None` where the call has failed then.
    const fn refused(self) -> Option<&'static str> {
        match self {
            Self::Http => None,
            Self::Redis => Some("redis.refused"),
            Self::Sql => Some("sql.refused"),
        }
    }

    /// The metric of connections opened.
    const fn connects(self) -> &'static str {
        match self {
            Self::Http => "http.connects",
            Self::Redis => "redis.connects",
            Self::Sql => "sql.connects",
        }
    }
}

/// What came of one call, as far as every protocol has it.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// From the call to the end of its answer.
    pub duration: Duration,
    /// Time that is told apart as [`Thing`]`.wait`; `None` where there was no waiting to speak of.
    pub wait: Option<Duration>,
    /// Connections opened, or tried.
    pub connects: u32,
    /// Those of them that failed, also where the call had one in the end.
    pub refused: u32,
    /// How it failed; `None` for a success.
    pub error: Option<FailureKind>,
    /// The failure in plain words.
    pub detail: Option<&'a str>,
}

/// The series of one operation: one scenario, thing, name and set of tags.
pub struct Operation {
    thing: Thing,
    pub(super) tags: Tags,
    /// Faults that its calls may meet.
    pub dangers: Dangers,
    duration: SeriesId,
    succeeded: SeriesId,
    wait: OnceCell<SeriesId>,
    connects: OnceCell<SeriesId>,
    refused: OnceCell<SeriesId>,
    /// Few kinds of failure come up; a short list is as fast as an array and much smaller.
    failed: RefCell<Vec<Failed>>,
    pub(super) http: super::http::Series,
    pub(super) redis: super::redis::Series,
}

/// One kind of failure of an operation.
struct Failed {
    kind: FailureKind,
    series: SeriesId,
    /// The first one's words.
    detail: String,
    count: u64,
}

impl Operation {
    pub(super) fn new(recorder: &mut Recorder, thing: Thing, tags: Tags, dangers: Dangers) -> Self {
        let mut series = |name| recorder.series(&builtin(name), &tags);
        Self {
            duration: series(thing.duration()),
            succeeded: series(thing.failed()),
            wait: OnceCell::new(),
            connects: OnceCell::new(),
            refused: OnceCell::new(),
            failed: RefCell::default(),
            http: super::http::Series::default(),
            redis: super::redis::Series::default(),
            thing,
            tags,
            dangers,
        }
    }

    /// Records what came of one call that was meant to be made at `made`; the answer is how it was
    /// counted, where windows are kept.
    pub fn record(
        &self,
        recorder: &mut Recorder,
        made: Moment,
        called: &Called<'_>,
    ) -> Option<Counted> {
        let counted = recorder.call(made.instant, called.error.map_or(Ending::Good, ending));
        let second = made.second;
        recorder.record(self.duration, second, nanoseconds(called.duration));
        if let Some(wait) = called.wait {
            let id = self.series(recorder, &self.wait, self.thing.wait());
            recorder.record(id, second, nanoseconds(wait));
        }
        if called.connects > 0 {
            let id = self.series(recorder, &self.connects, self.thing.connects());
            recorder.add(id, f64::from(called.connects));
        }
        if let (1.., Some(name)) = (called.refused, self.thing.refused()) {
            let id = self.series(recorder, &self.refused, name);
            recorder.add(id, f64::from(called.refused));
        }
        match called.error {
            None => recorder.hit(self.succeeded, false),
            Some(kind) => {
                let id = self.failure(recorder, kind, called.detail);
                recorder.hit(id, true);
            }
        }
        counted
    }

    /// A series that not every operation has.
    pub(super) fn series(
        &self,
        recorder: &mut Recorder,
        kept: &OnceCell<SeriesId>,
        name: &'static str,
    ) -> SeriesId {
        *kept.get_or_init(|| recorder.series(&builtin(name), &self.tags))
    }

    /// Counts a failure; the answer is its series.
    fn failure(
        &self,
        recorder: &mut Recorder,
        kind: FailureKind,
        detail: Option<&str>,
    ) -> SeriesId {
        let mut failed = self.failed.borrow_mut();
        if let Some(known) = failed.iter_mut().find(|known| known.kind == kind) {
            known.count += 1;
            return known.series;
        }
        let tags = self.tags.with("kind", kind.as_str());
        let series = recorder.series(&builtin(self.thing.failed()), &tags);
        let detail = detail.unwrap_or_default().to_owned();
        failed.push(Failed { kind, series, detail, count: 1 });
        series
    }

    /// How calls failed: one example of each kind, with its count.
    pub(super) fn failures(&self, scenario: &str) -> Vec<FailureSample> {
        let failed = self.failed.borrow();
        let samples = failed.iter().map(|failed| FailureSample {
            scenario: scenario.to_owned(),
            metric: self.thing.failed().to_owned(),
            name: self.tags.find("name").unwrap_or_default().to_owned(),
            kind: failed.kind.as_str().to_owned(),
            detail: failed.detail.clone(),
            count: failed.count,
        });
        samples.collect()
    }
}

/// What a failure leaves known of a call: that it was never made, or not performed, or nothing.
fn ending(failure: FailureKind) -> Ending {
    match failure {
        FailureKind::Dns
        | FailureKind::Refused
        | FailureKind::Tls
        | FailureKind::Auth
        | FailureKind::Exhausted => Ending::Refused,
        FailureKind::Timeout
        | FailureKind::Reset
        | FailureKind::Protocol
        | FailureKind::TooLarge => Ending::Indeterminate,
        FailureKind::Status
        | FailureKind::Oom
        | FailureKind::Moved
        | FailureKind::Loading
        | FailureKind::ReadOnly
        | FailureKind::NoScript
        | FailureKind::WrongType
        | FailureKind::Busy
        | FailureKind::Deadlock
        | FailureKind::Serialization
        | FailureKind::Unique
        | FailureKind::Constraint
        | FailureKind::Server => Ending::Failed,
    }
}
