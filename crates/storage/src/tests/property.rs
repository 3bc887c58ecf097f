use alloy_primitives::{Address, B256};
use proptest::prelude::*;

use super::support::{Edit, TestChain, assert_state};
use crate::NoProgress;

fn address() -> impl Strategy<Value = Address> {
    // Close in hash order or not, what matters is that accounts collide often.
    (0u8..20).prop_map(Address::with_last_byte)
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (address(), 0u64..4, 0u64..1000).prop_map(|(a, n, b)| Edit::Account(a, n, b)),
        6 => (address(), 0u8..16, 0u64..4).prop_map(|(a, s, v)| Edit::Slot(a, s, v)),
        1 => address().prop_map(Edit::Destroy),
        1 => (address(), 0u8..16, 0u64..4).prop_map(|(a, s, v)| Edit::Recreate(a, s, v)),
    ]
}

fn blocks() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    proptest::collection::vec(proptest::collection::vec(edit(), 0..25), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Roots are compared with a full computation in `execute`, on every block.
    #[test]
    fn state_history_and_proofs_equal_a_replay(blocks in blocks()) {
        let addresses: Vec<_> = (0..20).map(Address::with_last_byte).collect();
        let mut chain = TestChain::new();
        let mut models = vec![chain.model.clone()];
        for edits in &blocks {
            chain.commit(edits);
            models.push(chain.model.clone());
        }
        let chain = chain.reopen();
        assert_state(&chain.factory.latest().unwrap(), &chain.model, &addresses);
        for (number, model) in models.iter().enumerate() {
            let state = chain.factory.history_by_block_number(number as u64).unwrap();
            assert_state(&state, model, &addresses);
            let root = chain.factory.sealed_header(number as u64).unwrap().unwrap().state_root;
            for address in addresses.iter().step_by(3) {
                let slots = [B256::with_last_byte(1), B256::with_last_byte(9)];
                let proof = state.proof(*address, &slots).unwrap();
                proof.verify(root).unwrap();
                prop_assert_eq!(proof.info, state.account(address).unwrap());
                for slot in proof.storage_proofs {
                    prop_assert_eq!(slot.value, state.storage(*address, slot.key).unwrap());
                }
            }
            // A root on top of an old block equals the root on top of its model.
            let again = state.state_root_with_updates(&Default::default()).unwrap();
            prop_assert_eq!(again.root, root);
        }
        let report = chain.factory.verify_state(&mut NoProgress).unwrap();
        prop_assert!(report.is_clean(), "{:?}", report);
        let report = chain.factory.verify_history(&mut NoProgress).unwrap();
        prop_assert!(report.is_clean(), "{:?}", report);
    }
}
