//! From a host and a port to an open stream: look up, connect, agree on TLS.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use super::proxy::Via;
use super::resolve::{self, Resolver};
use super::stream::Stream;
use super::tls::{Alpn, Tls, TlsSettings};

/// Opens connections for one worker with one set of TLS settings.
#[derive(Debug)]
pub struct Connector {
    resolver: Resolver,
    tls: Tls,
}

/// A step of connecting, announced as it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Resolving the host name. Left out where the host is an address already.
    Dns,
    /// Opening the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
}

/// An open connection and what TLS agreed on.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: Stream,
    /// Whether the peer chose HTTP/2 by ALPN.
    pub h2: bool,
}

/// Which way connecting failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The name could not be resolved.
    Dns,
    /// Refused, unreachable, or no local socket to be had.
    Refused,
    /// Not done within the limit.
    Timeout,
    /// TLS could not be agreed upon.
    Tls,
    /// The peer broke the connection while TLS was being agreed upon.
    Reset,
}

/// Why no connection could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// Which way it failed.
    pub failure: ConnectFailure,
    /// In plain words, with host and port.
    pub detail: String,
    /// This machine, not the peer, had no socket left.
    pub exhausted: bool,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ConnectError {}

impl ConnectError {
    pub(super) fn new(failure: ConnectFailure, detail: String) -> Self {
        Self { failure, detail, exhausted: false }
    }
}

impl Connector {
    /// Reads certificates and keys; the error says which of them is wrong.
    pub fn new(tls: &TlsSettings) -> Result<Self, String> {
        Ok(Self { resolver: Resolver::default(), tls: Tls::new(tls)? })
    }

    /// Opens a connection within `limit`, under TLS if `alpn` is given, and by way of what disturbs
    /// it if that is given. `begins` is told of each
    /// step as it begins, so that time spent is known even when the caller gives up in the middle.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        alpn: Option<Alpn>,
        limit: Duration,
        via: Option<Via<'_>>,
        begins: &mut impl FnMut(Step),
    ) -> Result<Connected, ConnectError> {
        let deadline = Instant::now() + limit;
        let opening = async {
            if alpn.is_some() {
                self.tls.prepare().await;
            }
            let addresses = self.addresses(host, port, begins).await?;
            begins(Step::Connect);
            let tcp = match via {
                None => open(&addresses, deadline).await?,
                Some(via) => Box::pin(disturbed(via, &addresses, deadline)).await?,
            };
            let Some(alpn) = alpn else {
                return Ok(Connected { stream: Stream::Plain(tcp), h2: false });
            };
            begins(Step::Tls);
            let tls = self.tls.handshake(tcp, host, alpn).await?;
            let h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok(Connected { stream: Stream::Tls(Box::new(tls)), h2 })
        };
        timeout_at(deadline, opening).await.unwrap_or_else(|_| {
            let detail = format!("no connection to {host}:{port} within {limit:?}");
            Err(ConnectError::new(ConnectFailure::Timeout, detail))
        })
    }

    /// Opens a connection to a socket in the file system, which answers at once or not at all.
    pub async fn connect_unix(&self, path: &Path) -> Result<Stream, ConnectError> {
        UnixStream::connect(path).await.map(Stream::Unix).map_err(|error| {
            let at = path.display();
            let what = match (shortage(&error), error.kind()) {
                (Some(what), _) => format!("no connection to {at}: {what}"),
                (None, ErrorKind::NotFound) => format!("there is no socket {at}"),
                (None, ErrorKind::ConnectionRefused) => format!("{at} refused the connection"),
                (None, _) => format!("no connection to {at}: {error}"),
            };
            let exhausted = shortage(&error).is_some();
            ConnectError { failure: ConnectFailure::Refused, detail: what, exhausted }
        })
    }

    async fn addresses(
        &self,
        host: &str,
        port: u16,
        begins: &mut impl FnMut(Step),
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Some(address) = resolve::literal(host) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        begins(Step::Dns);
        let found = self.resolver.resolve(host).await.map_err(|error| {
            if let Some(what) = shortage(&error) {
                let detail = format!("cannot resolve {host}: {what}");
                return ConnectError { failure: ConnectFailure::Dns, detail, exhausted: true };
            }
            let why = error.to_string();
            let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
            ConnectError::new(ConnectFailure::Dns, format!("cannot resolve {host}: {why}"))
        })?;
        Ok(found.iter().map(|address| SocketAddr::new(*address, port)).collect())
    }
}

