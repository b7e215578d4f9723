//! Has a connection of the driver's send what it has at once.
//!
//! The driver leaves its sockets to Nagle's algorithm: a second small message waits until the first
//! was acknowledged, and a server that has nothing to answer yet acknowledges some 40 ms later.
//! MariaDB has no answer to the closing of a statement, so every statement sent behind one would seem
//! to take as long. Every other client of these servers switches that off; the driver neither does
//! nor hands its socket out. So the socket is looked for among those of this process that lead to the
//! server's port, and a duplicate of it is told: the setting is one of both. A descriptor known only
//! by its number is duplicated, without `unsafe`, by sending it to ourselves. Where that is not to be
//! had, nothing is lost but those 40 ms.
//!
//! To look at every descriptor takes some 10 ms where 10,000 are open, in which the worker does nothing
//! else, and a pool may open hundreds. A new descriptor is the lowest number that is free, so it is
//! looked for there first, and everywhere only where that finds none that does not send at once yet.

#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd as _, OwnedFd};

/// How many numbers are near one. Others of this process open descriptors at the same time.
#[cfg(target_os = "linux")]
const NEAR: i32 = 64;

/// The number that a descriptor would have which were opened now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(#[cfg(target_os = "linux")] Option<i32>);

impl Mark {
    /// The mark before a connection is opened.
    pub(super) fn now() -> Self {
        #[cfg(target_os = "linux")]
        let mark = Self(std::os::unix::net::UnixDatagram::unbound().ok().map(|s| s.as_raw_fd()));
        #[cfg(not(target_os = "linux"))]
        let mark = Self();
        mark
    }

    /// Has the connection to that port that was opened since send at once.
    pub(super) fn send_at_once(self, port: u16) {
        #[cfg(target_os = "linux")]
        if !self.0.is_some_and(|mark| tell(sockets(mark..mark.saturating_add(NEAR), port))) {
            tell(sockets(open(), port));
        }
        #[cfg(not(target_os = "linux"))]
        let _ = port;
    }
}

/// Has these send at once; whether one of them did not yet.
#[cfg(target_os = "linux")]
fn tell(sockets: impl Iterator<Item = OwnedFd>) -> bool {
    use rustix::net::sockopt::{set_tcp_nodelay, tcp_nodelay};

    let mut told = false;
    for socket in sockets {
        // One that is closed meanwhile needs it no more.
        told |= tcp_nodelay(&socket) == Ok(false) && set_tcp_nodelay(&socket, true).is_ok();
    }
    told
}

/// The numbers of all descriptors of this process.
#[cfg(target_os = "linux")]
fn open() -> impl Iterator<Item = i32> {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Duplicates of the sockets among these that lead to that port.
#[cfg(target_os = "linux")]
fn sockets(numbers: impl Iterator<Item = i32>, port: u16) -> impl Iterator<Item = OwnedFd> {
    numbers.filter(move |number| leads_to(*number, port)).filter_map(duplicate).filter(
        // Another one may have the number meanwhile.
        move |socket| leads_to(socket.as_raw_fd(), port),
    )
}

/// Whether a descriptor of that number is a socket, and leads to that port.
#[cfg(target_os = "linux")]
fn leads_to(number: i32, port: u16) -> bool {
    use nix::sys::socket::{SockaddrStorage, getpeername};

    let Ok(peer) = getpeername::<SockaddrStorage>(number) else { return false };
    let four = peer.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::port);
    four.or_else(|| peer.as_sockaddr_in6().map(nix::sys::socket::SockaddrIn6::port)) == Some(port)
}

/// Sends a descriptor to ourselves: what arrives is a duplicate of our own.
#[cfg(target_os = "linux")]
fn duplicate(number: i32) -> Option<OwnedFd> {
    use std::io::{IoSlice, IoSliceMut};
    use std::mem::MaybeUninit;
    use std::os::unix::net::UnixDatagram;

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    let (to, from) = UnixDatagram::pair().ok()?;
    let numbers = [number];
    let rights = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(b"1")], &rights, MsgFlags::empty(), None).ok()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut arrived = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&from, &mut [IoSliceMut::new(&mut byte)], &mut arrived, RecvFlags::CMSG_CLOEXEC)
        .ok()?;
    arrived.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sent) => sent.next(),
        _ => None,
    })
}

/// Whether each connection of this process to that port sends at once; none where there is none.
#[cfg(all(test, target_os = "linux"))]
pub(super) fn sent_at_once(port: u16) -> Vec<bool> {
    sockets(open(), port)
        .map(|socket| rustix::net::sockopt::tcp_nodelay(socket) == Ok(true))
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_new_connection_is_found_where_it_was_opened_and_an_odd_one_everywhere() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = listener.local_addr().unwrap();
        let connect = || TcpStream::connect(door).unwrap();
        let Mark(Some(mark)) = Mark::now() else { panic!("no number") };
        let near = || tell(sockets(mark..mark + NEAR, door.port()));
        let first = connect();
        assert!(!first.nodelay().unwrap() && near() && first.nodelay().unwrap());
        assert!(!near(), "it sends at once already");
        // More are open than are near.
        let many: Vec<_> = (0..NEAR).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let far = connect();
        assert!(!near() && !far.nodelay().unwrap(), "{} between", many.len());
        Mark(Some(mark)).send_at_once(door.port());
        assert!(far.nodelay().unwrap());
    }
}
