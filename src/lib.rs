//! loadrun: one Lua file says the load, the fault and the proof; one command runs it and writes
//! down what happened. This page is the map of the house.
//!
//! # The idea
//!
//! A *script* describes a *plan*. The plan's load is a *curve* over time. *Workers* (one thread,
//! one runtime, one Lua state, one recorder each; nothing shared) follow the curve: worker *w* of
//! *N* owns every user and every arrival whose number is *w* modulo *N*. A *user* is a Lua
//! coroutine; it performs *iterations*; each call it makes goes through one stopwatch and becomes
//! samples in the worker's *recorder*. Once a second recorders are emptied into one *summary*,
//! against which *thresholds* are judged. The end is one value, the *outcome*, saved as one file.
//! *Reports* are pure functions from that value to text.
//!
//! # The rooms
//!
//! A room imports only from rooms on lower levels (`tests/layers.rs` holds this table against the
//! code); a file that stands directly in a room says `super` for it.
//!
//! | level | room | what it is for |
//! |---|---|---|
//! | 10 | `main` | the program: its exit code |
//! | 9 | [`cli`] | what is typed, one file a command; the only room that draws |
//! | 8 | [`error`] | each room's error and its exit code |
//! | 7 | [`engine`] | wiring: threads, and the one order in which a run happens |
//! | 6 | [`script`] | Lua: script to plan, users, the modules of `loadrun.` |
//! | 5 | [`baseline`] | runs kept under a name, and which runs a word means |
//! | 5 | [`report`] | how we tell: outcome to text |
//! | 5 | [`fault`] | how we break: links and processes, with a lease, undone and proved |
//! | 4 | [`compare`] | whether one set of runs is slower than another, and how sure that is |
//! | 4 | [`history`] | the key figures of every run, in one SQLite file |
//! | 4 | [`client`] | how we talk: one call, one exchange; no Lua, no metrics |
//! | 4 | [`executor`] | when to start: users, rate, iterations, and a clock |
//! | 4 | [`service`] | real servers a run starts for itself |
//! | 4 | [`listen`] | what calls back: an endpoint for what a target sends |
//! | 4 | [`sandbox`] | the practice target, a small message service |
//! | 4 | [`toxiproxy`] | Toxiproxy's HTTP API over our proxies |
//! | 3 | [`wire`] | the byte stream: names, connections, TLS, proxies and their toxics |
//! | 3 | [`outcome`] | all that a report may say |
//! | 2 | [`plan`] | what to run: curves, scenarios, and all that can be wrong with them |
//! | 2 | [`recovery`] | what a fault did to the traffic |
//! | 2 | [`ledger`] | what was accepted against what landed |
//! | 1 | [`metric`] | what we measure: series, histograms, thresholds |
//! | 1 | [`process`] | what processes of this machine use, and the machine itself |
//! | 0 | [`statistics`] | how sure a sum or a slope is |
//! | 0 | [`units`] | `"90s"`, `"200/s"`, `"4MiB"`, `"99.5%"` |
//!
//! # The way of the data
//!
//! ```text
//! script file
//!   | script::load            problems with file:line end here (exit 4)
//! Plan
//!   | plan::validate          all problems at once; `loadrun check` stops here
//! engine::run
//!   | services, setup, then N worker threads:
//!   |    executor  ->  User::iterate  ->  Lua  ->  client  ->  Exchange
//!   |                                       \________________/
//!   |                                     script::measure, the one stopwatch
//!   |                                            |
//!   |    Interval, once a second  <-  Recorder <-+
//! Summary  ->  thresholds judged, Progress shown
//!   | teardown, ledgers balanced, engine::validity
//! Outcome
//!   | saved as outcome.json, then
//! report: text, json, csv, junit, markdown, html
//! ```
//!
//! Three kinds of trouble are never mixed: a *failure* is the target's and is data, a *script
//! error* is the author's and breaks an iteration, an *engine error* is ours and ends the run.
//!
//! # Recipes
//!
//! * **A report**: one file in `report/` with `write(&Outcome, &mut dyn Write)`, like `csv.rs`; one
//!   variant of `report::Report`; the compiler names the flag it needs; add it to the golden test.
//! * **A Lua module**: one file in `script/api/` with `module` and `FUNCTIONS`, like `time.rs`; one
//!   line in `script/api/mod.rs`; its types in `lib-lua/types/`. A test compares the three.
//! * **A module in Lua**: `lib-lua/name.lua` with types, `lib-lua/spec/name_spec.lua`, one line in
//!   `script/library.rs`.
//! * **A metric of the engine**: one entry of `metric::BUILTIN`; record it where it happens.
//! * **A command**: one file in `cli/` with its arguments and `run`, like `check.rs`.
//! * **A service**: one file in `service/` with its `KIND` and `launch`, like `redis.rs`; name it in
//!   `service/mod.rs` and in `script/api/service/mod.rs`, type it in `lib-lua/types/service.lua`.
//! * **A toxic**: one file in `wire/toxic/`, like `noop.rs`, and one variant of `toxic::Kind`; a
//!   row in `docs/faults.md`.
//! * **A way to break a process**: one entry of `fault::process::KINDS` and one arm where it begins
//!   and ends there; a row in `docs/faults.md`.
//! * **A shape of load**: one file in `executor/` and one variant of `plan::Load`; the compiler
//!   names every place that has to know it.

pub mod baseline;
pub mod cli;
pub mod client;
pub mod compare;
pub mod engine;
pub mod error;
pub mod executor;
pub mod fault;
pub mod history;
pub mod ledger;
pub mod listen;
pub mod metric;
pub mod outcome;
pub mod plan;
pub mod process;
pub mod recovery;
pub mod report;
pub mod sandbox;
pub mod script;
pub mod service;
pub mod statistics;
pub mod toxiproxy;
pub mod units;
pub mod wire;
