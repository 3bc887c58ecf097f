//! A small HTTP server.

use super::Readiness;
use eyre::WrapErr;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Connections that are served at a time.
const CONNECTIONS: usize = 64;
/// How long a request's head may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What requests are answered from.
#[derive(Debug)]
struct Answers {
    metrics: PrometheusHandle,
    readiness: Readiness,
}

/// Listens on `addr` and serves until `shutdown` fires.
///
/// # Errors
/// If the address cannot be listened on.
pub(crate) async fn serve(
    addr: SocketAddr,
    metrics: PrometheusHandle,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> eyre::Result<impl Future<Output = eyre::Result<()>>> {
    let listener = TcpListener::bind(addr).await.wrap_err_with(|| format!("--metrics {addr}"))?;
    info!(target: "node", addr = %listener.local_addr()?, "metrics, health and readiness");
    let answers = Arc::new(Answers { metrics, readiness });
    Ok(accept(listener, answers, shutdown))
}

async fn accept(
    listener: TcpListener,
    answers: Arc<Answers>,
    shutdown: CancellationToken,
) -> eyre::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await?;
        let stream = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(target: "node", %error, "metrics connection not accepted");
                    continue;
                }
            },
        };
        let answers = answers.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(answers.clone(), request));
            // A client that breaks off has its own reasons.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(place);
        });
    }
}

async fn answer(
    answers: Arc<Answers>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, answers.metrics.render()),
        (&Method::GET, "/health") => (StatusCode::OK, "alive\n".to_owned()),
        (&Method::GET, "/ready") => match answers.readiness.obstacles().await {
            obstacles if obstacles.is_empty() => (StatusCode::OK, "ready\n".to_owned()),
            obstacles => (StatusCode::SERVICE_UNAVAILABLE, obstacles.join("\n") + "\n"),
        },
        _ => (StatusCode::NOT_FOUND, "there are /metrics, /health and /ready\n".to_owned()),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    Ok(response)
}
