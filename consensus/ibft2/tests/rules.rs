//! The header rules one by one: each test starts from a valid sealed header and breaks one thing.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use alloy_consensus::{Header, crypto::secp256k1::sign_message};
use alloy_primitives::{Address, B64, B256, U256};
use peruri_ibft2::{
    BlockPeriod, FeeMarket, HeaderContext, HeaderError, IbftHeader, Mode, Seal, ValidatorSet,
    digest_to_sign, prepare_header, seal_header, unsealed_extra_data, validate_header,
};
use reth_primitives_traits::SealedHeader;

const GAS_LIMIT: u64 = 10_240_000;
const PARENT_TIME: u64 = 1_000;
const PERIOD: u64 = 5;

fn key(member: u8) -> B256 {
    B256::with_last_byte(member)
}

/// Address of a test key, found by recovering a signature of it.
fn address(member: u8) -> Address {
    let digest = B256::repeat_byte(1);
    let seal = Seal::try_from(sign_message(key(member), digest).unwrap()).unwrap();
    seal.recover(digest.into()).unwrap()
}

fn members(count: u8) -> ValidatorSet {
    (1..=count).map(address).collect()
}

fn parent() -> SealedHeader<IbftHeader> {
    let extra = unsealed_extra_data(B256::ZERO, &members(4), None, 0);
    let header =
        Header { number: 9, gas_limit: GAS_LIMIT, timestamp: PARENT_TIME, ..Header::default() };
    SealedHeader::seal_slow(prepare_header(header, extra))
}

fn child() -> IbftHeader {
    let parent = parent();
    let header = Header {
        parent_hash: parent.hash(),
        number: 10,
        beneficiary: address(1),
        gas_limit: GAS_LIMIT,
        timestamp: PARENT_TIME + PERIOD,
        ..Header::default()
    };
    prepare_header(header, unsealed_extra_data(B256::ZERO, &members(4), None, 0))
}

fn seals(header: &IbftHeader, signers: &[u8]) -> Vec<Seal> {
    let digest = digest_to_sign(header).unwrap();
    let sign = |member: &u8| sign_message(key(*member), digest.into()).unwrap();
    signers.iter().map(|member| Seal::try_from(sign(member)).unwrap()).collect()
}

fn sealed_by(signers: &[u8]) -> IbftHeader {
    let header = child();
    seal_header(&header, 0, seals(&header, signers)).unwrap()
}

struct Check {
    now: u64,
    period: BlockPeriod,
    fee_market: FeeMarket,
    mode: Mode,
}

const LIGHT: Check = Check {
    now: PARENT_TIME + PERIOD,
    period: BlockPeriod::Seconds(PERIOD),
    fee_market: FeeMarket::Inactive,
    mode: Mode::Light,
};
const FULL: Check = Check { mode: Mode::Full, ..LIGHT };

impl Check {
    fn run(&self, header: &IbftHeader) -> Result<(), HeaderError> {
        let validators = members(4);
        let ctx = HeaderContext {
            validators: &validators,
            period: self.period,
            now: self.now,
            fee_market: self.fee_market,
        };
        validate_header(header, &parent(), &ctx, self.mode)
    }
}

fn changed(change: impl FnOnce(&mut IbftHeader)) -> Result<(), HeaderError> {
    let mut header = child();
    change(&mut header);
    LIGHT.run(&header)
}

#[test]
fn valid_header_passes_both_modes() {
    assert_eq!(LIGHT.run(&child()), Ok(()));
    assert_eq!(FULL.run(&sealed_by(&[1, 2, 3])), Ok(()));
    assert_eq!(FULL.run(&sealed_by(&[4, 3, 2, 1])), Ok(()));
}

#[test]
fn ancestry_is_by_block_hash_and_number() {
    let error = changed(|header| header.parent_hash = B256::ZERO).unwrap_err();
    assert!(matches!(error, HeaderError::ParentHash { .. }));
    let error = changed(|header| header.number = 11).unwrap_err();
    assert_eq!(error, HeaderError::Number { parent: 9, got: 11 });
}

#[test]
fn gas_used_is_bounded_by_the_limit() {
    assert_eq!(changed(|header| header.gas_used = GAS_LIMIT), Ok(()));
    assert!(matches!(
        changed(|header| header.gas_used = GAS_LIMIT + 1),
        Err(HeaderError::GasUsed { .. })
    ));
}

#[test]
fn gas_limit_moves_by_less_than_a_1024th() {
    let step = GAS_LIMIT / 1_024;
    assert_eq!(changed(|header| header.gas_limit += step - 1), Ok(()));
    assert_eq!(changed(|header| header.gas_limit -= step - 1), Ok(()));
    for limit in [GAS_LIMIT + step, GAS_LIMIT - step] {
        assert!(matches!(
            changed(|header| header.gas_limit = limit),
            Err(HeaderError::GasLimitStep { .. })
        ));
    }
    for limit in [0, 4_999, 1 << 63, u64::MAX] {
        assert_eq!(
            changed(|header| header.gas_limit = limit),
            Err(HeaderError::GasLimitRange { got: limit })
        );
    }
}

