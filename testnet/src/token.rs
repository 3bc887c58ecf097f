//! The ERC-20 of the scenarios: OpenZeppelin's, compiled by npm's solc into a checked-in artifact.

use crate::{Client, Result, SignedTransaction, TestnetError, Wallet, rpc};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};
use serde_json::Value;
use std::time::Duration;

/// Gas offered for a call of the token; a mint or transfer to a new holder needs about 52,000.
const CALL_GAS: u64 = 80_000;
/// Where scenarios have a token from the genesis block on; nobody holds any of it.
pub const SCENARIO_TOKEN: Token = Token::at(Address::repeat_byte(0x70));
/// Gas offered for the deployment.
const DEPLOY_GAS: u64 = 2_000_000;

mod calls {
    alloy_sol_types::sol! {
        function transfer(address to, uint256 amount) returns (bool);
        function approve(address spender, uint256 amount) returns (bool);
        function mint(address to, uint256 amount);
        function balanceOf(address account) view returns (uint256);
        function totalSupply() view returns (uint256);
    }
}

/// A deployed token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    address: Address,
}

impl Token {
    /// The token at `address`.
    pub const fn at(address: Address) -> Self {
        Self { address }
    }

    /// Where it lies.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Code to create a token whose creator owns `supply` and may mint.
    ///
    /// # Errors
    /// [`TestnetError::Answer`] if the checked-in artifact is damaged.
    pub fn init_code(name: &str, symbol: &str, supply: U256) -> Result<Bytes> {
        let mut code = artifact("bytecode")?.to_vec();
        code.extend((name.to_owned(), symbol.to_owned(), supply).abi_encode_params());
        Ok(code.into())
    }

    /// Code as it lies on the chain, immutables aside.
    ///
    /// # Errors
    /// [`TestnetError::Answer`] if the checked-in artifact is damaged.
    pub fn runtime_code() -> Result<Bytes> {
        artifact("deployedBytecode")
    }

    /// Signs the creation; returns it with the token to be.
    ///
    /// # Errors
    /// As [`Wallet::sign`] and [`Token::init_code`].
    pub fn create(owner: &mut Wallet, supply: U256) -> Result<(SignedTransaction, Self)> {
        let address = owner.address().create(owner.nonce());
        let code = Self::init_code("Peruri Test Token", "PTT", supply)?;
        Ok((owner.create(code, DEPLOY_GAS)?, Self { address }))
    }

    /// Creates a token and waits for it.
    ///
    /// # Errors
    /// As [`Client::send_raw`] and [`Client::wait_receipt`]; [`TestnetError::Answer`] with the
    /// receipt if the creation failed.
    pub async fn deploy(
        client: &Client,
        owner: &mut Wallet,
        supply: U256,
    ) -> Result<(Self, Value)> {
        let (transaction, token) = Self::create(owner, supply)?;
        let hash: B256 = client.send_raw(&transaction.raw).await?;
        let receipt = client.wait_receipt(hash, Duration::from_secs(30)).await?;
        if receipt["status"] != "0x1" {
            return Err(TestnetError::Answer {
                method: "eth_getTransactionReceipt".to_owned(),
                expected: "status 0x1",
                got: receipt.to_string(),
            });
        }
        Ok((token, receipt))
    }

    /// Signs a transfer of `amount` units.
    ///
    /// # Errors
    /// As [`Wallet::sign`].
    pub fn transfer(
        &self,
        from: &mut Wallet,
        to: Address,
        amount: U256,
    ) -> Result<SignedTransaction> {
        from.call(self.address, Self::transfer_input(to, amount), CALL_GAS)
    }

    /// Signs an approval of `amount` units, which needs no holding.
    ///
    /// # Errors
    /// As [`Wallet::sign`].
    pub fn approve(
        &self,
        owner: &mut Wallet,
        spender: Address,
        amount: U256,
    ) -> Result<SignedTransaction> {
        owner.call(
            self.address,
            calls::approveCall { spender, amount }.abi_encode().into(),
            CALL_GAS,
        )
    }

    /// Signs a mint of `amount` units; `owner` must be the creator.
    ///
    /// # Errors
    /// As [`Wallet::sign`].
    pub fn mint(&self, owner: &mut Wallet, to: Address, amount: U256) -> Result<SignedTransaction> {
        owner.call(self.address, calls::mintCall { to, amount }.abi_encode().into(), CALL_GAS)
    }

    /// Call data of `transfer`.
    pub fn transfer_input(to: Address, amount: U256) -> Bytes {
        calls::transferCall { to, amount }.abi_encode().into()
    }

    /// The holder's balance, by `eth_call`.
    ///
    /// # Errors
    /// As [`Client::eth_call`].
    pub async fn balance_of(&self, client: &Client, account: Address) -> Result<U256> {
        word(&client.eth_call(self.address, &Self::balance_of_input(account)).await?)
    }

    /// Call data of `balanceOf`.
    pub fn balance_of_input(account: Address) -> Bytes {
        calls::balanceOfCall { account }.abi_encode().into()
    }

    /// The total supply, by `eth_call`.
    ///
    /// # Errors
    /// As [`Client::eth_call`].
    pub async fn total_supply(&self, client: &Client) -> Result<U256> {
        word(&client.eth_call(self.address, &Self::total_supply_input()).await?)
    }

    /// Call data of `totalSupply`.
    pub fn total_supply_input() -> Bytes {
        calls::totalSupplyCall {}.abi_encode().into()
    }
}

fn word(answer: &Bytes) -> Result<U256> {
    U256::try_from_be_slice(answer).filter(|_| answer.len() == 32).ok_or_else(|| {
        TestnetError::Answer {
            method: "eth_call".to_owned(),
            expected: "one 32-byte word",
            got: answer.to_string(),
        }
    })
}

fn artifact(field: &str) -> Result<Bytes> {
    let file = "Token.json";
    let artifact: Value =
        serde_json::from_str(include_str!("../artifacts/Token.json")).map_err(|e| {
            TestnetError::Answer { method: file.to_owned(), expected: "JSON", got: e.to_string() }
        })?;
    rpc::parse(file, "hex code", &artifact[field])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn the_artifact_is_whole() {
        let init = Token::init_code("n", "s", U256::from(1)).expect("artifact");
        assert!(init.starts_with(&artifact("bytecode").expect("artifact")));
        assert!(Token::runtime_code().expect("artifact").len() > 1_000);
    }

    #[test]
    fn transfer_input_is_the_erc20_encoding() {
        let input = Token::transfer_input(Address::repeat_byte(0x11), U256::from(2));
        let expected = format!("a9059cbb{:0>64}{:0>64}", "11".repeat(20), "2");
        assert_eq!(hex::encode(input), expected);
    }

    #[test]
    fn a_created_token_lies_at_the_creators_address() {
        let network = crate::Network { chain_id: 1, max_fee_per_gas: 0 };
        let mut owner = crate::dev_wallet(0, network).expect("key");
        owner.set_nonce(3);
        let expected = owner.address().create(3);
        let (_, token) = Token::create(&mut owner, U256::ZERO).expect("signed");
        assert_eq!(token.address(), expected);
        assert_eq!(owner.nonce(), 4);
    }
}
