//! Links: a toxic stands on a proxy.

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::said::Wrong;
use super::{Ended, VERIFY};
use crate::plan::{FaultDecl, nearest};
use crate::wire::proxy::{Proxy, ProxyError};
use crate::wire::toxic::{Amount, Amounts, Bare, Direction, Field, Given, Kind, Per, Toxic};

/// What is said of any toxic as if it were an amount: whether it is for single requests, and which.
const OF_REQUESTS: &[&str] = &["match", "per"];

/// The toxic a fault is.
pub(super) fn read(fault: &FaultDecl) -> Result<Toxic, Wrong> {
    // The caller has asked whether there is that kind.
    let kind = Kind::named(&fault.kind).unwrap_or(Kind::Noop);
    let stream = Direction::named(&fault.stream).ok_or_else(|| {
        let hint = "stream is \"upstream\", \"downstream\" or \"both\"";
        (format!("unknown stream {:?}", fault.stream), hint.to_owned())
    })?;
    let mut amounts = Amounts::default();
    let (per, pattern) = (fault.amounts.get("per"), fault.amounts.get("match"));
    let per = match (per, pattern) {
        (None, None) => Per::Connection,
        (per, pattern) => {
            let per = per.map_or("request", String::as_str);
            Per::read(kind, per, pattern.cloned()).map_err(|what| {
                let hint = if kind.is_of_connections() {
                    "leave `per` and `match` out"
                } else {
                    "per = \"request\", match = \"GET cart:*\""
                };
                (what, hint.to_owned())
            })?
        }
    };
    for (name, text) in fault.amounts.iter().filter(|(name, _)| !OF_REQUESTS.contains(&&***name)) {
        let field = kind.fields().iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| unknown(kind, name))?;
        amounts.set(field, amount(field, text)?);
    }
    let missing = kind.fields().iter().find(|field| field.needed && amounts.find(field).is_none());
    if let Some(Field { name, .. }) = missing {
        return Err((format!("{} needs its {name}", kind.name()), format!("add `{name} = ...`")));
    }
    let (name, toxicity) = (fault.name.clone(), fault.toxicity);
    Ok(Toxic { name, kind, stream, toxicity, per, amounts })
}

fn unknown(kind: Kind, name: &str) -> Wrong {
    let fields: Vec<_> = kind.fields().iter().map(|field| field.name).collect();
    let hint = match nearest(name, fields.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if fields.is_empty() => "it takes no amounts".to_owned(),
        None => format!("it takes {}", fields.join(", ")),
    };
    (format!("{} has no `{name}`", kind.name()), hint)
}

/// A bare number, which a script may write for a time or a size, is read as one.
fn amount(field: &Field, text: &str) -> Result<Amount, Wrong> {
    let given = text.parse().map_or(Given::Text(text), Given::Number);
    let hint = "times are \"300ms\" or seconds, rates \"64KB/s\", sizes \"4KiB\", shares \"5%\"";
    field.read(given, Bare::Plain).map_err(|what| (what, hint.to_owned()))
}

/// Takes the toxic of that name away.
pub(super) async fn end(name: &str, proxy: &Proxy) -> Ended {
    let removed = proxy.remove(name).await;
    let mut ended = Ended::at(Instant::now());
    match removed {
        Ok(touched) => ended.touched = touched,
        Err(ProxyError::Unknown(_)) => {}
        Err(error) => ended.unclean = Some(error.to_string()),
    }
    ended.unclean = ended.unclean.or(verify(name, proxy).await);
    ended
}

/// Why a toxic that was taken away may still be there.
async fn verify(name: &str, proxy: &Proxy) -> Option<String> {
    let toxics = proxy.toxics();
    if toxics.iter().any(|(toxic, _)| toxic.name == name) {
        return Some("it is still on its proxy".to_owned());
    }
    if proxy.is_within() {
        return None;
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
