//! A WebSocket session with a JSON-RPC server: as little as a load of a thousand of them needs.

use crate::{Result, TestnetError};
use serde_json::Value;
use soketto::handshake::{Client, ServerResponse};
use std::{collections::VecDeque, net::SocketAddr};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

type Io = Compat<TcpStream>;

/// A session. Pings are answered while [`next`](Self::next) waits, and only then.
#[derive(Debug)]
pub struct WebSocket {
    address: SocketAddr,
    sender: soketto::Sender<Io>,
    receiver: soketto::Receiver<Io>,
    /// What came before the answer that was waited for.
    earlier: VecDeque<Value>,
}

impl WebSocket {
    /// Connects.
    ///
    /// # Errors
    /// [`TestnetError::Http`] when nobody listens or the handshake is refused.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::with_room_for(address, None).await
    }

    /// Connects; the system takes about `bytes` that were not read yet.
    ///
    /// # Errors
    /// As [`WebSocket::open`].
    pub async fn with_room_for(address: SocketAddr, bytes: Option<u32>) -> Result<Self> {
        let io = connect(address, bytes).await.map_err(failed(address))?;
        let host = address.to_string();
        let mut client = Client::new(io.compat(), &host, "/");
        let answer = client.handshake().await.map_err(failed(address))?;
        if !matches!(answer, ServerResponse::Accepted { .. }) {
            return Err(failed(address)(format!("no session: {answer:?}")));
        }
        let (sender, receiver) = client.into_builder().finish();
        Ok(Self { address, sender, receiver, earlier: VecDeque::new() })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`TestnetError::Http`] when the session has ended.
    pub async fn send(&mut self, message: &Value) -> Result<()> {
        let sent = async {
            self.sender.send_text(message.to_string()).await?;
            self.sender.flush().await
        };
        sent.await.map_err(failed(self.address))
    }

    /// The next message.
    ///
    /// # Errors
    /// [`TestnetError::Http`] when the session has ended, [`TestnetError::Answer`] for what is no JSON.
    pub async fn next(&mut self) -> Result<Value> {
        match self.earlier.pop_front() {
            Some(message) => Ok(message),
            None => self.receive().await,
        }
    }

    /// Sends a request and returns its answer. What comes before it stays for [`next`](Self::next).
    ///
    /// # Errors
    /// As [`WebSocket::next`].
    pub async fn request(&mut self, request: &Value) -> Result<Value> {
        self.send(request).await?;
        loop {
            let message = self.receive().await?;
            if message["id"] == request["id"] {
                return Ok(message);
            }
            self.earlier.push_back(message);
        }
    }

    async fn receive(&mut self) -> Result<Value> {
        let mut text = Vec::new();
        self.receiver.receive_data(&mut text).await.map_err(failed(self.address))?;
        serde_json::from_slice(&text).map_err(|error| TestnetError::Answer {
            method: "a WebSocket session".to_owned(),
            expected: "JSON",
            got: error.to_string(),
        })
    }
}

async fn connect(address: SocketAddr, receive_buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn failed<E: ToString>(address: SocketAddr) -> impl FnOnce(E) -> TestnetError {
    move |reason| TestnetError::Http { address, reason: reason.to_string() }
}
