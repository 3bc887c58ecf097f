//! Accounts that sign: the well-known development keys, and as many fresh ones as a load needs.

use crate::{Client, Result, rpc};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, b256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

/// The first keys of the mnemonic `test test test test test test test test test test test junk`
/// (m/44'/60'/0'/0/i): public knowledge, funded on development chains only.
pub const DEV_KEYS: [B256; 10] = [
    b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    b256!("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    b256!("47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
    b256!("8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"),
    b256!("92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"),
    b256!("4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"),
    b256!("dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"),
    b256!("2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"),
];

/// What a signer must know of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Chain id.
    pub chain_id: u64,
    /// Highest price per gas to offer, in wei; 0 where the base fee is zero.
    pub max_fee_per_gas: u128,
}

impl Network {
    /// Asks a node. Where there is a base fee, the offer is 100 times the present one.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn of(client: &Client) -> Result<Self> {
        let chain_id = client.chain_id().await?;
        let latest = client.block("latest").await?.unwrap_or_default();
        let base_fee = match latest.get("baseFeePerGas") {
            Some(fee) if !fee.is_null() => rpc::quantity("eth_getBlockByNumber", fee)?,
            _ => 0,
        };
        Ok(Self { chain_id, max_fee_per_gas: u128::from(base_fee) * 100 })
    }
}

/// A transaction ready for `eth_sendRawTransaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// Its hash.
    pub hash: B256,
    /// Its EIP-2718 encoding.
    pub raw: Bytes,
}

/// A key with its next nonce.
#[derive(Debug, Clone)]
pub struct Wallet {
    signer: PrivateKeySigner,
    network: Network,
    nonce: u64,
}

impl Wallet {
    /// The wallet of a secret key, at nonce 0.
    ///
    /// # Errors
    /// [`crate::TestnetError::Signer`] if the key is no valid scalar.
    pub fn new(key: &B256, network: Network) -> Result<Self> {
        let signer = PrivateKeySigner::from_bytes(key).map_err(alloy_signer::Error::other)?;
        Ok(Self { signer, network, nonce: 0 })
    }

    /// The `index`th fresh account of a run: derived, so that every run knows them again.
    ///
    /// # Errors
    /// As [`Wallet::new`].
    pub fn fresh(index: u64, network: Network) -> Result<Self> {
        let mut seed = *b"peruri-testnet account \0\0\0\0\0\0\0\0";
        seed[23..].copy_from_slice(&index.to_be_bytes());
        Self::new(&keccak256(seed), network)
    }

    /// The account's address.
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// The nonce of the next transaction.
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Continues at `nonce`.
    pub const fn set_nonce(&mut self, nonce: u64) {
        self.nonce = nonce;
    }

    /// Sends `value` wei to `to`.
    ///
    /// # Errors
    /// As [`Wallet::sign`].
    pub fn transfer(&mut self, to: Address, value: U256) -> Result<SignedTransaction> {
        self.sign(TxKind::Call(to), value, Bytes::new(), 21_000)
    }

    /// Calls `to` with `input`.
    ///
    /// # Errors
    /// As [`Wallet::sign`].
    pub fn call(&mut self, to: Address, input: Bytes, gas: u64) -> Result<SignedTransaction> {
        self.sign(TxKind::Call(to), U256::ZERO, input, gas)
    }

    /// Creates a contract. Its address is `self.address().create(nonce)`.
    ///
    /// # Errors
    /// As [`Wallet::sign`].
    pub fn create(&mut self, init_code: Bytes, gas: u64) -> Result<SignedTransaction> {
        self.sign(TxKind::Create, U256::ZERO, init_code, gas)
    }

    /// Signs an EIP-1559 transaction with the next nonce.
    ///
    /// # Errors
    /// [`crate::TestnetError::Signer`].
    pub fn sign(
        &mut self,
        to: TxKind,
        value: U256,
        input: Bytes,
        gas_limit: u64,
    ) -> Result<SignedTransaction> {
        let tx = TxEip1559 {
            chain_id: self.network.chain_id,
            nonce: self.nonce,
            gas_limit,
            max_fee_per_gas: self.network.max_fee_per_gas,
            max_priority_fee_per_gas: 0,
            to,
            value,
            input,
            access_list: Default::default(),
        };
        let signature = self.signer.sign_hash_sync(&tx.signature_hash())?;
        let signed = TxEnvelope::Eip1559(tx.into_signed(signature));
        self.nonce += 1;
        Ok(SignedTransaction { hash: *signed.tx_hash(), raw: signed.encoded_2718().into() })
    }
}

/// The `index`th development account (modulo their number).
///
/// # Errors
/// As [`Wallet::new`].
pub fn dev_wallet(index: usize, network: Network) -> Result<Wallet> {
    Wallet::new(&DEV_KEYS[index % DEV_KEYS.len()], network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{Transaction, transaction::SignerRecoverable};
    use alloy_eips::eip2718::Decodable2718;
    use alloy_primitives::address;

    const NETWORK: Network = Network { chain_id: 7252, max_fee_per_gas: 0 };

    #[test]
    fn dev_keys_are_the_well_known_accounts() {
        let first = dev_wallet(0, NETWORK).expect("key").address();
        assert_eq!(first, address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        let last = dev_wallet(9, NETWORK).expect("key").address();
        assert_eq!(last, address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"));
    }

    #[test]
    fn signed_bytes_decode_to_what_was_asked() {
        let mut wallet = dev_wallet(0, NETWORK).expect("key");
        wallet.set_nonce(5);
        let sent = wallet.transfer(Address::repeat_byte(1), U256::from(3)).expect("signed");
        let decoded = TxEnvelope::decode_2718(&mut sent.raw.as_ref()).expect("decodes");
        assert_eq!(*decoded.tx_hash(), sent.hash);
        assert_eq!(decoded.nonce(), 5);
        assert_eq!(decoded.chain_id(), Some(7252));
        assert_eq!(decoded.recover_signer().expect("recovers"), wallet.address());
        assert_eq!(wallet.nonce(), 6);
    }

    #[test]
    fn fresh_accounts_differ_and_are_repeatable() {
        let address = |i| Wallet::fresh(i, NETWORK).expect("key").address();
        assert_ne!(address(0), address(1));
        assert_eq!(address(7), address(7));
    }
}
