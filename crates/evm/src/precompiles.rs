//! The table of precompiled contracts by fork.

use alloy_evm::precompiles::PrecompilesMap;
use peruri_plog::PLOG_ADDRESS;
use revm::{
    precompile::{PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};

use crate::plog::{self, Capture};

/// The precompiled contracts of `spec`: Ethereum's, and the transparency log where `plog` says that
/// it is active.
///
/// The map is not `Send` and may be changed per EVM, so it is built anew for each one; the static
/// table behind it is shared. Contracts of this chain's own are applied here, so that every user of
/// the EVM sees the same table.
pub fn precompiles(spec: SpecId, plog: bool) -> PrecompilesMap {
    let mut map =
        PrecompilesMap::from_static(Precompiles::new(PrecompileSpecId::from_spec_id(spec)));
    if plog {
        map.apply_precompile(&PLOG_ADDRESS, |_| Some(plog::precompile(Capture::default())));
    }
    map
}

/// Lets the entries that the transparency log of `map` appends, if it has one, go to `capture`.
pub(crate) fn capture_plog(map: &mut PrecompilesMap, capture: &Capture) {
    if map.get(&PLOG_ADDRESS).is_some() {
        map.apply_precompile(&PLOG_ADDRESS, |_| Some(plog::precompile(capture.clone())));
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    fn has(spec: SpecId, address: u16) -> bool {
        let address = Address::left_padding_from(&address.to_be_bytes());
        precompiles(spec, false).addresses().any(|known| *known == address)
    }

    #[test]
    fn the_log_is_there_when_it_is_active() {
        for plog in [false, true] {
            let map = precompiles(SpecId::PRAGUE, plog);
            assert_eq!(map.addresses().any(|known| *known == PLOG_ADDRESS), plog);
            assert_eq!(map.get(&PLOG_ADDRESS).is_some(), plog);
        }
    }

    #[test]
    fn the_log_is_never_cached() {
        use alloy_evm::precompiles::Precompile;
        let map = precompiles(SpecId::PRAGUE, true);
        assert!(!map.get(&PLOG_ADDRESS).is_some_and(|log| log.supports_caching()));
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
