//! Namespace `volume`.

use crate::{NAME, Volume, Volumes};
use alloy_primitives::Address;
use jsonrpsee::{Methods, core::RpcResult, proc_macros::rpc, types::ErrorObjectOwned};
use peruri_storage::ProviderFactory;

/// Name of the namespace.
pub const NAMESPACE: &str = "volume";

/// Code of an internal error (JSON-RPC 2.0 §5.1).
const INTERNAL: i32 = -32603;

/// What the extension has counted.
#[rpc(server, client, namespace = "volume")]
pub trait VolumeApi {
    /// The sum of everything.
    #[method(name = "total", blocking)]
    fn total(&self) -> RpcResult<Volume>;

    /// What one sender moved.
    #[method(name = "of", blocking)]
    fn of(&self, sender: Address) -> RpcResult<Volume>;
}

impl VolumeApiServer for Volumes {
    fn total(&self) -> RpcResult<Volume> {
        Self::total(self).map_err(internal)
    }

    fn of(&self, sender: Address) -> RpcResult<Volume> {
        Self::of(self, sender).map_err(internal)
    }
}

/// The methods, answered from the rows of the extension in this store.
///
/// # Errors
/// Never in practice: the name of the extension is a good one.
pub fn methods(provider: &ProviderFactory) -> eyre::Result<Methods> {
    Ok(Volumes::new(provider.extension(NAME)?).into_rpc().into())
}

fn internal(error: eyre::Report) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INTERNAL, error.to_string(), None::<()>)
}
