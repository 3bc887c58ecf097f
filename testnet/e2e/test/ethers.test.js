// ethers: deploy, call, logs, errors, provider state.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet, ZeroAddress, parseEther } from "ethers";
import { account, artifact, rpcUrl } from "../lib/env.js";

const provider = new JsonRpcProvider(rpcUrl, undefined, { staticNetwork: true, pollingInterval: 100, cacheTimeout: -1 });
const wallet = new Wallet(account(2).privateKey, provider);
const signer = new NonceManager(wallet);
const other = account(14).address;
let token;

before(async () => {
  const factory = new ContractFactory(artifact.abi, artifact.bytecode, signer);
  token = await factory.deploy("Ethers Token", "ETH", 1_000_000n);
  await token.waitForDeployment();
});

after(() => provider.destroy());

test("the network is known and blocks advance", async () => {
  const { chainId } = await provider.getNetwork();
  assert.ok(chainId > 0n);
  const head = await provider.getBlockNumber();
  await new Promise((accept) => provider.once("block", accept));
  assert.ok((await provider.getBlockNumber()) >= head);
});

test("a transfer is mined and its receipt agrees with the block", async () => {
  const sent = await signer.sendTransaction({ to: other, value: parseEther("1") });
  const receipt = await sent.wait();
  assert.equal(receipt.status, 1);
  const block = await receipt.getBlock();
  assert.ok(block.transactions.includes(sent.hash));
  assert.equal(await provider.getBalance(other), parseEther("1"));
});

test("deploy, call, send, and read the events", async () => {
  assert.equal(await token.symbol(), "ETH");
  const receipt = await (await token.transfer(other, 7n)).wait();
  assert.equal(await token.balanceOf(other), 7n);
  const events = await token.queryFilter(token.filters.Transfer(null, other), receipt.blockNumber);
  assert.equal(events.length, 1);
  assert.equal(events[0].args.value, 7n);
  const minted = await token.queryFilter(token.filters.Transfer(ZeroAddress), 0);
  assert.equal(minted.length, 1);
});

test("approve and transferFrom by another account", async () => {
  const spender = new Wallet(account(3).privateKey, provider);
  await (await token.approve(spender.address, 50n)).wait();
  await (await token.connect(spender).transferFrom(wallet.address, other, 20n)).wait();
  assert.equal(await token.allowance(wallet.address, spender.address), 30n);
});

test("a revert is decoded to its custom error", async () => {
  const stranger = new Contract(await token.getAddress(), artifact.abi, new Wallet(account(15).privateKey, provider));
  await assert.rejects(stranger.mint.staticCall(other, 1n), (error) => {
    assert.equal(error.code, "CALL_EXCEPTION");
    assert.equal(error.revert?.name, "OwnableUnauthorizedAccount");
    return true;
  });
});

test("nonce errors are the ones that ethers knows", async () => {
  const used = await provider.getTransactionCount(wallet.address);
  assert.ok(used > 0);
  const late = wallet.sendTransaction({ to: other, value: 0n, nonce: 0, gasLimit: 21000n });
  await assert.rejects(late, (error) => {
    assert.equal(error.code, "NONCE_EXPIRED");
    return true;
  });
});

test("an account without funds is refused with ethers' code", async () => {
  const poor = new Wallet(`0x${"42".repeat(32)}`, provider);
  await assert.rejects(poor.sendTransaction({ to: other, value: 1n, gasLimit: 21000n }), (error) => {
    assert.equal(error.code, "INSUFFICIENT_FUNDS");
    return true;
  });
});
