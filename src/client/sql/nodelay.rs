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
//! It costs a system call for each descriptor of the process, once a connection.

#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

/// Has all connections of this process to that port send at once.
pub(super) fn send_at_once(port: u16) {
    #[cfg(target_os = "linux")]
    for socket in sockets(port) {
        // One that is closed meanwhile needs it no more.
        let _ = rustix::net::sockopt::set_tcp_nodelay(socket, true);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = port;
}

/// Duplicates of the sockets of this process that lead to that port.
#[cfg(target_os = "linux")]
fn sockets(port: u16) -> impl Iterator<Item = OwnedFd> {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers.filter(move |number| leads_to(*number, port)).filter_map(duplicate).filter(
        // Another one may have the number meanwhile.
        move |socket| leads_to(std::os::fd::AsRawFd::as_raw_fd(socket), port),
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
    use std::os::fd::AsRawFd as _;
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
    sockets(port).map(|socket| rustix::net::sockopt::tcp_nodelay(socket) == Ok(true)).collect()
}
