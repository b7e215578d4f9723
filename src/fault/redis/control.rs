//! How a Redis is told what to be: over a connection of this room's own, through no proxy and no pool
//! of the load.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::redis::{Address, Client, Command, Request, Session, Settings, Value};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a Redis is to have again. In the journal: also how to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// With the password it has when nothing is broken.
    pub(super) url: String,
    /// The password it has while the fault stands, where that is another.
    pub(super) password: Option<String>,
    /// Names of its configuration, and what they were.
    pub(super) settings: Vec<(String, String)>,
}

impl Restore {
    /// Puts it back, from a connection of its own; done twice it does nothing.
    pub(in crate::fault) async fn undo(&self) -> Result<(), String> {
        let mut last = String::new();
        for password in [self.password.as_deref(), None] {
            match Control::open(&self.url, password).await {
                Ok(control) => return control.restore(&self.settings).await,
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

/// A connection over which a Redis is told what to be.
pub(super) struct Control {
    client: Rc<Client>,
    session: Session,
}

impl Control {
    /// Connects, with another password than the URL's where one is given.
    pub(super) async fn open(url: &str, password: Option<&str>) -> Result<Self, String> {
        let mut address = url::Url::parse(url).map_err(|error| format!("its URL: {error}"))?;
        if let Some(password) = password {
            // Refused only for a URL without a host.
            let _ = address.set_password(Some(password));
        }
        let client = Client::new(Settings {
            address: Address::Url(address.to_string()),
            timeout: PATIENCE,
            connect_timeout: PATIENCE,
            protocol: 2,
            ..Settings::default()
        })?;
        let control = Self { client, session: Session::default() };
        control.ask("PING", &[]).await?;
        Ok(control)
    }

    pub(super) async fn ask(&self, words: &str, arguments: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(words);
        for argument in arguments {
            command.arg(argument);
        }
        let exchange = self.client.send(&self.session, &Request::single(command)).await;
        match exchange.error {
            Some(failure) => Err(format!("{words}: {}", failure.detail)),
            None => Ok(exchange.value),
        }
    }

    /// A setting of its configuration.
    pub(super) async fn setting(&self, name: &str) -> Result<String, String> {
        let value = self.ask("CONFIG GET", &[name]).await?;
        let texts = match &value {
            Value::List(values) => values.iter().filter_map(Value::bytes).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let value = texts.get(1).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        value.ok_or_else(|| format!("it has no setting {name}"))
    }

    /// Settings of its configuration, by name.
    pub(super) async fn settings(&self, names: &[&str]) -> Result<Vec<(String, String)>, String> {
        let mut settings = Vec::new();
        for name in names {
            settings.push(((*name).to_owned(), self.setting(name).await?));
        }
        Ok(settings)
    }

    /// Sets its configuration, and reads it back.
    pub(super) async fn restore(&self, settings: &[(String, String)]) -> Result<(), String> {
        for (name, value) in settings {
            self.ask("CONFIG SET", &[name, value]).await?;
        }
        for (name, value) in settings {
            let now = self.setting(name).await?;
            if now != *value {
                // Neither may be shown: it may be a password.
                return Err(format!("its {name} is not what it was"));
            }
        }
        Ok(())
    }

    /// What it counts, by name.
    pub(super) async fn counts(&self) -> Result<BTreeMap<String, String>, String> {
        let mut counts = BTreeMap::new();
        for section in ["memory", "stats", "errorstats", "clients"] {
            let value = self.ask("INFO", &[section]).await?;
            let text = String::from_utf8_lossy(value.bytes().unwrap_or_default()).into_owned();
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            counts.extend(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
        }
        Ok(counts)
    }

    /// Closes every connection but this one; how many there were.
    pub(super) async fn kill(&self) -> Result<u64, String> {
        let mut killed = 0;
        for kind in ["normal", "pubsub"] {
            let value = self.ask("CLIENT KILL", &["TYPE", kind, "SKIPME", "yes"]).await?;
            if let Value::Integer(count) = value {
                killed += count.max(0).cast_unsigned();
            }
        }
        Ok(killed)
    }
}

/// A number among what a Redis counts; errors are counted as `count=12`.
pub(super) fn number(counts: &BTreeMap<String, String>, name: &str) -> u64 {
    let text = counts.get(name).map_or("", String::as_str);
    text.strip_prefix("count=").unwrap_or(text).parse().unwrap_or_default()
}
