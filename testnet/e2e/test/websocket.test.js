// WebSocket subscriptions through viem, ethers and a bare socket.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Contract, WebSocketProvider } from "ethers";
import { createPublicClient, webSocket } from "viem";
import { account, artifact, chain, client, deployToken, within, wsUrl } from "../lib/env.js";
import { open } from "../lib/socket.js";

const me = account(6);
const other = account(18).address;
const viem = client(me);
let token;
let socket;

before(async () => {
  token = (await deployToken(viem, "Socket Token", "WS")).address;
  socket = createPublicClient({ chain, transport: webSocket(wsUrl) });
});

after(async () => (await socket.transport.getRpcClient()).close());

const send = () => viem.writeContract({ address: token, abi: artifact.abi, functionName: "transfer", args: [other, 3n] });

test("newHeads: every block once, in order", async () => {
  const seen = [];
  let stop;
  await within(30, "three blocks", (take) => {
    stop = socket.watchBlocks({
      onBlock: (block) => {
        seen.push(block.number);
        if (seen.length === 3) take();
      },
    });
  });
  stop();
  assert.deepEqual(seen, [seen[0], seen[0] + 1n, seen[0] + 2n]);
});

test("logs: the event of a transfer arrives with its block", async () => {
  let stop;
  const wanted = { hash: undefined };
  const log = await within(30, "the event", async (take) => {
    const ready = [];
    stop = socket.watchContractEvent({
      address: token, abi: artifact.abi, eventName: "Transfer", args: { to: other },
      onLogs: (logs) => {
        ready.push(...logs);
        const match = ready.find((entry) => entry.transactionHash === wanted.hash);
        if (match) take(match);
      },
    });
    // The subscription must stand before the transaction is sent.
    await socket.getChainId();
    wanted.hash = await send();
    const match = ready.find((entry) => entry.transactionHash === wanted.hash);
    if (match) take(match);
  });
  stop();
  assert.equal(log.args.value, 3n);
  const receipt = await viem.waitForTransactionReceipt({ hash: wanted.hash });
  assert.equal(log.blockHash, receipt.blockHash);
});

test("newPendingTransactions: a sent hash is announced", async () => {
  let stop;
  const hashes = new Set();
  let wanted;
  await within(30, "the hash", async (take) => {
    stop = socket.watchPendingTransactions({
      onTransactions: (list) => {
        list.forEach((hash) => hashes.add(hash));
        if (hashes.has(wanted)) take();
      },
    });
    await socket.getChainId();
    wanted = await send();
    if (hashes.has(wanted)) take();
  });
  stop();
});

test("ethers' WebSocketProvider sees blocks and events", async () => {
  const provider = new WebSocketProvider(wsUrl);
  try {
    const contract = new Contract(token, artifact.abi, provider);
    const event = await within(30, "the event", async (take) => {
      await contract.on(contract.filters.Transfer(null, other), ({ args }) => take({ from: args.from, value: args.value }));
      await provider.getBlockNumber();
      await send();
    });
    assert.deepEqual(event, { from: me.address, value: 3n });
    await contract.removeAllListeners();
    const number = await within(30, "a block", (take) => provider.once("block", take));
    assert.ok(number > 0);
  } finally {
    await provider.destroy();
  }
});

test("calls work over the socket, and unsubscribe answers true", async () => {
  assert.equal(await socket.getChainId(), chain.id);
  const bare = await open(wsUrl);
  try {
    const { result: id } = await bare.call("eth_subscribe", ["newHeads"]);
    assert.match(id, /^0x[0-9a-f]+$/);
    assert.equal((await bare.call("eth_unsubscribe", [id])).result, true);
    assert.ok((await bare.call("eth_subscribe", ["no such kind"])).error);
  } finally {
    bare.close();
  }
});
