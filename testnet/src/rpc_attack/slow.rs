//! R6: clients that send a byte a second, first in the header, then in the body.

use super::{Attack, Extent, arena::Arena, watch::Limits};
use crate::{Client, Result, TestnetError, attack::Finding};
use futures::future::join_all;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval, timeout},
};

/// Clients in all.
const CLIENTS: usize = 1_000;
/// After how long the node ends a connection that has not sent its header, or its body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// What that may take longer on a busy machine.
const SLACK: Duration = Duration::from_secs(10);
/// Time between two bytes.
const PERIOD: Duration = Duration::from_secs(1);

/// R6.
pub(super) const ATTACK: Attack = Attack {
    id: "R6",
    name: "1,000 connections that send a byte a second",
    // 96 KiB for each.
    limits: Limits { interval: 1.2, memory: CLIENTS as f64 * 96.0 / 1024.0 },
    run: |arena, _: Extent| Box::pin(slow(arena)),
};

async fn slow(arena: Arc<Arena>) -> Result<Vec<Finding>> {
    let server = arena.http();
    let client = |index: usize| tokio::spawn(one(server, index.is_multiple_of(2)));
    let clients = join_all((0..CLIENTS).map(client).collect::<Vec<_>>());
    // The other server has places of its own, and this one has places left.
    let honest = async { Client::new(server).block_number().await };
    let (clients, honest) = tokio::join!(clients, honest);
    let mut longest = Duration::ZERO;
    let (mut closed, mut broken) = (0, None);
    for ended in clients {
        match ended.map_err(|error| TestnetError::io("a slow client")(error.into()))? {
            Ok(Some(after)) => {
                closed += 1;
                longest = longest.max(after);
            }
            Ok(None) => {}
            Err(error) => broken = Some(error),
        }
    }
    let seen = match broken {
        Some(error) => format!("{closed} of {CLIENTS}; {error}"),
        None => format!("{closed} of {CLIENTS}, the last after {:.1} s", longest.as_secs_f64()),
    };
    let limit = REQUEST_TIMEOUT + SLACK;
    let name = format!("all are closed within {} s", limit.as_secs());
    Ok(vec![
        Finding::new(name, closed == CLIENTS, seen),
        Finding::new(
            "another client is served meanwhile",
            honest.is_ok(),
            honest.map_or_else(|error| error.to_string(), |head| format!("head {head}")),
        ),
    ])
}

/// When the node closed the connection; `None`: it did not in time.
async fn one(server: SocketAddr, in_header: bool) -> Result<Option<Duration>> {
    let begin = match in_header {
        true => "POST / HTTP/1.1\r\nx: ".to_owned(),
        false => format!(
            "POST / HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\n\
             content-length: 1000000\r\n\r\n"
        ),
    };
    let io = || TestnetError::io("a slow client");
    let mut socket = TcpStream::connect(server).await.map_err(io())?;
    socket.write_all(begin.as_bytes()).await.map_err(io())?;
    let start = Instant::now();
    let closed = timeout(REQUEST_TIMEOUT + SLACK, until_closed(&mut socket)).await;
    Ok(closed.is_ok().then(|| start.elapsed()))
}

async fn until_closed(socket: &mut TcpStream) {
    let mut ticks = interval(PERIOD);
    let mut answer = [0; 512];
    loop {
        let is_open = tokio::select! {
            read = socket.read(&mut answer) => matches!(read, Ok(1..)),
            _ = ticks.tick() => socket.write_all(b" ").await.is_ok(),
        };
        if !is_open {
            return;
        }
    }
}
