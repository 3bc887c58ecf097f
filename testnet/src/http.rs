//! One keep-alive HTTP/1.1 connection: the cheapest way to load a JSON-RPC server.

use crate::{Result, TestnetError};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::{net::TcpStream, task::JoinHandle};

/// A connection that carries one request at a time. Closed when dropped.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`TestnetError::Http`] when nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.map_err(|e| failed(address, e))?;
        stream.set_nodelay(true).map_err(|e| failed(address, e))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(address, e))?;
        // The requester sees the same failure through its own future.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { address, sender, driver })
    }

    /// True until the server or an error closed the connection.
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Posts a JSON body and returns the answer's body.
    ///
    /// # Errors
    /// [`TestnetError::Http`] when the connection breaks or the status is not 200.
    pub async fn post(&mut self, body: Bytes) -> Result<Bytes> {
        self.post_with(body, None).await
    }

    /// Gets a path and returns the answer's body as text.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub async fn get(&mut self, path: &str) -> Result<String> {
        let address = self.address;
        let request = Request::get(path).header(header::HOST, address.to_string());
        let request = request.body(Full::default()).map_err(|e| failed(address, e))?;
        let body = self.send(request).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// [`Connection::post`] with a bearer token (RFC 6750 §2.1), if there is one.
    ///
    /// # Errors
    /// As [`Connection::post`].
    pub async fn post_with(&mut self, body: Bytes, token: Option<&str>) -> Result<Bytes> {
        let address = self.address;
        let mut request = Request::post("/")
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Full::new(body)).map_err(|e| failed(address, e))?).await
    }

    /// Posts a JSON body with further headers and returns status and body of the answer, whatever the
    /// status.
    ///
    /// # Errors
    /// [`TestnetError::Http`] when the connection breaks.
    pub async fn exchange(
        &mut self,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let address = self.address;
        let request = Request::post("/")
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        self.request(request.body(Full::new(body)).map_err(|e| failed(address, e))?).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Bytes> {
        let (status, body) = self.request(request).await?;
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
            return Err(failed(self.address, format!("status {status}: {text}")));
        }
        Ok(body)
    }

    async fn request(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        let address = self.address;
        self.sender.ready().await.map_err(|e| failed(address, e))?;
        let response = self.sender.send_request(request).await.map_err(|e| failed(address, e))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|e| failed(address, e))?.to_bytes();
        Ok((status, body))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn failed(address: SocketAddr, reason: impl ToString) -> TestnetError {
    TestnetError::Http { address, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn server_once(answer: &'static str) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let mut buffer = [0u8; 4096];
            let _read = stream.read(&mut buffer).await.expect("read");
            stream.write_all(answer.as_bytes()).await.expect("write");
        });
        address
    }

    #[tokio::test]
    async fn returns_the_body() {
        let address = server_once("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        let mut connection = Connection::open(address).await.expect("open");
        assert_eq!(connection.post(Bytes::from_static(b"[]")).await.expect("post"), "{}");
    }

    #[tokio::test]
    async fn another_status_is_an_error_with_its_text() {
        let address =
            server_once("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 4\r\n\r\nbig!").await;
        let mut connection = Connection::open(address).await.expect("open");
        let error = connection.post(Bytes::from_static(b"[]")).await.expect_err("413");
        assert!(error.is_connection());
        assert!(error.to_string().contains("413") && error.to_string().contains("big!"));
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error() {
        let address = SocketAddr::from(([127, 0, 0, 1], crate::free_port().expect("port")));
        assert!(Connection::open(address).await.expect_err("refused").is_connection());
    }
}
