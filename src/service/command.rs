//! Any program as a service: the system under test itself, started beside its cache and database.
//!
//! What is run is the script's choice, so a run has to be told that it may
//! (`loadrun --allow-command`). `{port}` in a command, its
//! environment, its probe and its URL stands for a free port of the loopback interface.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::guard::{Orders, Program};
use super::probe::Probe;
use super::process::{Launch, Ready};
use super::setting::{Chosen, pairs};
use super::{Place, ServiceError, Site, host};
use crate::plan::ServiceDecl;
use crate::units::parse_duration;

/// The kind a declaration names.
pub const KIND: &str = "command";

/// What starts the names of settings that are the command's words, by their number.
pub const WORD: &str = "word.";

/// What starts the names of secrets that are variables of its environment.
pub const ENVIRONMENT: &str = "env.";

/// What starts the names of settings that say of which service a variable is the URL.
pub const ENVIRONMENT_OF: &str = "env_of.";

/// What stands for the port.
const PORT: &str = "{port}";

/// Signals a program can be asked to end with.
pub const SIGNALS: &[(&str, Signal)] = &[
    ("TERM", Signal::TERM),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("HUP", Signal::HUP),
    ("KILL", Signal::KILL),
];

/// The name under which a declaration has the `nth` word of its command, from 0.
pub fn word(nth: usize) -> String {
    format!("{WORD}{nth:04}")
}

/// The words of a declared command.
pub fn words(decl: &ServiceDecl) -> Vec<&str> {
    pairs(&decl.options, WORD).map(|(_, word)| word).collect()
}

/// The declaration with the URLs in its environment that it wants of other services.
pub fn with_urls(decl: &ServiceDecl, url: impl Fn(&str) -> Option<String>) -> ServiceDecl {
    let mut whole = decl.clone();
    for (variable, service) in pairs(&decl.options, ENVIRONMENT_OF) {
        if let Some(url) = url(service) {
            whole.secrets.insert(format!("{ENVIRONMENT}{variable}"), url);
        }
    }
    whole
}

/// Turns the declaration into what the guard is to do.
pub(super) fn launch(
    decl: &ServiceDecl,
    site: &Site,
    place: &Place,
) -> Result<Launch, ServiceError> {
    let (folder, port) = (place.folder.clone(), place.port);
    let filled = |text: &str| text.replace(PORT, &port.to_string());
    let mut words = words(decl).into_iter().map(filled);
    let file = program(&decl.name, &words.next().unwrap_or_default(), &site.folder)?;
    let environment = pairs(&decl.secrets, ENVIRONMENT);
    let server = Program {
        file,
        arguments: words.collect(),
        environment: environment.map(|(name, value)| (name.to_owned(), filled(value))).collect(),
        at: Some(site.folder.clone()),
        input: None,
    };
    let chosen = Chosen(decl);
    let usual = Orders::new(folder, server);
    let named = |name| SIGNALS.iter().find(|(known, _)| *known == name);
    let signal = chosen.text("stop.signal").and_then(named);
    let within = chosen.text("stop.within").and_then(|text| parse_duration(text).ok());
    // Whether a port was asked for, and so may turn out to be another's.
    let uses_port = decl.options.values().chain(decl.secrets.values()).any(|t| t.contains(PORT));
    Ok(Launch {
        name: decl.name.clone(),
        orders: Orders {
            signal: signal.map_or(usual.signal, |(_, signal)| signal.as_raw()),
            within: within.unwrap_or(usual.within),
            ..usual
        },
        port: uses_port.then_some(port),
        ready: ready(&chosen, filled),
        ready_within: chosen.ready_within(Launch::READY_WITHIN),
        reasons: &[],
    })
}

