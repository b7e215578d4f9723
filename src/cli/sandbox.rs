//! `loadrun sandbox`: the practice target, until it is told to end.

use std::io::{self, Write};

use clap::Args;

use super::source::seed;
use super::stop;
use crate::error::Error;
use crate::plan::Problem;
use crate::sandbox::{
    Behaviour, Capacity, Care, Dependencies, Latency, Leak, Options, PRACTICE_TOKEN, Retries,
    Sandbox, SandboxError, Share, Switch, Timeout, Trip, Workers,
};

const REDIS: &str = "Redis that items are read through, such as redis://127.0.0.1:6379; \
                     or LOADRUN_SANDBOX_REDIS";

const CALLBACK: &str = "HTTP address that is told of each message stored, as Twilio does; \
                        or LOADRUN_SANDBOX_CALLBACK";

const DATABASE: &str = "PostgreSQL that keeps items and orders, such as \
                        postgres://me@127.0.0.1/shop; or LOADRUN_SANDBOX_DATABASE";

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
    #[arg(long, default_value_t = 1, value_parser = seed, allow_negative_numbers = true)]
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

    /// Requests worked on at once, the others waiting their turn: none, 4
    #[arg(long, default_value_t = Workers(None))]
    pub workers: Workers,

    /// Share of webhooks acknowledged but never stored, for a ledger to find
    #[arg(long, default_value_t = Share(0.0))]
    pub forget: Share,

    /// Redis that items are read through
    #[arg(long, value_name = "URL", help = REDIS)]
    pub redis: Option<String>,

    /// HTTP address that is told of each message stored
    #[arg(long, value_name = "URL", help = CALLBACK)]
    pub callback: Option<String>,

    /// PostgreSQL that keeps items and orders
    #[arg(long, value_name = "URL", help = DATABASE)]
    pub database: Option<String>,

    /// Whether the database is read when the cache does not answer: on, off
    #[arg(long, default_value_t = Care::default().fallback)]
    pub fallback: Switch,

    /// How often a failed call to Redis or the database is made again, at once
    #[arg(long, default_value_t = Care::default().retries)]
    pub retries: Retries,

    /// None, 5 (failures in a row until no calls are made for 1 s) or "5 2s"
    #[arg(long, default_value_t = Care::default().breaker)]
    pub breaker: Trip,

    /// How long one call to Redis or the database may take: none, 500ms
    #[arg(long, default_value_t = Care::default().timeout)]
    pub timeout: Timeout,

    /// Memory that each request leaves behind for ever, for `growth` to find: none, 1KiB
    #[arg(long, default_value_t = Leak(0))]
    pub leak: Leak,
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
    let sandbox = Sandbox::open(args.into()).await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{}", sandbox.address())
        .and_then(|()| out.flush())
        .map_err(|error| failed("cannot say that it is ready", &error))?;
    sandbox.serve(stop).await
}

impl From<SandboxArgs> for Options {
    fn from(args: SandboxArgs) -> Self {
        Self {
            port: args.port,
            token: args.token,
            seed: args.seed,
            behaviour: Behaviour {
                latency: args.latency,
                errors: args.errors,
                capacity: args.capacity,
                workers: args.workers,
                forget: args.forget,
                leak: args.leak,
                care: Care {
                    fallback: args.fallback,
                    retries: args.retries,
                    breaker: args.breaker,
                    timeout: args.timeout,
                },
            },
            dependencies: Dependencies {
                redis: args.redis.or_else(|| from_environment("redis")),
                callback: args.callback.or_else(|| from_environment("callback")),
                database: args.database.or_else(|| from_environment("database")),
            },
        }
    }
}

/// Where a dependency is, as the environment says.
fn from_environment(dependency: &str) -> Option<String> {
    let (_, variable) = Dependencies::VARIABLES.iter().find(|(name, _)| *name == dependency)?;
    std::env::var(variable).ok().filter(|url| !url.is_empty())
}

fn failed(what: &str, error: &io::Error) -> SandboxError {
    SandboxError { what: format!("{what}: {error}"), hint: None }
}
