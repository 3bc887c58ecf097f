//! The Prometheus endpoint.

use eyre::WrapErr;
use metrics_exporter_prometheus::PrometheusBuilder;
use std::net::SocketAddr;

/// Installs the recorder that every crate's metrics go to, and serves it at `addr`. Called before the
/// first metric is registered; needs a tokio runtime.
///
/// # Errors
/// If the address cannot be listened on.
pub(crate) fn install(addr: SocketAddr) -> eyre::Result<()> {
    PrometheusBuilder::new()
        .with_http_listener(addr)
        .install()
        .wrap_err_with(|| format!("--metrics {addr}"))
}
