//! `loadrun sandbox`: the practice target, until it is told to end.

use std::io::{self, Write};

use clap::Args;

use super::stop;
use crate::error::Error;
use crate::plan::Problem;
use crate::sandbox::{
    Behaviour, Capacity, Latency, Options, PRACTICE_TOKEN, Sandbox, SandboxError, Share,
};

/// Run the practice target: a small message service to load, on the loopback interface.
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// Port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,

    /// Auth token that webhook signatures are keyed with
    #[arg(long, default_value = PRACTICE_TOKEN)]
    pub token: String,

    /// Seed of all random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Time added to each answer: none, 20ms, "uniform 10ms 50ms", "normal 50ms 10ms", "exponential 20ms"
    #[arg(long, default_value_t = Latency::None)]
    pub latency: Latency,

    /// Share of requests answered 500: 1%, 0.01
    #[arg(long, default_value_t = Share(0.0))]
    pub errors: Share,

    /// Requests in flight (200) or a second (200/s), beyond which 429 is answered; or none
    #[arg(long, default_value_t = Capacity::Unlimited)]
    pub capacity: Capacity,

    /// Share of webhooks acknowledged but never stored, for a ledger to find
    #[arg(long, default_value_t = Share(0.0))]
    pub forget: Share,
}

/// Serves until SIGTERM, SIGHUP or Ctrl-C.
///
/// Prints one line when ready: `listening on http://127.0.0.1:PORT`.
pub fn run(args: SandboxArgs) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(args)),
        Err(error) => Err(failed("no event loop", &error)),
    };
    match served {
        Ok(()) => Ok(0),
        Err(SandboxError { what, hint }) => Err(vec![Problem { what, at: None, hint }].into()),
    }
}

async fn serve(args: SandboxArgs) -> Result<(), SandboxError> {
    let stop = stop::signal().map_err(|error| failed("cannot catch signals", &error))?;
    let sandbox = Sandbox::open(Options {
        port: args.port,
        token: args.token,
        seed: args.seed,
        behaviour: Behaviour {
            latency: args.latency,
            errors: args.errors,
            capacity: args.capacity,
            forget: args.forget,
        },
    })
    .await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{}", sandbox.address())
        .and_then(|()| out.flush())
        .map_err(|error| failed("cannot say that it is ready", &error))?;
    sandbox.serve(stop).await
}

fn failed(what: &str, error: &io::Error) -> SandboxError {
    SandboxError { what: format!("{what}: {error}"), hint: None }
}
