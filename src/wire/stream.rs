//! One open connection, plain or under TLS. Everything that is said to a target passes through
//! here, which is what makes it the place to count or disturb bytes.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::trust::Trust;

/// One open connection. Small while idle: a plain one is a registered socket and nothing else.
#[derive(Debug)]
pub enum Stream {
    /// TCP as it is.
    Plain(TcpStream),
    /// TLS over TCP. Boxed: its state is forty times the size of a socket's.
    Tls(Box<TlsStream<TcpStream>>),
    /// A socket in the file system of this machine.
    Unix(UnixStream),
}

impl Stream {
    /// Whether the peer has neither closed an idle connection nor said anything on it, as far as the
    /// runtime has heard and, where the peer is not trusted, as the socket itself says.
    pub async fn is_quiet(&mut self, trust: &Trust) -> bool {
        let asks = trust.asks();
        let quiet = match self {
            // Without a system call where the runtime has heard nothing.
            Self::Plain(tcp) => is_idle(tcp.try_read(&mut [0])) && (!asks || is_silent(tcp)),
            Self::Tls(tls) => Box::pin(is_quiet_tls(tls, asks)).await,
            Self::Unix(unix) => is_idle(unix.try_read(&mut [0])) && (!asks || is_silent(unix)),
        };
        if !quiet {
            trust.lose();
        }
        quiet
    }
}

/// Whether there was nothing to read, not even an end.
fn is_idle(read: io::Result<usize>) -> bool {
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// As [`Stream::is_quiet`]. Records without data, such as session tickets, are taken in first.
async fn is_quiet_tls(tls: &mut TlsStream<TcpStream>, asks: bool) -> bool {
    loop {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let read = poll_fn(|cx| Poll::Ready(Pin::new(&mut *tls).poll_read(cx, &mut buffer))).await;
        if read.is_ready() {
            return false;
        }
        if !asks {
            return true;
        }
        match peek(tls.get_ref().0) {
            Peeked::Nothing => return true,
            Peeked::End => return false,
            // What it is shows when the runtime has heard of it.
            Peeked::Bytes => tokio::task::yield_now().await,
        }
    }
}

fn is_silent(socket: &impl AsFd) -> bool {
    peek(socket) == Peeked::Nothing
}

/// What a socket has for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peeked {
    Nothing,
    Bytes,
    /// The peer has closed, or the connection is broken.
    End,
}

fn peek(socket: &impl AsFd) -> Peeked {
    match retry_on_intr(|| recv(socket, &mut [0], RecvFlags::PEEK)) {
        Ok((_, 1..)) => Peeked::Bytes,
        Err(Errno::AGAIN) => Peeked::Nothing,
        Ok(_) | Err(_) => Peeked::End,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Self::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}
