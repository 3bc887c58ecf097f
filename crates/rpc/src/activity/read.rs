//! Answers of [`ActivityApiServer`].

use super::{
    answer::{self, refused},
    params,
};
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_activity::ActivityHandle;
use peruri_rpc_api::{
    ActivityApiServer, ActivityCompletions, ActivityQueue, ActivityStatus, OneOrMany,
};
use serde_json::Value;

/// Answers of [`ActivityApiServer`].
pub(crate) struct ActivityRead {
    handle: ActivityHandle,
}

impl ActivityRead {
    pub(crate) const fn new(handle: ActivityHandle) -> Self {
        Self { handle }
    }
}

#[async_trait]
impl ActivityApiServer for ActivityRead {
    fn get_status(&self, ids: Value) -> RpcResult<OneOrMany<ActivityStatus>> {
        let (ids, many) = params::ids(&ids).map_err(refused)?;
        let source = self.handle.settings().source;
        let known = self.handle.status(&ids).map_err(refused)?;
        let mut known = known.iter().map(|status| answer::status(source, status));
        match known.next() {
            Some(status) if !many => Ok(OneOrMany::One(status)),
            first => Ok(OneOrMany::Many(first.into_iter().chain(known).collect())),
        }
    }

    async fn get_completions(&self, query: Value) -> RpcResult<ActivityCompletions> {
        let query = params::completions(&query).map_err(refused)?;
        let found = self.handle.completions(query.from, query.limit, query.wait).await;
        let found = found.map_err(refused)?;
        let items = found.items.iter().map(answer::completion).collect();
        Ok(ActivityCompletions { items, next: found.next })
    }

    fn get_queue(&self) -> RpcResult<ActivityQueue> {
        Ok(answer::queue(&self.handle.queue().map_err(refused)?))
    }
}
