//! How a run breaks things: faults declared in the plan, put on its proxies by the clock, taken
//! away again, and proved.
//!
//! * A fault **ends** at its lease, at the end of the load and when the run is stopped, whichever
//!   comes first; the one who holds it is this room, not the script. It stands on a proxy inside
//!   this process, so it cannot outlive the process either.
//! * That it has ended is **verified**: the proxy has it no more, and lets a connection in.
//! * What it **touched** is counted; a fault that touched nothing says so.
//! * Who is touched follows from the seed, the fault's name and the number of the connection.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::plan::{FaultDecl, nearest};
use crate::wire::proxy::{Proxy, ProxyError};
use crate::wire::toxic::{Amounts, Bare, Direction, Field, Given, Kind, Touched, Toxic};

/// How long an undone fault may take to show that it is undone.
const VERIFY: Duration = Duration::from_secs(2);

/// What became of a fault. Times from the begin of the load.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it was in force; `None` when the load ended before.
    pub injected: Option<Duration>,
    /// When it was gone.
    pub cleared: Duration,
    /// Why it may still be there; `None` when it was seen to be gone.
    pub unclean: Option<String>,
    /// What it disturbed.
    pub touched: Touched,
}

/// The toxic a fault is, or what is wrong with its declaration and what to write instead.
pub fn toxic(fault: &FaultDecl) -> Result<Toxic, (String, String)> {
    let names = Kind::ALL.map(Kind::name);
    let kind = Kind::named(&fault.kind).ok_or_else(|| {
        let hint = match nearest(&fault.kind, names) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("the kinds are {}", names.join(", ")),
        };
        (format!("unknown kind {:?}", fault.kind), hint)
    })?;
    let stream = Direction::named(&fault.stream).ok_or_else(|| {
        let hint = "stream is \"upstream\", \"downstream\" or \"both\"";
        (format!("unknown stream {:?}", fault.stream), hint.to_owned())
    })?;
    let mut amounts = Amounts::default();
    for (name, text) in &fault.amounts {
        let field = kind.fields().iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| unknown(kind, name))?;
        amounts.set(field, read(field, text)?);
    }
    match kind.fields().iter().find(|field| field.needed && amounts.find(field).is_none()) {
        Some(field) => {
            let name = field.name;
            Err((format!("{} needs its {name}", kind.name()), format!("add `{name} = ...`")))
        }
        None => {
            Ok(Toxic { name: fault.name.clone(), kind, stream, toxicity: fault.toxicity, amounts })
        }
    }
}

fn unknown(kind: Kind, name: &str) -> (String, String) {
    let fields: Vec<_> = kind.fields().iter().map(|field| field.name).collect();
    let hint = match nearest(name, fields.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if fields.is_empty() => "it takes no amounts".to_owned(),
        None => format!("it takes {}", fields.join(", ")),
    };
    (format!("{} has no `{name}`", kind.name()), hint)
}

/// A bare number, which a script may write for a time or a size, is read as one.
fn read(field: &Field, text: &str) -> Result<crate::wire::toxic::Amount, (String, String)> {
    let given = text.parse().map_or(Given::Text(text), Given::Number);
    let hint = "times are \"300ms\" or seconds, rates \"64KB/s\", sizes \"4KiB\", shares \"5%\"";
    field.read(given, Bare::Plain).map_err(|what| (what, hint.to_owned()))
}

/// Puts a fault on its proxy when it is due and takes it away when it is over, or when `stop`
/// completes.
pub async fn hold(
    fault: &FaultDecl,
    toxic: Toxic,
    proxy: &Proxy,
    begin: Instant,
    stop: impl Future<Output = ()>,
) -> Record {
    let mut stop = std::pin::pin!(stop);
    let mut record = Record {
        injected: None,
        cleared: Duration::ZERO,
        unclean: None,
        touched: Touched::default(),
    };
    tokio::select! {
        biased;
        () = &mut stop => return Record { cleared: begin.elapsed(), ..record },
        () = sleep_until(begin + fault.at) => {}
    }
    if let Err(error) = proxy.add(toxic).await {
        return Record { unclean: Some(format!("could not begin: {error}")), ..record };
    }
    record.injected = Some(begin.elapsed());
    tokio::select! {
        biased;
        () = &mut stop => {}
        () = sleep_until(begin + fault.end()) => {}
    }
    let removed = proxy.remove(&fault.name).await;
    record.cleared = begin.elapsed();
    match removed {
        Ok(touched) => record.touched = touched,
        Err(ProxyError::Unknown(_)) => {}
        Err(error) => record.unclean = Some(error.to_string()),
    }
    record.unclean = record.unclean.or(verify(&fault.name, proxy).await);
    record
}

/// Why a fault that was taken away may still be there.
async fn verify(name: &str, proxy: &Proxy) -> Option<String> {
    let toxics = proxy.toxics();
    if toxics.iter().any(|(toxic, _)| toxic.name == name) {
        return Some("it is still on its proxy".to_owned());
    }
    if toxics.iter().any(|(toxic, _)| toxic.kind == Kind::Down) {
        // Another fault keeps the door shut, and will be asked in its turn.
        return None;
    }
    match timeout(VERIFY, TcpStream::connect(proxy.address())).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(format!("its proxy lets nobody in: {error}")),
        Err(_) => Some("its proxy lets nobody in".to_owned()),
    }
}
