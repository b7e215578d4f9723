//! What can be broken about a thing, and how a declaration says it.
//!
//! A link is broken by toxics, which say for themselves what they take; everything else by a
//! [`Kind`]: a name and what can be said about it, as text that is checked when the script is read.

use super::said::{Kind, Wrong};
use super::{link, process, sql};
use crate::plan::{FaultDecl, ServiceDecl, nearest};
use crate::wire::proxy::Reach;
use crate::wire::toxic::{self, Toxic};

/// The one kind of fault on the script's own calls: what is done stands where they are declared.
pub const CALLS: &str = "calls";

/// What a fault is on, as far as that says what can be broken about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing<'a> {
    /// The script's own calls.
    Calls,
    /// A proxy.
    Link,
    /// A service of this kind that the run starts.
    Service(&'a str),
    /// A server of this kind that the run has not started, by its URL.
    Server(&'a str),
}

/// A fault that can be held: what is done, to the last amount.
#[derive(Clone, Debug, PartialEq)]
pub enum Break {
    /// To calls of the script's own.
    Calls,
    /// On a proxy.
    Link(Toxic),
    /// To a process.
    Process(process::Break),
    /// To a Redis, by its own commands.
    Redis(super::redis::Break),
    /// To a database, by its own means.
    Sql(sql::Break),
}

impl Break {
    /// Whether it would stay when this process is gone, so that it has to be written down before.
    pub fn outlives_us(&self) -> bool {
        match self {
            Self::Process(how) => *how == process::Break::Pause,
            Self::Redis(how) => how.is_setting(),
            Self::Calls | Self::Link(_) | Self::Sql(_) => false,
        }
    }
}

impl<'a> Thing<'a> {
    /// What the plan calls a proxy among its services.
    pub const PROXY: &'static str = "proxy";

    /// The declared service, or proxy, of that name.
    pub fn declared(name: &str, services: &'a [ServiceDecl]) -> Option<Self> {
        let found = services.iter().find(|known| known.name == name)?;
        Some(if found.kind == Self::PROXY { Self::Link } else { Self::Service(&found.kind) })
    }

    /// What is declared under that name, or stands at that URL.
    pub fn of(on: &'a str, services: &'a [ServiceDecl]) -> Result<Self, Wrong> {
        if let Some(thing) = Self::declared(on, services) {
            return Ok(thing);
        }
        let expected = || "expected a service of the run, or a URL such as redis://127.0.0.1:6379";
        match on.split_once("://").map(|(scheme, _)| scheme) {
            Some("redis") => Ok(Self::Server("redis")),
            Some("postgres" | "postgresql") => Ok(Self::Server("postgres")),
            Some("mysql" | "mariadb") => Ok(Self::Server("mariadb")),
            Some(scheme) => Err((
                format!("nothing can be done to what is reached by {scheme}://"),
                expected().to_owned(),
            )),
            None => Err((format!("there is no service {on:?}"), expected().to_owned())),
        }
    }

    /// What it is, for messages.
    fn called(self) -> String {
        match self {
            Self::Calls => "calls of the script's own".to_owned(),
            Self::Link => "a link".to_owned(),
            Self::Service(kind) => format!("a service of kind {kind}"),
            Self::Server(kind) => format!("a {kind} that the run did not start"),
        }
    }

    /// The kinds of what is no link, by what can be done to it.
    fn tables(self) -> Vec<&'static [Kind]> {
        let own: &[_] = if matches!(self, Self::Service(_)) { &[process::KINDS] } else { &[] };
        let (Self::Service(kind) | Self::Server(kind)) = self else { return Vec::new() };
        let server: &[_] = match kind {
            "redis" => &[super::redis::KINDS],
            "postgres" | "mariadb" => &[sql::KINDS],
            _ => &[],
        };
        own.iter().chain(server).copied().collect()
    }

    /// What can be broken about it.
    fn kinds(self) -> Vec<&'static str> {
        match self {
            Self::Calls => vec![CALLS],
            Self::Link => toxic::Kind::ALL.map(toxic::Kind::name).to_vec(),
            _ => self.tables().into_iter().flatten().map(|kind| kind.name).collect(),
        }
    }

    /// Something else of which that kind can be broken.
    fn other(kind: &str) -> Option<&'static str> {
        if toxic::Kind::named(kind).is_some() {
            return Some("a fault.proxy that leads to it");
        }
        let known = [
            (process::KINDS, "a service that the run starts"),
            (super::redis::KINDS, "a Redis"),
            (sql::KINDS, "a PostgreSQL or MariaDB"),
        ];
        let has = |kinds: &[Kind]| kinds.iter().any(|known| known.name == kind);
        known.into_iter().find(|(kinds, _)| has(kinds)).map(|(_, what)| what)
    }
}

