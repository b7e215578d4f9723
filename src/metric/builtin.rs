//! Every metric the engine records by itself: the one list of them. A new one is an entry here, and
//! is recorded where it happens.

use super::{Kind, Unit};

/// A metric the engine records by itself.
#[derive(Debug)]
pub struct Builtin {
    /// `thing.aspect`.
    pub name: &'static str,
    /// How samples add up.
    pub kind: Kind,
    /// What values are counted in.
    pub unit: Unit,
    /// The tags its series carry, besides those the script sets.
    pub tags: &'static [&'static str],
    /// One line for the documentation.
    pub about: &'static str,
}

/// What the tag `kind` of a failed call can be, in the order reports list them.
pub const FAILURES: [&str; 22] = [
    "dns",
    "refused",
    "timeout",
    "tls",
    "reset",
    "protocol",
    "status",
    "too_large",
    "oom",
    "auth",
    "moved",
    "loading",
    "readonly",
    "noscript",
    "wrongtype",
    "busy",
    "deadlock",
    "serialization",
    "unique",
    "constraint",
    "exhausted",
    "server",
];

/// Every metric the engine records by itself. `name` is the operation, `kind` a failure's kind.
pub const BUILTIN: &[Builtin] = &[
    Builtin {
        name: "http.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "from the moment a call was sent to the last byte of its reply: connecting and waiting for a connection included",
    },
    Builtin {
        name: "http.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "name", "kind"],
        about: "share of calls that failed; `kind` says how",
    },
    Builtin {
        name: "http.status",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "status"],
        about: "replies by status code",
    },
    Builtin {
        name: "http.wait",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "from the last byte sent to the first byte of the reply (not of an interim one, 1xx)",
    },
    Builtin {
        name: "http.connects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name"],
        about: "connections opened",
    },
    Builtin {
        name: "http.sent",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["scenario", "name"],
        about: "bytes sent, heads included",
    },
    Builtin {
        name: "http.received",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["scenario", "name"],
        about: "bytes received, heads included",
    },
    Builtin {
        name: "redis.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name", "command"],
        about: "from having a connection to the last byte of the reply; where none could be opened, the attempt that failed, and where none was tried, until it was given up",
    },
    Builtin {
        name: "redis.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "name", "command", "kind"],
        about: "share of Redis calls that failed; `kind` says how; a missing key is no failure",
    },
    Builtin {
        name: "redis.wait",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name", "command"],
        about: "waiting for a connection: for a shared one to be free, for one to be opened; none where the user's own was there, and an attempt that failed is in `redis.duration` instead",
    },
    Builtin {
        name: "redis.connects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "command"],
        about: "connections to Redis opened, or tried",
    },
    Builtin {
        name: "redis.refused",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "command"],
        about: "those of `redis.connects` that could not be opened; the call had one later, or failed",
    },
    Builtin {
        name: "redis.commands",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "command"],
        about: "commands sent; a pipeline or transaction is one call with several",
    },
    Builtin {
        name: "redis.redirects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name", "command"],
        about: "steps by which nodes of a cluster sent commands on; their time is the call's",
    },
    Builtin {
        name: "sql.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "from having a connection to the end of the answer; a transaction from its BEGIN to its COMMIT; where none could be opened, the attempt that failed, and where none was tried, until it was given up",
    },
    Builtin {
        name: "sql.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "name", "kind"],
        about: "share of statements and transactions that failed; `kind` says how",
    },
    Builtin {
        name: "sql.wait",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario", "name"],
        about: "waiting for a connection to the database, opening one included; where there never was one, the last attempt is in `sql.duration` instead",
    },
    Builtin {
        name: "sql.connects",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name"],
        about: "connections to the database opened, or tried",
    },
    Builtin {
        name: "sql.refused",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario", "name"],
        about: "those of `sql.connects` that could not be opened; the call had one later, or failed",
    },
    Builtin {
        name: "iteration.offered",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations that were due",
    },
    Builtin {
        name: "iteration.started",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations a user took up",
    },
    Builtin {
        name: "iteration.finished",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations that came to their end, broken ones included",
    },
    Builtin {
        name: "iteration.response",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario"],
        about: "from an iteration's intended start to its end",
    },
    Builtin {
        name: "iteration.duration",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario"],
        about: "from an iteration's real start to its end",
    },
    Builtin {
        name: "iteration.lag",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["scenario"],
        about: "from an iteration's intended start to its real start",
    },
    Builtin {
        name: "iteration.dropped",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "arrivals not started for want of a free user",
    },
    Builtin {
        name: "iteration.unfinished",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations cut off after graceful_stop",
    },
    Builtin {
        name: "users.busy",
        kind: Kind::Gauge,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "users inside an iteration, at the end of each second",
    },
    Builtin {
        name: "process.cpu",
        kind: Kind::Gauge,
        unit: Unit::Share,
        tags: &["process"],
        about: "processors in use over each second, 100 % being one",
    },
    Builtin {
        name: "process.memory",
        kind: Kind::Gauge,
        unit: Unit::Bytes,
        tags: &["process"],
        about: "resident memory at the end of each second",
    },
    Builtin {
        name: "process.read",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["process"],
        about: "bytes read from disk",
    },
    Builtin {
        name: "process.written",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["process"],
        about: "bytes written to disk",
    },
    Builtin {
        name: "host.steal",
        kind: Kind::Gauge,
        unit: Unit::Share,
        tags: &[],
        about: "share of this machine's processor time that its host gave to others, over each second",
    },
    Builtin {
        name: "host.received",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["interface"],
        about: "bytes this machine received, whoever they were for",
    },
    Builtin {
        name: "host.sent",
        kind: Kind::Counter,
        unit: Unit::Bytes,
        tags: &["interface"],
        about: "bytes this machine sent, whoever sent them",
    },
    Builtin {
        name: "check.failed",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &["scenario", "check"],
        about: "share of checks that did not hold",
    },
    Builtin {
        name: "script.errors",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["scenario"],
        about: "iterations broken by an error in the script",
    },
    Builtin {
        name: "recovery.time",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the end of a fault until calls were good again; 24 h where they never were",
    },
    Builtin {
        name: "recovery.detect",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the begin of a fault until it showed in the calls",
    },
    Builtin {
        name: "recovery.settle",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the end of a fault to the end of the last bad window; 24 h where calls were never good again",
    },
    Builtin {
        name: "recovery.outage",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["fault"],
        about: "from the begin of the first bad window until calls were good again; 24 h where they never were",
    },
    Builtin {
        name: "recovery.relapses",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["fault"],
        about: "times calls went bad again after they had been good",
    },
    Builtin {
        name: "recovery.lost",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["fault"],
        about: "calls that served nobody, from the first bad window to the last",
    },
    Builtin {
        name: "recovery.debt",
        kind: Kind::Counter,
        unit: Unit::Time,
        tags: &["fault"],
        about: "latency debt: time that calls took beyond the usual, summed up from the first bad window to the last",
    },
    Builtin {
        name: "recovery.retries",
        kind: Kind::Trend,
        unit: Unit::Number,
        tags: &["fault"],
        about: "retry amplification: calls an iteration, while the fault stood or after it, in those before it",
    },
    Builtin {
        name: "budget.burn",
        kind: Kind::Trend,
        unit: Unit::Number,
        tags: &["fault"],
        about: "how many times too fast the error budget was used up, over the worst 5 s",
    },
    Builtin {
        name: "budget.burnt",
        kind: Kind::Rate,
        unit: Unit::Number,
        tags: &[],
        about: "share of the error budget of 30 days at 99.9 % (or what `recovery` says) that the run used up, at its own rate of calls",
    },
    Builtin {
        name: "ledger.lost",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "ids acknowledged by the target that never landed",
    },
    Builtin {
        name: "ledger.landing",
        kind: Kind::Trend,
        unit: Unit::Time,
        tags: &["ledger"],
        about: "from an id being sent until it was first seen, by a reader that looks while there is load",
    },
    Builtin {
        name: "ledger.late",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "ids that landed later than their ledger allows",
    },
    Builtin {
        name: "ledger.refused",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "ids that landed though the target refused them",
    },
    Builtin {
        name: "ledger.duplicated",
        kind: Kind::Counter,
        unit: Unit::Number,
        tags: &["ledger"],
        about: "landings beyond the first of an id",
    },
];

impl Builtin {
    /// The entry of [`BUILTIN`] with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILTIN.iter().find(|builtin| builtin.name == name)
    }

    /// Whether no sample at all means 0. It does for what the engine counts by itself; a ledger's
    /// numbers exist only once a script has balanced it, a fault's once it has done something, and
    /// those of the system where it tells.
    pub(super) fn silence_is_zero(&self) -> bool {
        let foreign = ["ledger", "fault", "process", "interface"];
        self.kind == Kind::Counter && !self.tags.iter().any(|tag| foreign.contains(tag))
    }
}
