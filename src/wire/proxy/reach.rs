//! Whom a fault may concern: this machine, and hosts that were allowed by name.

use std::net::IpAddr;

/// The hosts that may be dialled through a proxy or be listened on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Hosts besides those of the loopback interface, as they are written.
    pub allowed: Vec<String>,
}

impl Reach {
    /// Whether it is `host:port`; else what is wrong with it.
    pub fn form(address: &str) -> Result<(), String> {
        let Some((_, port)) = split(address) else {
            return Err(format!("{address:?} is not an address; expected \"host:port\""));
        };
        match port.parse::<u16>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{address:?} has no port; expected \"host:port\"")),
        }
    }

    /// Checks `host:port`; the error says what is wrong and what to do.
    pub fn check(&self, address: &str) -> Result<(), String> {
        Self::form(address)?;
        match self.beyond(address) {
            None => Ok(()),
            Some(host) => Err(format!(
                "{host} is not on this machine, and faults reach no further unless they are \
                 allowed to: --allow-fault {host}"
            )),
        }
    }

    /// The host of `host:port`, where that is neither this machine nor allowed.
    pub fn beyond<'a>(&self, address: &'a str) -> Option<&'a str> {
        let (host, _) = split(address)?;
        let near = is_loopback(host) || self.allowed.iter().any(|allowed| allowed == host);
        (!near).then_some(host)
    }
}

/// Host and port; an IPv6 host without its brackets.
fn split(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(bare) => Some((bare, port)),
        None => (!host.is_empty() && !host.contains(':')).then_some((host, port)),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_reach_this_machine_and_what_was_allowed() {
        let reach = Reach { allowed: vec!["db.test".into(), "10.0.0.7".into()] };
        let near = ["127.0.0.1:80", "127.9.9.9:1", "localhost:80", "[::1]:80"];
        for address in near.into_iter().chain(["db.test:5432", "10.0.0.7:80"]) {
            assert_eq!(reach.check(address), Ok(()), "{address}");
        }
        let far = ["10.0.0.8:80", "db.test.evil:80", "0.0.0.0:80", "[2001:db8::1]:80"];
        for address in far {
            let error = reach.check(address).unwrap_err();
            assert!(error.contains("--allow-fault"), "{error}");
        }
        for address in ["127.0.0.1", ":80", "127.0.0.1:http", "::1:80", "", "127.0.0.1:70000"] {
            let error = reach.check(address).unwrap_err();
            assert!(error.contains("expected \"host:port\""), "{error}");
        }
    }
}