#[test]
fn gas_limit_doubles_where_london_activates() {
    let check = Check { fee_market: FeeMarket::Activating, ..LIGHT };
    let mut header = child();
    header.base_fee_per_gas = Some(1);
    assert!(matches!(check.run(&header), Err(HeaderError::GasLimitStep { .. })));
    header.gas_limit = 2 * GAS_LIMIT;
    assert_eq!(check.run(&header), Ok(()));
    let check = Check { fee_market: FeeMarket::Active, ..LIGHT };
    assert!(check.run(&header).is_err());
}

#[test]
fn base_fee_is_refused_before_london_and_unchecked_after() {
    assert_eq!(
        changed(|header| header.base_fee_per_gas = Some(0)),
        Err(HeaderError::BaseFeeBeforeLondon { got: 0 })
    );
    let check = Check { fee_market: FeeMarket::Active, ..LIGHT };
    let mut header = child();
    for base_fee in [None, Some(0), Some(u64::MAX)] {
        header.base_fee_per_gas = base_fee;
        assert_eq!(check.run(&header), Ok(()));
    }
}

#[test]
fn time_is_at_most_a_second_ahead() {
    let mut header = child();
    header.timestamp = LIGHT.now + 1;
    assert_eq!(LIGHT.run(&header), Ok(()));
    header.timestamp = LIGHT.now + 2;
    let error = LIGHT.run(&header).unwrap_err();
    assert_eq!(error, HeaderError::Future { limit: LIGHT.now + 1, got: LIGHT.now + 2 });
    assert!(error.is_transient());
}

#[test]
fn constants_are_fixed() {
    assert!(matches!(
        changed(|header| header.mix_hash = B256::ZERO),
        Err(HeaderError::MixHash { .. })
    ));
    assert!(matches!(
        changed(|header| header.ommers_hash = B256::ZERO),
        Err(HeaderError::OmmersHash { .. })
    ));
    assert!(matches!(
        changed(|header| header.difficulty = U256::from(2)),
        Err(HeaderError::Difficulty { .. })
    ));
    assert!(matches!(
        changed(|header| header.nonce = B64::with_last_byte(1)),
        Err(HeaderError::Nonce { .. })
    ));
}

#[test]
fn validators_are_exactly_the_set() {
    for count in [3, 5] {
        let extra = unsealed_extra_data(B256::ZERO, &members(count), None, 0);
        assert!(matches!(
            changed(|header| header.extra_data = extra),
            Err(HeaderError::Validators { .. })
        ));
    }
    let error = changed(|header| header.extra_data = Default::default()).unwrap_err();
    assert!(matches!(error, HeaderError::ExtraData(_)));
    assert_eq!(error.rule(), 9);
}

#[test]
fn coinbase_is_a_member() {
    assert_eq!(
        changed(|header| header.beneficiary = address(5)),
        Err(HeaderError::Coinbase { got: address(5) })
    );
}

#[test]
fn quorum_of_seals_is_needed_in_full_mode_only() {
    let header = sealed_by(&[1, 2]);
    assert_eq!(FULL.run(&header), Err(HeaderError::TooFewSeals { needed: 3, got: 2 }));
    assert_eq!(LIGHT.run(&header), Ok(()));
}

#[test]
fn one_outsider_spoils_a_quorum() {
    assert_eq!(
        FULL.run(&sealed_by(&[1, 2, 3, 9])),
        Err(HeaderError::SealOfOutsider { signer: address(9) })
    );
}

#[test]
fn signer_counts_once() {
    assert_eq!(
        FULL.run(&sealed_by(&[1, 2, 3, 3])),
        Err(HeaderError::SealTwice { signer: address(3) })
    );
    assert!(matches!(
        FULL.run(&sealed_by(&[1, 2, 3, 4, 4])),
        Err(HeaderError::TooManySeals { members: 4, got: 5 })
    ));
}

#[test]
fn seals_are_bound_to_the_round() {
    let header = child();
    let other_round = seal_header(&header, 1, seals(&header, &[1, 2, 3])).unwrap();
    assert_eq!(FULL.run(&other_round).unwrap_err().rule(), 11);
}

#[test]
fn time_is_a_period_after_the_parent() {
    assert_eq!(
        changed(|header| header.timestamp -= 1),
        Err(HeaderError::Past { earliest: PARENT_TIME + PERIOD, got: PARENT_TIME + PERIOD - 1 })
    );
}

#[test]
fn short_periods_only_forbid_going_back() {
    let check = Check { period: BlockPeriod::Milliseconds(250), ..LIGHT };
    let mut header = child();
    header.timestamp = PARENT_TIME;
    assert_eq!(check.run(&header), Ok(()));
    header.timestamp = PARENT_TIME - 1;
    assert!(matches!(check.run(&header), Err(HeaderError::Past { .. })));
}

#[test]
fn first_broken_rule_is_reported() {
    let error = changed(|header| {
        header.gas_used = u64::MAX;
        header.nonce = B64::with_last_byte(1);
        header.timestamp = 0;
    });
    assert_eq!(error.unwrap_err().rule(), 2);
}
