//! `loadrun proxy`: a proxy by itself, or Toxiproxy's API over many, until it is told to end.

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;

use super::source::seed;
use super::stop;
use crate::error::Error;
use crate::plan::nearest;
use crate::toxiproxy::{self, Proxies, Refusal};
use crate::wire::frame::Protocol;
use crate::wire::proxy::{Proxy, ProxyError, Reach};
use crate::wire::toxic::{Amounts, Bare, Direction, Given, Kind, Per, Toxic};

/// Where Toxiproxy's clients look for it.
const API: &str = "127.0.0.1:8474";

const AFTER_HELP: &str = "\
A toxic is KIND or KIND,NAME=VALUE,...; every kind also takes stream=upstream|downstream|both
(downstream), toxicity=SHARE of connections (100%), and with --protocol per=request, which makes
it a share of requests, and match=PATTERN, of those that it fits: \"GET cart:*\", \"POST /orders\",
\"UPDATE *\":

  latency,latency=300ms,jitter=50ms,distribution=uniform|normal|pareto
  bandwidth,rate=64KB/s        slow_close,delay=1s       timeout,timeout=5s
  reset_peer,timeout=1s        limit_data,bytes=4KiB     hold    down    noop
  slicer,average_size=64B,size_variation=32B,delay=1ms
  corrupt_stream,probability=1%                          drop_chunks,probability=1%

Example: a Redis that answers 300 ms later, at 127.0.0.1:7000
  loadrun proxy --listen 127.0.0.1:7000 --upstream 127.0.0.1:6379 --toxic latency,latency=300ms";

/// Run a TCP proxy on this machine that disturbs what passes through it.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct ProxyArgs {
    /// Answer Toxiproxy's HTTP API here [default: 127.0.0.1:8474 if there is no --upstream]
    #[arg(long, value_name = "HOST:PORT")]
    api: Option<String>,

    /// Server to carry bytes to
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Option<String>,

    /// Where clients dial; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", requires = "upstream")]
    listen: String,

    /// What to do to its connections, once or more
    #[arg(long = "toxic", value_name = "KIND,NAME=VALUE", requires = "upstream")]
    toxics: Vec<String>,

    /// What is spoken there, so that a toxic may concern single requests: redis, http, postgres
    #[arg(long, value_name = "NAME", requires = "upstream", value_parser = protocol)]
    protocol: Option<Protocol>,

    /// Seed of all choices: which connections a toxicity concerns, jitter, sizes
    #[arg(long, default_value_t = 1, value_parser = seed, allow_negative_numbers = true)]
    seed: u64,

    /// A host beyond this machine that may be dialled or listened on, once or more
    #[arg(long, value_name = "HOST")]
    allow_fault: Vec<String>,
}

/// Serves until SIGTERM, SIGHUP or Ctrl-C, and then says what passed.
pub fn run(args: &ProxyArgs) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| broken("no event loop", &error))?;
    runtime.block_on(serve(args))
}

fn protocol(name: &str) -> Result<Protocol, String> {
    let known = || format!("expected one of {}", Protocol::ALL.map(Protocol::name).join(", "));
    Protocol::named(name).ok_or_else(known)
}

async fn serve(args: &ProxyArgs) -> Result<u8, Error> {
    let stop = stop::signal().map_err(|error| broken("cannot catch signals", &error))?;
    let toxics = read_toxics(&args.toxics)?;
    let reach = Reach { allowed: args.allow_fault.clone() };
    let api = args.api.as_deref().or(args.upstream.is_none().then_some(API));
    if let Some(api) = api {
        reach.check(api).map_err(|what| Error::usage(format!("--api: {what}"), HOST_HINT))?;
    }
    let proxies = Arc::new(Proxies::new(reach, args.seed));
    let own = match &args.upstream {
        Some(upstream) => Some(open(&proxies, args, upstream, toxics).await?),
        None => None,
    };
    let Some(api) = api else {
        stop.await;
        return finish(own.as_deref());
    };
    let listener = TcpListener::bind(api).await.map_err(|error| {
        Error::usage(format!("cannot listen on {api}: {error}"), "another --api, or port 0")
    })?;
    let address = listener.local_addr().map_err(|error| broken("no address", &error))?;
    say(&format!("api on http://{address}"))?;
    let served = toxiproxy::serve(listener, proxies, stop).await;
    served.map_err(|error| broken("the API broke", &error))?;
    finish(own.as_deref())
}

const HOST_HINT: &str = "the loopback interface is 127.0.0.1, ::1 or localhost";

/// Opens the proxy of the command line and says where it is.
async fn open(
    proxies: &Proxies,
    args: &ProxyArgs,
    upstream: &str,
    toxics: Vec<Toxic>,
) -> Result<Arc<Proxy>, Error> {
    let opened = proxies.open("proxy", &args.listen, upstream, args.protocol).await;
    let proxy = opened.map_err(|refusal| match refusal {
        Refusal::Bad(what) | Refusal::Failed(what) => Error::usage(what, HOST_HINT),
        Refusal::Missing(what) | Refusal::Exists(what) => Error::usage(what, HOST_HINT),
    })?;
    for toxic in toxics {
        let added = proxy.add(toxic).await;
        added.map_err(|error| {
            let hint = match error {
                ProxyError::Unframed(_) => "add --protocol redis, http or postgres",
                _ => "name=other tells two of a kind apart",
            };
            Error::usage(format!("--toxic: {error}"), hint)
        })?;
    }
    say(&format!("listening on {} for {upstream}", proxy.address()))?;
    Ok(proxy)
}