/// Connects to the first address that answers. Each but the last gets an equal part of the time
/// left, so that one silent address does not use up the limit of all.
async fn open(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ConnectError> {
    let mut failed = None;
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - tried) as u32;
        let attempt = timeout_at(Instant::now() + share, TcpStream::connect(address)).await;
        match attempt.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            Ok(tcp) => {
                // A request that waits for the acknowledgement of the one before it would
                // measure Nagle's algorithm. A failure here shows at the first write.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Err(error) => failed = Some(refusal(*address, &error)),
        }
    }
    Err(failed.unwrap_or_else(|| {
        ConnectError::new(ConnectFailure::Dns, "the name has no address".to_owned())
    }))
}

/// Connects as [`open`] does, as far as what stands in the way lets it.
async fn disturbed(
    via: Via<'_>,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, ConnectError> {
    let at = || addresses.first().map_or_else(|| "the server".to_owned(), ToString::to_string);
    if via.admitted().await.is_err() {
        let detail = format!("{} refused the connection (a fault)", at());
        return Err(ConnectError::new(ConnectFailure::Refused, detail));
    }
    let tcp = open(addresses, deadline).await?;
    via.through(tcp).await.map_err(|error| {
        let exhausted = shortage(&error).is_some();
        let detail = format!("no connection to {}: {error}", at());
        ConnectError { failure: ConnectFailure::Refused, detail, exhausted }
    })
}

/// What a failed `connect` means.
fn refusal(address: SocketAddr, error: &io::Error) -> ConnectError {
    let no_port = error.kind() == ErrorKind::AddrNotAvailable && may_be_sent_to(address);
    if let Some(what) = shortage(error).or(no_port.then_some(NO_PORT)) {
        let detail = format!("no connection to {address}: {what}");
        return ConnectError { failure: ConnectFailure::Refused, detail, exhausted: true };
    }
    let (failure, detail) = match error.kind() {
        ErrorKind::ConnectionRefused => {
            (ConnectFailure::Refused, format!("{address} refused the connection"))
        }
        ErrorKind::TimedOut => (ConnectFailure::Timeout, format!("{address} does not answer")),
        ErrorKind::ConnectionReset => {
            (ConnectFailure::Reset, format!("{address} reset the connection while it was opened"))
        }
        _ => (ConnectFailure::Refused, format!("no connection to {address}: {error}")),
    };
    ConnectError::new(failure, detail)
}

/// `EADDRNOTAVAIL`, where it is about ports.
const NO_PORT: &str = "this machine has no local port left; keep connections alive, \
                       use fewer of them, or widen `net.ipv4.ip_local_port_range`";

/// What this machine has run out of, if that is why a socket could not be had, and what to do.
fn shortage(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::MFILE => {
            Some("this process has too many open files; raise `ulimit -n` or use fewer connections")
        }
        Errno::NFILE => Some(
            "this machine has too many open files; raise `fs.file-max` or use fewer connections",
        ),
        Errno::NOBUFS | Errno::NOMEM => {
            Some("this machine has no memory for another socket; use fewer connections")
        }
        _ => None,
    }
}

/// Whether this machine has an address from which that one can be spoken to. The same error
/// says that it has none, as for `::1` where there is no IPv6, and that it has no port left: UDP
/// has ports of its own. Nothing is sent.
fn may_be_sent_to(address: SocketAddr) -> bool {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(any).and_then(|socket| socket.connect(address)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, errno: Errno) -> ConnectError {
        refusal(address.parse().unwrap(), &io::Error::from(errno))
    }

    #[test]
    fn what_this_machine_ran_out_of_is_not_blamed_on_the_target() {
        for (errno, what, advice) in [
            (Errno::MFILE, "too many open files", "`ulimit -n`"),
            (Errno::NFILE, "too many open files", "`fs.file-max`"),
            (Errno::NOBUFS, "no memory", "fewer connections"),
            (Errno::ADDRNOTAVAIL, "no local port left", "keep connections alive"),
        ] {
            let error = refused("127.0.0.1:80", errno);
            assert!(error.exhausted && error.failure == ConnectFailure::Refused, "{error:?}");
            assert!(error.detail.contains(what) && error.detail.contains(advice), "{error}");
        }
    }

    #[test]
    fn an_address_this_machine_cannot_speak_to_is_not_a_shortage_of_ports() {
        // A broadcast address, and a link-local one that does not say by which link.
        for address in ["255.255.255.255:80", "[fe80::1]:80"] {
            assert!(!refused(address, Errno::ADDRNOTAVAIL).exhausted, "{address}");
        }
        for errno in [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::NETUNREACH, Errno::CONNRESET] {
            assert!(!refused("127.0.0.1:80", errno).exhausted, "{errno}");
        }
    }
}
