//! Several engines that agree over libp2p: four validators, and others that follow.

mod agreement;
mod eclipse;
mod followers;
mod liars;
mod restarts;
mod strangers;
mod votes;

use crate::support::Live;

/// Every block up to the lowest head is the same everywhere, and so is the state.
fn assert_agreement<'a>(nodes: impl IntoIterator<Item = &'a Live> + Clone) {
    let heads = nodes.clone().into_iter().map(|node| node.node.head().0);
    for number in 1..=heads.min().unwrap() {
        let headers = nodes
            .clone()
            .into_iter()
            .map(|node| node.node.provider.sealed_header(number).unwrap().unwrap());
        let headers: Vec<_> = headers.map(|header| (header.hash(), header.state_root)).collect();
        assert!(headers.iter().all(|header| *header == headers[0]), "block {number}: {headers:?}");
    }
}