/// One line that says what passed, and one for each toxic.
fn finish(proxy: Option<&Proxy>) -> Result<u8, Error> {
    let Some(proxy) = proxy else { return Ok(0) };
    let passed = proxy.passed();
    let (up, down) = (passed.upstream, passed.downstream);
    say(&format!(
        "{} connections ({} without a server), {up} B upstream, {down} B downstream",
        passed.accepted, passed.refused
    ))?;
    for (toxic, touched) in proxy.toxics() {
        say(&format!(
            "{}: touched {} of {} connections, {} chunks, {} B",
            toxic.name, touched.connections, touched.eligible, touched.chunks, touched.bytes
        ))?;
    }
    Ok(0)
}

fn say(line: &str) -> Result<(), Error> {
    let mut out = io::stdout();
    let said = writeln!(out, "{line}").and_then(|()| out.flush());
    said.map_err(|error| broken("cannot say that it is ready", &error))
}

fn broken(what: &str, error: &io::Error) -> Error {
    Error::usage(format!("{what}: {error}"), "is this machine out of sockets or memory?")
}

/// Reads all toxics of the command line; all that is wrong, at once.
fn read_toxics(texts: &[String]) -> Result<Vec<Toxic>, Error> {
    let (mut toxics, mut problems) = (Vec::new(), Vec::new());
    for text in texts {
        match read_toxic(text) {
            Ok(toxic) => toxics.push(toxic),
            Err((what, hint)) => problems
                .push(crate::plan::Problem::new(format!("--toxic {text:?}: {what}")).hint(hint)),
        }
    }
    if problems.is_empty() { Ok(toxics) } else { Err(problems.into()) }
}

/// What is wrong, and what to write instead.
type Wrong = (String, String);

fn read_toxic(text: &str) -> Result<Toxic, Wrong> {
    let mut words = text.split(',');
    let kind = read_kind(words.next().unwrap_or_default())?;
    let mut toxic = Toxic {
        name: String::new(),
        kind,
        stream: Direction::Downstream,
        toxicity: 1.0,
        per: Per::Connection,
        amounts: Amounts::default(),
    };
    let (mut per, mut pattern) = (None, None);
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            (format!("{word:?} has no value"), format!("{word}=..., see loadrun proxy --help"))
        })?;
        match name.trim() {
            "per" => per = Some(value.trim()),
            "match" => pattern = Some(value.trim().to_owned()),
            name => set(&mut toxic, name, value.trim())?,
        }
    }
    if per.is_some() || pattern.is_some() {
        let read = Per::read(kind, per.unwrap_or("request"), pattern);
        toxic.per = read.map_err(|what| (what, "such as per=request,match=GET*".to_owned()))?;
    }
    let missing =
        kind.fields().iter().find(|field| field.needed && toxic.amounts.find(field).is_none());
    if let Some(field) = missing {
        let name = field.name;
        return Err((format!("{} needs its {name}", kind.name()), format!("add ,{name}=...")));
    }
    if toxic.name.is_empty() {
        toxic.name = format!("{}_{}", kind.name(), toxic.stream);
    }
    Ok(toxic)
}

fn read_kind(word: &str) -> Result<Kind, Wrong> {
    Kind::named(word.trim()).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name);
        let hint = match nearest(word, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the kinds are {}", names.join(", ")),
        };
        (format!("unknown kind {word:?}"), hint)
    })
}

fn set(toxic: &mut Toxic, name: &str, value: &str) -> Result<(), Wrong> {
    match name {
        "name" => value.clone_into(&mut toxic.name),
        "stream" => {
            toxic.stream = Direction::named(value).ok_or_else(|| {
                (format!("unknown stream {value:?}"), "upstream, downstream or both".to_owned())
            })?;
        }
        "toxicity" => {
            toxic.toxicity = crate::units::parse_share(value)
                .map_err(|error| (error.to_string(), "such as toxicity=10%".to_owned()))?;
        }
        _ => {
            let fields = toxic.kind.fields();
            let own = fields.iter().map(|field| field.name);
            let names: Vec<_> = own.chain(["stream", "toxicity", "per", "match", "name"]).collect();
            let field = fields.iter().find(|field| field.name == name).ok_or_else(|| {
                let what = format!("{} has no {name:?}", toxic.kind.name());
                (what, format!("it takes {}", names.join(", ")))
            })?;
            let amount = field.read(Given::Text(value), Bare::Plain);
            let amount = amount.map_err(|what| (what, "see loadrun proxy --help".to_owned()))?;
            toxic.amounts.set(field, amount);
        }
    }
    Ok(())
}
