//! The operators' HTTP port: `/metrics` for Prometheus, `/health` and `/ready` for those who restart or
//! route.

mod readiness;
mod server;

pub(crate) use readiness::Readiness;
pub(crate) use server::serve;

use eyre::WrapErr;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Installs the recorder that every crate's metrics go to. Called before the first metric is registered;
/// needs a tokio runtime.
///
/// # Errors
/// If the process has a recorder already.
pub(crate) fn install() -> eyre::Result<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().wrap_err("metrics")
}