/// The fault a declaration is, or what is wrong with it and what to write instead.
pub fn read(fault: &FaultDecl, thing: Thing<'_>) -> Result<Break, Wrong> {
    if !thing.kinds().contains(&fault.kind.as_str()) {
        return Err(unknown(&fault.kind, thing));
    }
    flapping(fault)?;
    let is = |kinds: &[Kind]| kinds.iter().any(|kind| kind.name == fault.kind);
    let how = match thing {
        Thing::Calls => Break::Calls,
        Thing::Link => link::read(fault).map(Break::Link)?,
        Thing::Service(service) if is(process::KINDS) => {
            Break::Process(process::read(fault, service)?)
        }
        _ if is(super::redis::KINDS) => Break::Redis(super::redis::read(fault)?),
        _ => Break::Sql(sql::read(fault)?),
    };
    match (&how, thing) {
        (Break::Redis(redis), Thing::Server(_)) if redis.is_irreversible() => {
            let hint = "add `irreversible = true` if what is in it may be lost".to_owned();
            Err((format!("{} evicts values, and nothing brings them back", fault.kind), hint))
        }
        _ => Ok(how),
    }
}

fn unknown(kind: &str, thing: Thing<'_>) -> Wrong {
    let called = thing.called();
    let kinds = thing.kinds();
    match Thing::other(kind) {
        Some(other) => (
            format!("{kind} is nothing that can be done to {called}"),
            format!("it is a fault of {other}"),
        ),
        None => no_kind(kind, nearest(kind, kinds.iter().copied()), &called, &kinds),
    }
}

fn no_kind(kind: &str, near: Option<&str>, called: &str, kinds: &[&str]) -> Wrong {
    let hint = near.map_or_else(
        || format!("the kinds of {called} are {}", kinds.join(", ")),
        |near| format!("did you mean {near:?}?"),
    );
    (format!("unknown kind {kind:?}"), hint)
}

/// Whether anything can be broken in this way; else what to write instead.
pub fn exists(kind: &str) -> Result<(), Wrong> {
    if kind == CALLS || Thing::other(kind).is_some() {
        return Ok(());
    }
    let toxics = toxic::Kind::ALL.map(toxic::Kind::name);
    let tables = [process::KINDS, super::redis::KINDS, sql::KINDS].into_iter().flatten();
    let near = nearest(kind, toxics.into_iter().chain(tables.map(|kind| kind.name)));
    Err(no_kind(kind, near, "a link", &toxics))
}

/// Why two faults on the same thing cannot stand at the same time, if they cannot.
pub fn contradiction(one: &Break, other: &Break) -> Option<&'static str> {
    match (one, other) {
        (Break::Process(_), _) | (_, Break::Process(_)) => {
            Some("a process that is paused or away can suffer nothing else")
        }
        (Break::Link(one), Break::Link(other)) => {
            let down = [one, other].iter().any(|toxic| toxic.kind == toxic::Kind::Down);
            down.then_some("nothing passes a link that is down")
        }
        (Break::Redis(one), Break::Redis(other)) => one.contradicts(other),
        (Break::Sql(one), Break::Sql(other)) => one.contradicts(other),
        _ => None,
    }
}

/// A fault that comes and goes has to come and go.
fn flapping(fault: &FaultDecl) -> Result<(), Wrong> {
    let Some(every) = fault.every else { return Ok(()) };
    if every.on >= fault.lasts {
        let hint = "give `for_` room for more than one `on`".to_owned();
        return Err(("every: `on` is as long as the fault itself".to_owned(), hint));
    }
    Ok(())
}

