//! A chain in process with many accounts and a token that all of them hold.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use eyre::{Context, Result, eyre};
use peruri_chainspec::ChainSpec;
use peruri_engine::{BlockImporter, ValidatorSigner};
use peruri_evm::{AssembledBlock, BlockAssembler, NextBlockEnvAttributes, PeruriEvmConfig};
use peruri_ibft2::{ExtraData, Form, ValidatorSet, sealing};
use peruri_primitives::{Header, SealedHeader, TransactionSigned};
use peruri_storage::{DbOptions, ExecutedBlock, ProviderFactory};
use peruri_testnet::{Network, SignedTransaction, Token, Wallet, stranger};
use peruri_validation::{IbftConsensus, StoredValidators};
use rayon::prelude::*;
use std::{fmt::Write, path::Path, sync::Arc};

/// Where the token lies.
pub const TOKEN: Address = Address::repeat_byte(0x70);
/// What each account holds of coin (wei) and token (units).
pub const HOLDING: u64 = 1_000_000_000_000_000_000;
/// Accounts whose keys are known: they send.
pub const SENDERS: usize = 20_000;

const NETWORK: Network = Network { chain_id: 7251, max_fee_per_gas: 0 };

/// A chain with its store in a folder, for measuring without a process around it.
#[derive(Debug)]
pub struct Chain {
    /// The store.
    pub factory: ProviderFactory,
    /// The EVM of the chain.
    pub evm: PeruriEvmConfig,
    spec: Arc<ChainSpec>,
    validator: ValidatorSigner,
    senders: Vec<Wallet>,
    accounts: u64,
    next: u64,
}

impl Chain {
    /// Creates a chain of `accounts` accounts in `folder`, all with coins and tokens.
    ///
    /// # Errors
    /// If the genesis is refused or the store cannot be written.
    pub fn create(folder: &Path, accounts: u64) -> Result<Self> {
        let senders = (0..SENDERS as u64)
            .into_par_iter()
            .map(|i| Wallet::fresh(i, NETWORK))
            .collect::<Result<Vec<_>, _>>()?;
        let validator =
            ValidatorSigner::new(PrivateKeySigner::from_bytes(&B256::repeat_byte(0x51))?);
        let genesis = genesis_json(validator.address(), &holders(&senders, accounts))?;
        let (spec, _notices) = ChainSpec::from_genesis_json(&genesis)?;
        drop(genesis);
        let spec = Arc::new(spec);
        let factory = ProviderFactory::open(folder, Arc::clone(&spec), DbOptions::default())?;
        factory.init_genesis()?;
        let evm = PeruriEvmConfig::new(spec.clone());
        Ok(Self { factory, evm, spec, validator, senders, accounts, next: 0 })
    }

    /// Its genesis file.
    ///
    /// # Errors
    /// If the token's code cannot be read.
    pub fn genesis(&self) -> Result<String> {
        genesis_json(self.validator.address(), &self.holders())
    }

    /// An importer into another store of this chain, which begins at its genesis.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn importer(&self, folder: &Path) -> Result<BlockImporter> {
        let spec = &self.spec;
        let factory = ProviderFactory::open(folder, spec.clone(), DbOptions::default())?;
        factory.init_genesis()?;
        let schedule = spec.ibft2().ok_or_else(|| eyre!("a chain without validators"))?.clone();
        let validators = StoredValidators::new(factory.clone(), Arc::new(schedule));
        let consensus = IbftConsensus::new(spec.clone(), Arc::new(validators));
        Ok(BlockImporter::new(spec.clone(), factory, self.evm.clone(), Arc::new(consensus)))
    }

    /// RLP of a block with the seal of the chain's validator.
    ///
    /// # Errors
    /// If the block is none of this chain.
    pub fn sealed(&self, block: &ExecutedBlock) -> Result<Vec<u8>> {
        let mut block = block.recovered_block.clone_block();
        let digest = sealing::digest_to_sign(&block.header)?;
        let seal = self.validator.sign(digest.0)?.into();
        block.header = sealing::seal_header(&block.header, 0, vec![seal])?;
        Ok(alloy_rlp::encode(block))
    }

    /// All accounts, senders first.
    pub fn holders(&self) -> Vec<Address> {
        holders(&self.senders, self.accounts)
    }

    /// `count` ERC-20 transfers, each by another sender, to holders all over the state.
    ///
    /// # Errors
    /// If signing fails.
    pub fn token_transfers(&mut self, count: usize) -> Result<Vec<SignedTransaction>> {
        self.signed(count, |wallet, to| Token::at(TOKEN).transfer(wallet, to, U256::from(1)))
    }

    /// `count` transfers of coins, each by another sender.
    ///
    /// # Errors
    /// If signing fails.
    pub fn transfers(&mut self, count: usize) -> Result<Vec<SignedTransaction>> {
        self.signed(count, |wallet, to| wallet.transfer(to, U256::from(1)))
    }

    fn signed(
        &mut self,
        count: usize,
        sign: impl Fn(&mut Wallet, Address) -> peruri_testnet::Result<SignedTransaction> + Sync,
    ) -> Result<Vec<SignedTransaction>> {
        if count > SENDERS {
            return Err(eyre!("{count} transactions need more than {SENDERS} senders"));
        }
        let (first, accounts, known) = (self.next, self.accounts, SENDERS as u64);
        self.next += count as u64;
        // Receivers: a fixed walk over all holders that meets none twice in a row.
        let receiver = |n: u64| stranger(known + n.wrapping_mul(7_919) % (accounts - known));
        let start = first as usize % SENDERS;
        let (wrapped, rest) = self.senders.split_at_mut(start);
        rest.iter_mut()
            .chain(wrapped)
            .take(count)
            .collect::<Vec<_>>()
            .into_par_iter()
            .enumerate()
            .map(|(i, wallet)| Ok(sign(wallet, receiver(first + i as u64))?))
            .collect()
    }

    /// Builds the block of `transactions` on the head, without committing it.
    ///
    /// # Errors
    /// If a transaction is invalid or fails, or the store cannot be read.
    pub fn build(&self, transactions: &[SignedTransaction]) -> Result<AssembledBlock> {
        let (transactions, senders) = decode(transactions)?;
        let parent = self.factory.last_header()?;
        let header = self.next_header(&parent);
        let state = self.factory.latest()?;
        let context = self.evm.block_context(&header);
        let mut session = self.evm.begin(&header, context, &*state)?;
        for (transaction, sender) in transactions.iter().zip(&senders) {
            let recovered =
                alloy_consensus::transaction::Recovered::new_unchecked(transaction, *sender);
            let outcome = session.execute_transaction(recovered)?;
            if !outcome.success {
                return Err(eyre!("a transaction of the measurement failed"));
            }
        }
        let outcome = session.finish()?;
        let assembler = BlockAssembler::new(self.evm.clone());
        Ok(assembler.assemble_block(
            header,
            transactions,
            senders,
            Default::default(),
            outcome,
            &*state,
        )?)
    }

    fn next_header(&self, parent: &SealedHeader) -> Header {
        let validator = self.validator.address();
        let validators = ValidatorSet::from_iter([validator]);
        let attributes = NextBlockEnvAttributes {
            timestamp: parent.timestamp + 1,
            coinbase: validator,
            gas_limit: parent.gas_limit,
            extra_data: sealing::unsealed_extra_data(B256::ZERO, &validators, None, 0),
            ..Default::default()
        };
        self.evm.next_header(parent, &attributes)
    }
}

