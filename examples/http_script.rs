//! Drives users of a script without an executor, so that the cost of a scripted call can be
//! measured from outside, and compared with the example `http_client`, which has no script:
//!
//! ```sh
//! time cargo run --release --example http_script -- http://127.0.0.1:8080/ 64 10
//! ```
//!
//! Arguments: URL, how many users, seconds, and optionally how many milliseconds a user pauses
//! after each request. Prints how many requests were sent, and how many iterations broke.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use loadrun::executor::Turn;
use loadrun::script::{Source, Vm, World};
use tokio::time::Instant;

#[allow(clippy::print_stdout, reason = "an example says what it found")]
fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("expected a URL")?;
    let mut number = |default: u64| match arguments.next() {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("expected a number, not {text:?}")),
    };
    let (users, seconds, pause) = (number(64)?, number(5)?, number(0)?);
    let vm = Vm::worker(&World::new(source(&url, pause)), 0).map_err(|problems| {
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        shown.join("\n")
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    // The world is new: nobody has set it.
    let _ = vm.world().begin.set(begin);
    let local = tokio::task::LocalSet::new();
    for number in 0..users {
        let mut user = vm.user(0, number);
        local.spawn_local(async move {
            let mut number = 0;
            while Instant::now() < end {
                let intended = None;
                user.iterate(Turn { number, intended }).await;
                number += 1;
            }
        });
    }
    runtime.block_on(local);
    let calls = sent(&vm);
    println!("{calls} requests, {} iterations broke", vm.take_errors().total());
    Ok(())
}

fn source(url: &str, pause: u64) -> Source {
    let pause = if pause > 0 { format!("time.sleep('{pause}ms')") } else { String::new() };
    let text = format!(
        r#"
local check, http, time = require "loadrun.check", require "loadrun.http", require "loadrun.time"
local client = http.client {{}}
local function run()
  local reply = client:get("{url}")
  check(reply, {{ ok = reply.status == 200 }})
  {pause}
end
return {{ scenarios = {{ example = {{ run = run, users = 1, duration = "1s" }} }} }}
"#
    );
    Source {
        path: "example.lua".into(),
        folder: ".".into(),
        text: text.into_bytes().into(),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        seed: 1,
    }
}

fn sent(vm: &Rc<Vm>) -> u64 {
    let interval = vm.recorder().borrow_mut().take();
    let hits = interval.series.iter().filter_map(|received| match &received.samples {
        loadrun::metric::Accumulator::Rate { total, .. }
            if &*received.series.metric.name == "http.failed" =>
        {
            Some(*total)
        }
        _ => None,
    });
    hits.sum()
}
