//! Scripts from their text to their samples: loading, users, modules, errors.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::time::Instant;

use super::*;
use crate::executor::Turn;
use crate::metric::{Accumulator, Interval, Received};

/// A script in a folder of its own, with other files beside it.
pub(super) struct Scripted {
    folder: tempfile::TempDir,
    source: Source,
}

pub(super) fn script(text: &str) -> Scripted {
    let folder = tempfile::tempdir().unwrap();
    let source = Source {
        path: "shop.lua".into(),
        folder: folder.path().canonicalize().unwrap(),
        text: text.as_bytes().into(),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        seed: 1,
    };
    Scripted { folder, source }
}

/// A script whose only scenario `s` runs this function.
fn running(before: &str, body: &str) -> Scripted {
    script(&format!(
        "{before}\nreturn {{ scenarios = {{ s = {{ users = 1, duration = '1s', run = function(vu)\n\
         {body}\nend }} }} }}"
    ))
}

impl Scripted {
    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn param(mut self, name: &str, value: &str) -> Self {
        self.source.params.insert(name.to_owned(), value.to_owned());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.source.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn seed(mut self, seed: u64) -> Self {
        self.source.seed = seed;
        self
    }

    pub(super) fn load(&self) -> Result<Loaded, Vec<Problem>> {
        load(self.source.clone())
    }

    /// All problems as the user reads them.
    fn problems(&self) -> String {
        let problems = self.load().err().expect("the script should not load");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// A worker's state.
    pub(super) fn worker(&self) -> Rc<Vm> {
        let loaded = self.load().unwrap_or_else(|problems| panic!("{problems:?}"));
        Vm::worker(&loaded.control.world(), 0).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// Runs one user of the first scenario so often, and gives its state.
    fn run(&self, times: u64) -> Rc<Vm> {
        let vm = self.worker();
        run_user(&vm, 0, times);
        vm
    }

    /// The lines the script logged while one user ran once.
    fn logged(&self) -> Vec<String> {
        let vm = self.run(1);
        let errors = vm.take_errors();
        let failed: Vec<_> = errors.iter().map(|(_, error, _)| error.to_string()).collect();
        assert!(failed.is_empty(), "{failed:?}");
        vm.world().log.drain().into_iter().map(|line| line.text).collect()
    }

    /// The one error of one iteration, as the user reads it.
    fn error(&self) -> String {
        let vm = self.run(1);
        let errors = vm.take_errors();
        let texts: Vec<_> = errors.iter().map(|(_, error, _)| error.to_string()).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        texts[0].clone()
    }
}

/// Blocks on a future in a runtime like a worker's.
pub(super) fn wait<T>(work: impl Future<Output = T>) -> T {
    LocalRuntime::new().unwrap().block_on(work)
}

/// As [`wait`], with a clock that passes over sleep.
fn wait_unhurried<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(work)
}

fn run_user(vm: &Rc<Vm>, number: u64, times: u64) {
    wait(iterations(vm, number, times));
}

async fn iterations(vm: &Rc<Vm>, number: u64, times: u64) {
    let _ = vm.world().begin.set(Instant::now());
    let mut user = vm.user(0, number);
    user.init().await;
    for number in 0..times {
        user.iterate(Turn { number, intended: None }).await;
    }
}

/// What was recorded, as text: `metric{tags}` and how many samples, sorted.
fn samples(interval: &Interval) -> Vec<String> {
    let shown = interval.series.iter().map(|Received { series, samples, .. }| {
        let count = match samples {
            Accumulator::Counter(sum) => format!("{sum}"),
            Accumulator::Rate { hits, total } => format!("{hits}/{total}"),
            Accumulator::Trend(seconds) => {
                let count: u64 = seconds.values().map(crate::metric::Distribution::count).sum();
                format!("{count} samples")
            }
            other @ Accumulator::Gauge { .. } => format!("{other:?}"),
        };
        format!("{series} {count}")
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort();
    shown
}

mod errors;
mod http;
mod loading;
mod measure;
mod mistakes;
mod modules;
mod redis;
mod sql;
mod users;
mod waiting;