/// Decodes transactions and recovers their senders.
///
/// # Errors
/// If one is damaged.
pub fn decode(
    transactions: &[SignedTransaction],
) -> Result<(Vec<TransactionSigned>, Vec<Address>)> {
    let decoded = transactions
        .par_iter()
        .map(|signed| {
            let transaction = TransactionSigned::decode_2718(&mut signed.raw.as_ref())?;
            let sender = transaction.recover_signer()?;
            Ok((transaction, sender))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(decoded.into_iter().unzip())
}

/// Slot of `holder` in OpenZeppelin's `_balances`, the mapping in slot 0.
pub fn balance_slot(holder: Address) -> B256 {
    let mut key = [0; 64];
    key[12..32].copy_from_slice(holder.as_slice());
    keccak256(key)
}

fn holders(senders: &[Wallet], accounts: u64) -> Vec<Address> {
    let known = senders.iter().map(Wallet::address);
    let others = (senders.len() as u64..accounts).map(stranger);
    known.chain(others).collect()
}

fn genesis_json(validator: Address, holders: &[Address]) -> Result<String> {
    let vanity = Bytes::from_static(&[0; 32]);
    let extra = ExtraData::genesis(vanity, vec![validator]).encode(Form::All);
    let mut json = String::with_capacity(holders.len() * 240);
    write!(
        json,
        r#"{{"config":{{"chainId":{},"berlinBlock":0,"londonBlock":0,"shanghaiTime":0,"cancunTime":0,
        "pragueTime":0,"zeroBaseFee":true,"ibft2":{{"blockperiodseconds":1,"epochlength":30000,
        "requesttimeoutseconds":2}}}},"nonce":"0x0","timestamp":"0x0","baseFeePerGas":"0x0","gasLimit":"0x3b9aca00",
        "difficulty":"0x1","mixHash":"{}","coinbase":"{}","extraData":"{extra}","alloc":{{"#,
        NETWORK.chain_id,
        peruri_ibft2::hash::MIX_HASH,
        Address::ZERO,
    )?;
    for holder in holders {
        write!(json, r#""{holder:x}":{{"balance":"{HOLDING:#x}"}},"#)?;
    }
    let code = Token::runtime_code().wrap_err("the token")?;
    write!(json, r#""{TOKEN:x}":{{"balance":"0x0","nonce":"0x1","code":"{code}","storage":{{"#)?;
    for holder in holders {
        write!(json, r#""{}":"{:#066x}","#, balance_slot(*holder), U256::from(HOLDING))?;
    }
    // OpenZeppelin's `_totalSupply`.
    let supply = U256::from(HOLDING) * U256::from(holders.len());
    write!(json, r#""{:#066x}":"{supply:#066x}"}}}}}}}}"#, 2)?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_chain_takes_blocks() {
        let folder = tempfile::tempdir().expect("folder");
        let accounts = SENDERS as u64 + 1_000;
        let mut chain = Chain::create(folder.path(), accounts).expect("chain");
        for _ in 0..2 {
            let transactions = chain.token_transfers(50).expect("signed");
            let block = chain.build(&transactions).expect("built").executed;
            assert!(block.execution_output.gas_used > 50 * 21_000);
            chain.factory.commit_block(&block).expect("committed");
        }
        assert_eq!(chain.factory.best_block_number().expect("head"), 2);
    }

    #[test]
    fn the_balance_slot_is_soliditys() {
        let mut bytes = [0u8; 64];
        bytes[12..32].copy_from_slice(&[0x11; 20]);
        assert_eq!(balance_slot(Address::repeat_byte(0x11)), keccak256(bytes));
    }
}
