//! Plain sockets inside namespaces, for tests of the network's faults.
//!
//! A thread that enters a namespace stays there, so that it can be told which network its sockets
//! belong to without another program.

use crate::Namespaces;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long an answer may take; a lost SYN is sent again after 1 s and 3 s.
const PATIENCE: Duration = Duration::from_millis(2_500);
const PORT: u16 = 7;

/// Runs `work` on a thread inside the namespace of a node.
fn inside<T: Send>(network: &Namespaces, node: usize, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{}", network.name(node))).expect("namespace");
    thread::scope(|scope| {
        let inside = scope.spawn(move || {
            let kind = LinkNameSpaceType::Network;
            move_into_link_name_space(file.as_fd(), Some(kind)).expect("entered");
            work()
        });
        inside.join().expect("no panic")
    })
}

/// Sends back what comes, over TCP and UDP, until it is dropped.
pub(super) struct Echo {
    datagrams: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Echo {
    pub(super) fn start(network: &Namespaces, node: usize) -> Self {
        let address = SocketAddr::new(network.ip(node), PORT);
        let (tcp, udp) = inside(network, node, || {
            (TcpListener::bind(address).expect("TCP"), UdpSocket::bind(address).expect("UDP"))
        });
        udp.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
        let this = Self { datagrams: Arc::default(), stop: Arc::default() };
        let (datagrams, stop) = (Arc::clone(&this.datagrams), Arc::clone(&this.stop));
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = udp.recv_from(&mut buffer) {
                    datagrams.fetch_add(1, Ordering::Relaxed);
                    // An answer that cannot be sent is a lost one.
                    let _ = udp.send_to(&buffer[..length], from);
                }
            }
        });
        let stop = Arc::clone(&this.stop);
        tcp.set_nonblocking(true).expect("non-blocking");
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match tcp.accept() {
                    Ok((stream, _)) => drop(thread::spawn(|| echo(stream))),
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        this
    }

    /// Datagrams that arrived.
    pub(super) fn datagrams(&self) -> usize {
        self.datagrams.load(Ordering::Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Reads to the end, then answers with one byte.
fn echo(mut stream: TcpStream) {
    stream.set_nonblocking(false).expect("blocking");
    let mut buffer = vec![0; 64 << 10];
    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
    // The client may be gone.
    let _ = stream.write_all(&[1]);
}

/// Time that sending `bytes` takes, until the other side has read all of them.
pub(super) fn transfer(network: &Namespaces, from: usize, to: usize, bytes: usize) -> Duration {
    try_transfer(network, from, to, bytes, Duration::from_secs(30)).expect("transfer")
}

/// Whether a TCP connection brings a byte there and one back.
pub(super) fn reaches(network: &Namespaces, from: usize, to: usize) -> bool {
    try_transfer(network, from, to, 1, PATIENCE).is_ok()
}

fn try_transfer(
    network: &Namespaces,
    from: usize,
    to: usize,
    bytes: usize,
    patience: Duration,
) -> std::io::Result<Duration> {
    let address = SocketAddr::new(network.ip(to), PORT);
    inside(network, from, || {
        let start = Instant::now();
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(&vec![7; bytes])?;
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read_exact(&mut [0])?;
        Ok(start.elapsed())
    })
}

/// Share of `count` datagrams that come back.
pub(super) fn udp_share(network: &Namespaces, from: usize, to: usize, count: u16) -> f64 {
    let address = SocketAddr::new(network.ip(to), PORT);
    let back = inside(network, from, || {
        let socket = UdpSocket::bind(SocketAddr::new(network.ip(from), 0)).expect("socket");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
        let answered = |_: &u16| {
            let sent = socket.send_to(&[7; 16], address);
            // The sender is told nothing of the loss.
            sent.expect("sent");
            socket.recv_from(&mut [0; 64]).is_ok()
        };
        (0..count).filter(answered).count()
    });
    back as f64 / f64::from(count)
}