/// `host:port` of a server, from its URL or as it is.
pub fn address(url: &str) -> Result<String, String> {
    const PORTS: &[(&str, u16)] = &[
        ("redis", 6379),
        ("postgres", 5432),
        ("postgresql", 5432),
        ("mysql", 3306),
        ("mariadb", 3306),
    ];
    if !url.contains("://") {
        return Reach::form(url).map(|()| url.to_owned());
    }
    // The error does not show it: there may be a password in it.
    let parsed = url::Url::parse(url).map_err(|error| format!("malformed URL: {error}"))?;
    let usual = PORTS.iter().find(|(scheme, _)| *scheme == parsed.scheme());
    let port = parsed.port_or_known_default().or(usual.map(|(_, port)| *port));
    match (parsed.host_str(), port) {
        (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
        _ => Err("the URL has no host or port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fault(kind: &str, amounts: &[(&str, &str)]) -> FaultDecl {
        FaultDecl {
            name: kind.to_owned(),
            on: String::new(),
            kind: kind.to_owned(),
            at: Duration::ZERO,
            lasts: Duration::from_secs(5),
            every: None,
            stream: "downstream".to_owned(),
            toxicity: 1.0,
            amounts: amounts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            place: crate::plan::Place { file: "a.lua".to_owned(), line: 1 },
        }
    }

    #[test]
    fn what_can_be_broken_depends_on_what_it_is_and_on_who_started_it() {
        let own = Thing::Service("redis");
        let other = Thing::Server("redis");
        for (thing, kind, amounts, wrong) in [
            (own, "kill", &[][..], None),
            (own, "wrong_password", &[], None),
            (own, "maxmemory", &[("share", "80%"), ("policy", "allkeys-lru")], None),
            (other, "maxmemory", &[("share", "0.8")], None),
            (
                other,
                "maxmemory",
                &[("share", "0.8"), ("policy", "allkeys-lru")],
                Some("maxmemory evicts values, and nothing brings them back"),
            ),
            (
                other,
                "kill",
                &[],
                Some("kill is nothing that can be done to a redis that the run did not start"),
            ),
            (
                own,
                "lock_table",
                &[],
                Some("lock_table is nothing that can be done to a service of kind redis"),
            ),
            (Thing::Service("postgres"), "lock_table", &[], Some("lock_table needs its table")),
            (
                Thing::Service("mariadb"),
                "lock_table",
                &[("table", "a; b")],
                Some("table: expected letters"),
            ),
            (own, "maxclients", &[("clients", "-1")], Some("clients: expected a whole number")),
            (own, "maxclients", &[("clinets", "1")], Some("maxclients has no `clinets`")),
            (own, "client_paus", &[], Some("unknown kind \"client_paus\"")),
            (
                Thing::Link,
                "wrong_password",
                &[],
                Some("wrong_password is nothing that can be done to a link"),
            ),
        ] {
            let read = read(&fault(kind, amounts), thing).err().map(|(what, _)| what);
            match (&read, wrong) {
                (None, None) => {}
                (Some(read), Some(wrong)) => assert!(read.starts_with(wrong), "{kind}: {read}"),
                _ => panic!("{kind}: {read:?}"),
            }
        }
    }

    #[test]
    fn every_kind_and_what_it_takes_stands_in_the_page_and_in_the_types() {
        let page = include_str!("../../docs/faults.md");
        let types = include_str!("../../lib-lua/types/fault.lua");
        let toxics = toxic::Kind::ALL.into_iter().map(|kind| {
            (kind.name(), kind.fields().iter().map(|field| field.name).collect::<Vec<_>>())
        });
        let others = process::KINDS.iter().chain(super::super::redis::KINDS).chain(sql::KINDS);
        let kinds = others.map(|kind| {
            (kind.name, kind.fields.iter().map(|field| field.name).collect::<Vec<_>>())
        });
        for (name, fields) in toxics.chain(kinds) {
            let own = |line: &&str| line.starts_with('|') && line.contains(&format!("`{name}`"));
            assert!(page.lines().any(|line| own(&line)), "{name} is not in docs/faults.md");
            assert!(types.contains(&format!("\"{name}\"")), "{name} is not in types/fault.lua");
            for field in fields {
                let told =
                    page.lines().filter(own).any(|line| line.contains(&format!("`{field}`")));
                // In the row of the kind, or in a sentence of its own.
                let named = page.contains(&format!("`{field} = "));
                assert!(told || named, "{name}: {field} is not in docs/faults.md");
                let typed = types.contains(&format!("---@field {field}? "));
                assert!(typed, "{name}: {field} is not in types/fault.lua");
            }
        }
    }

    #[test]
    fn a_url_says_what_stands_there_and_its_address() {
        for (url, thing, place) in [
            ("redis://:pw@127.0.0.1", Thing::Server("redis"), "127.0.0.1:6379"),
            ("postgresql://u@localhost:5433/d", Thing::Server("postgres"), "localhost:5433"),
            ("mysql://u:p@127.0.0.1/d", Thing::Server("mariadb"), "127.0.0.1:3306"),
        ] {
            assert_eq!(Thing::of(url, &[]), Ok(thing));
            assert_eq!(address(url).as_deref(), Ok(place));
        }
        for (given, place) in [
            ("http://localhost/v1", "localhost:80"),
            ("https://[::1]:8443", "[::1]:8443"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
        ] {
            assert_eq!(address(given).as_deref(), Ok(place));
        }
        for (given, wrong) in [("mem://here", "no host or port"), ("redis://", "no host")] {
            let told = address(given).unwrap_err();
            assert!(told.contains(wrong), "{told}");
        }
        assert!(Thing::of("http://127.0.0.1", &[]).is_err());
        assert!(Thing::of("cache", &[]).is_err());
    }

    #[test]
    fn faults_that_undo_each_other_contradict() {
        let read = |kind, amounts: &[_], thing| read(&fault(kind, amounts), thing).unwrap();
        let redis = |kind, amounts: &[_]| read(kind, amounts, Thing::Service("redis"));
        let sql = |kind, amounts: &[_]| read(kind, amounts, Thing::Service("postgres"));
        let link =
            |kind| read(kind, &[("latency", "1s")][..usize::from(kind == "latency")], Thing::Link);
        assert!(contradiction(&link("latency"), &link("down")).is_some());
        assert!(contradiction(&link("latency"), &link("hold")).is_none());
        let memory = redis("maxmemory", &[("share", "1")]);
        let pause = redis("client_pause", &[]);
        let lock = sql("lock_table", &[("table", "a")]);
        let exhaust = sql("exhaust_connections", &[]);
        assert!(contradiction(&memory, &memory).is_some());
        assert!(contradiction(&memory, &pause).is_some());
        assert!(contradiction(&memory, &redis("kill", &[])).is_some());
        assert!(contradiction(&lock, &exhaust).is_some());
        assert!(contradiction(&lock, &sql("lock_table", &[("table", "b")])).is_none());
        assert!(contradiction(&memory, &redis("kill_clients", &[])).is_none());
    }
}
