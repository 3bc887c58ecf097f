//! The table of precompiled contracts by fork.

use alloy_evm::precompiles::PrecompilesMap;
use revm::{
    precompile::{PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};

/// The precompiled contracts of `spec`: Ethereum's.
///
/// The map is not `Send` and may be changed per EVM, so it is built anew for each one; the static
/// table behind it is shared. Contracts of this chain's own are applied here, by fork, so that
/// every user of the EVM sees the same table.
pub fn precompiles(spec: SpecId) -> PrecompilesMap {
    PrecompilesMap::from_static(Precompiles::new(PrecompileSpecId::from_spec_id(spec)))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    fn has(spec: SpecId, address: u16) -> bool {
        let address = Address::left_padding_from(&address.to_be_bytes());
        precompiles(spec).addresses().any(|known| *known == address)
    }

    #[test]
    fn contracts_appear_with_their_fork() {
        for (address, before, from) in [
            (5, SpecId::SPURIOUS_DRAGON, SpecId::BYZANTIUM),
            (9, SpecId::PETERSBURG, SpecId::ISTANBUL),
            (0x0a, SpecId::SHANGHAI, SpecId::CANCUN),
            (0x0b, SpecId::CANCUN, SpecId::PRAGUE),
            (0x100, SpecId::PRAGUE, SpecId::OSAKA),
        ] {
            assert!(!has(before, address), "{address:#x} before its fork");
            assert!(has(from, address), "{address:#x} from its fork on");
        }
    }
}