/// How it is known to be ready: a URL, host and port, or a line it writes.
fn ready(chosen: &Chosen<'_>, filled: impl Fn(&str) -> String) -> Ready {
    let given = chosen.text("url").map(&filled);
    let line = chosen.text("ready.line").map(&filled);
    let Some(place) = chosen.text("ready").map(&filled) else {
        return Ready { line, probe: None, url: given };
    };
    let (probe, usual) = match url::Url::parse(&place) {
        Ok(url) if url.has_host() => {
            let origin = url.origin().ascii_serialization();
            (Probe::Url(place), origin)
        }
        _ => (Probe::Port(place.clone()), format!("tcp://{place}")),
    };
    Ready { line, probe: Some(probe), url: given.or(Some(usual)) }
}

/// The file of a program: as a shell finds it, but from the script's folder.
fn program(service: &str, word: &str, folder: &Path) -> Result<PathBuf, ServiceError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let inside = word.contains('/');
    let mut places = std::env::split_paths(&path).map(|place| folder.join(place).join(word));
    let found =
        if inside { Some(folder.join(word)) } else { places.find(|file| host::is_program(file)) };
    found.filter(|file| host::is_program(file)).ok_or_else(|| ServiceError {
        what: if inside {
            format!("service {service:?}: no program {}", folder.join(word).display())
        } else {
            format!("service {service:?}: no program {word:?} on PATH")
        },
        hint: Some("check `cmd`; a path in it begins at the script's folder".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(options: &[(&str, &str)]) -> ServiceDecl {
        let (name, kind) = ("api".to_owned(), KIND.to_owned());
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ServiceDecl { name, kind, options, ..ServiceDecl::default() }
    }

    fn launched(options: &[(&str, &str)]) -> Launch {
        let site = Site { exe: "/bin/loadrun".into(), folder: "/bin".into() };
        launch(&declared(options), &site, &Place::new("api").unwrap()).unwrap()
    }

    #[test]
    fn the_port_is_filled_in_everywhere_it_stands() {
        let launch = launched(&[
            ("word.0000", "./sh"),
            ("word.0001", "--port={port}"),
            ("ready", "http://127.0.0.1:{port}/health?deep=1"),
            ("stop.signal", "INT"),
            ("stop.within", "250ms"),
        ]);
        let port = launch.port.unwrap();
        assert_eq!(launch.orders.server.file, Path::new("/bin/./sh"));
        assert_eq!(launch.orders.server.arguments, [format!("--port={port}")]);
        let url = format!("http://127.0.0.1:{port}");
        assert_eq!(launch.ready.probe, Some(Probe::Url(format!("{url}/health?deep=1"))));
        assert_eq!(launch.ready.url, Some(url));
        assert_eq!(launch.orders.signal, Signal::INT.as_raw());
        assert_eq!(launch.orders.within.as_millis(), 250);
    }

    #[test]
    fn an_address_is_a_url_too_and_a_line_may_say_it() {
        let launch = launched(&[("word.0000", "./sh"), ("ready", "127.0.0.1:9")]);
        assert_eq!(launch.port, None);
        assert_eq!(launch.ready.probe, Some(Probe::Port("127.0.0.1:9".to_owned())));
        assert_eq!(launch.ready.url.as_deref(), Some("tcp://127.0.0.1:9"));
        let launch = launched(&[("word.0000", "./sh"), ("ready.line", "up at ")]);
        assert_eq!(launch.ready.line.as_deref(), Some("up at "));
        assert_eq!(launch.ready.url, None);
    }

    #[test]
    fn a_program_is_looked_for_as_a_shell_does() {
        assert!(program("api", "sh", Path::new("/")).unwrap().ends_with("sh"));
        let missing = program("api", "no-such-program", Path::new("/")).unwrap_err();
        assert_eq!(missing.what, "service \"api\": no program \"no-such-program\" on PATH");
        let missing = program("api", "./none", Path::new("/tmp")).unwrap_err();
        assert_eq!(missing.what, "service \"api\": no program /tmp/./none");
    }

    #[test]
    fn a_variable_may_be_the_url_of_another_service() {
        let decl = declared(&[("env_of.CACHE", "redis"), ("env_of.OTHER", "none")]);
        let whole = with_urls(&decl, |name| (name == "redis").then(|| "redis://x".to_owned()));
        assert_eq!(whole.secrets, [("env.CACHE".to_owned(), "redis://x".to_owned())].into());
    }
}
