//! Limits of the pool.

/// Bound of one sub-pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubPoolLimit {
    /// Transactions.
    pub max_txs: usize,
    /// Bytes of memory (estimated per transaction).
    pub max_bytes: usize,
}

impl SubPoolLimit {
    /// A limit of `max_txs` transactions and `max_bytes` bytes.
    pub const fn new(max_txs: usize, max_bytes: usize) -> Self {
        Self { max_txs, max_bytes }
    }
}

/// Limits and policy of the pool. Each has a default that fits a validator with 150 MiB to spare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// Bound of the pending sub-pool.
    pub pending: SubPoolLimit,
    /// Bound of the basefee sub-pool.
    pub basefee: SubPoolLimit,
    /// Bound of the queued sub-pool.
    pub queued: SubPoolLimit,
    /// Transactions of one sender, all sub-pools together.
    pub max_account_slots: usize,
    /// How far a nonce may be ahead of the sender's next executable one.
    pub max_nonce_gap: u64,
    /// Transactions of external origin from senders that are not listed, all together.
    pub max_unknown_external: usize,
    /// Bytes of blob sidecars, all together.
    pub max_blob_bytes: usize,
    /// Percent by which both fees of a replacement must exceed those of what it replaces.
    pub price_bump: u8,
    /// The same for blob transactions, whose blob fee counts too.
    pub blob_price_bump: u8,
    /// Encoded size of a transaction without sidecar, in bytes.
    pub max_tx_bytes: usize,
    /// Encoded size of a blob transaction with sidecar, in bytes.
    pub max_blob_tx_bytes: usize,
    /// Authorizations of one EIP-7702 transaction.
    pub max_authorizations: usize,
    /// Transactions in flight of an account that is delegated (EIP-7702) or about to be: code of
    /// others can empty such an account and invalidate all of them at once.
    pub max_inflight_delegated: usize,
    /// Whether legacy transactions without chain id (EIP-155) are taken.
    pub allow_unprotected: bool,
    /// Blocks for which an evicted transaction is not taken again.
    pub eviction_blocks: u64,
    /// Evicted hashes that are remembered; the oldest are forgotten first.
    pub max_evicted: usize,
    /// Blocks after which a transaction that is still queued is dropped.
    pub queued_lifetime_blocks: u64,
    /// Transactions in the lane of the transparency log.
    pub max_lane_txs: usize,
    /// Bytes of memory that one source's transactions in the lane may take.
    pub max_lane_source_bytes: usize,
    /// Blocks for which a transaction stays in the lane although it is reverted while they are built.
    pub lane_revert_blocks: u64,
    /// Batches a slow listener may lag behind before it loses the oldest.
    pub listener_capacity: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            pending: SubPoolLimit::new(131_072, 160 * MIB),
            basefee: SubPoolLimit::new(16_384, 32 * MIB),
            queued: SubPoolLimit::new(16_384, 32 * MIB),
            max_account_slots: 16_384,
            max_nonce_gap: 4_096,
            max_unknown_external: 16_384,
            max_blob_bytes: 64 * MIB,
            price_bump: 10,
            blob_price_bump: 100,
            // An append of 1,024 entries is 143,600 bytes.
            max_tx_bytes: 160 * 1024,
            max_blob_tx_bytes: 2 * MIB,
            max_authorizations: 32,
            max_inflight_delegated: 1,
            allow_unprotected: false,
            eviction_blocks: 100,
            max_evicted: 8_192,
            queued_lifetime_blocks: 1_800,
            max_lane_txs: 1_024,
            max_lane_source_bytes: 16 * MIB,
            lane_revert_blocks: 10,
            listener_capacity: 256,
        }
    }
}
