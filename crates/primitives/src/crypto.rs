//! Which secp256k1 implementation recovers senders.

/// Name of the function that recovers a transaction's sender in this build.
fn sender_recovery_backend() -> &'static str {
    std::any::type_name_of_val(&alloy_consensus::crypto::secp256k1::public_key_to_address)
}

/// Checks that sender recovery runs on libsecp256k1 (about 38 µs a signature) and not on the
/// pure-Rust implementation (about 185 µs). Both are in the dependency graph; a lost cargo feature
/// would otherwise only show as a slow node.
///
/// # Errors
/// The name of the implementation that is linked instead.
pub fn assert_libsecp256k1() -> Result<(), &'static str> {
    let backend = sender_recovery_backend();
    if backend.contains("impl_secp256k1") { Ok(()) } else { Err(backend) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libsecp256k1_is_linked() {
        assert_eq!(assert_libsecp256k1(), Ok(()));
    }
}
