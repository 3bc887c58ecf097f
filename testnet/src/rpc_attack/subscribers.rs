//! A thousand subscribers, of which a hundred never read.
//!
//! Every subscriber follows heads and logs. Those that read follow one event of each block and must get
//! every head, in order, and every event. The others follow all events, of which there are thousands
//! in a block, and leave them in their sockets: they must lose their subscriptions with an error, or their
//! connections.

use super::{Attack, Extent, arena::Arena, watch::Limits};
use crate::{Client, Result, TestnetError, Wallet, WebSocket, attack::Finding, quantity};
use alloy_primitives::{Address, B256, Bytes, U256, b256, hex};
use futures::future::{join_all, try_join_all};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// Subscribers that read, and tasks that they share.
const READERS: usize = 900;
const TASKS: usize = 10;
/// Subscribers that do not.
const SILENT: usize = 100;
/// Bytes that the system keeps for one of these, about.
const SILENT_BUFFER: u32 = 4096;
/// Events of a block, for those who want all.
const EVENTS: u64 = 2_000;
/// Events that each block has for those who read.
const BEAT: B256 = b256!("00000000000000000000000000000000000000000000000000000000000bea70");
const OTHER: B256 = B256::repeat_byte(0x77);
/// Emits calldata\[32..64\] events without content whose topic is calldata\[0..32\].
const EMITTER: &str = "602035 5b 8015601657 5f35 60205fa1 60019003 600356 5b00";
/// Longest wait for a message that must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time in which what lies in a socket can be read.
const DRAIN: Duration = Duration::from_secs(30);

/// A connection may take 64 KiB, and one that does not read 1.3 MiB on top: 1,024 notifications of an
/// event or a head wait for it (`RpcLimits::message_buffer`).
pub(super) const ATTACK: Attack = Attack {
    id: "subscribers",
    name: "1,000 subscribers of which 100 never read",
    limits: Limits {
        interval: 1.2,
        memory: (READERS + SILENT) as f64 / 16.0 + SILENT as f64 * 1.3,
    },
    run: |arena, extent| Box::pin(subscribers(arena, extent)),
};

async fn subscribers(arena: Arc<Arena>, extent: Extent) -> Result<Vec<Finding>> {
    let server = arena.ws();
    let emitter = Emitter::create(&arena).await?;
    let mut silent = try_join_all((0..SILENT).map(|_| silent(server))).await?;
    let (end, until) = watch::channel(u64::MAX);
    let mut readers = Vec::new();
    for _ in 0..TASKS {
        let mine = (0..READERS / TASKS).map(|_| Reader::open(server, until.clone()));
        readers.push(tokio::spawn(try_join_all(
            try_join_all(mine).await?.into_iter().map(Reader::read),
        )));
    }
    // Longer than a full queue is waited for; in full, than a client may be silent.
    let blocks = extent.of(14, 90) as u64;
    let last = emitter.run(blocks).await?;
    end.send(last)
        .map_err(|_| TestnetError::Timeout { what: "a reader".into(), limit: PATIENCE })?;
    let mut seen = Vec::new();
    for task in readers {
        seen.extend(task.await.map_err(|error| TestnetError::io("a reader")(error.into()))??);
    }
    let ends = join_all(silent.iter_mut().map(|session| drain(&arena, session))).await;
    Ok(findings(blocks, &seen, &ends))
}

fn findings(blocks: u64, seen: &[Seen], ends: &[End]) -> Vec<Finding> {
    let heads: u64 = seen.iter().map(|reader| reader.heads).sum();
    let whole = |wrong: fn(&Seen) -> &Option<String>| {
        let wrong = seen.iter().find_map(|reader| wrong(reader).clone());
        (
            wrong.is_none(),
            wrong.unwrap_or_else(|| format!("{heads} heads to {} readers", seen.len())),
        )
    };
    let count = |end: End| ends.iter().filter(|it| **it == end).count();
    let (refused, closed) = (count(End::Refused), count(End::Closed));
    let (in_order, order) = whole(|reader| &reader.wrong_head);
    let (events_in_order, events) = whole(|reader| &reader.wrong_event);
    let all_events = events_in_order && seen.iter().all(|reader| reader.events == blocks);
    vec![
        Finding::new("every reader gets every head in order", in_order && heads > 0, order),
        Finding::new("every reader gets each event once, in order", all_events, events),
        Finding::new(
            "who never reads is told that it is too slow, or closed",
            refused + closed == SILENT,
            format!("{refused} told, {closed} closed, of {SILENT}"),
        ),
    ]
}

/// A contract that emits events, and who calls it.
struct Emitter {
    client: Client,
    wallet: Wallet,
    address: Address,
}

impl Emitter {
    async fn create(arena: &Arena) -> Result<Self> {
        let (client, mut wallet) = (arena.client(), arena.wallet(3).await?);
        let address = wallet.address().create(wallet.nonce());
        let runtime: String = EMITTER.split_whitespace().collect();
        let length = runtime.len() / 2;
        // CODECOPY(0, 12, length), RETURN(0, length).
        let code = format!("60{length:02x}600c60003960{length:02x}6000f3{runtime}");
        let code = hex::decode(code).map_err(|error| TestnetError::Answer {
            method: "the emitter".to_owned(),
            expected: "hex",
            got: error.to_string(),
        })?;
        let hash = client.send_raw(&wallet.create(code.into(), 1_000_000)?.raw).await?;
        client.wait_receipt(hash, PATIENCE).await?;
        Ok(Self { client, wallet, address })
    }

    async fn emit(&mut self, topic: B256, count: u64) -> Result<B256> {
        let input: Bytes = [topic, U256::from(count).into()].concat().into();
        let call = self.wallet.call(self.address, input, 100_000 + count * 2_000)?;
        self.client.send_raw(&call.raw).await
    }

    /// Events in each of so many blocks. Returns the last one's number.
    async fn run(mut self, blocks: u64) -> Result<u64> {
        let mut last = 0;
        for _ in 0..blocks {
            self.emit(OTHER, EVENTS).await?;
            let hash = self.emit(BEAT, 1).await?;
            let receipt = self.client.wait_receipt(hash, PATIENCE).await?;
            last = quantity("eth_getTransactionReceipt", &receipt["blockNumber"])?;
        }
        Ok(last)
    }
}

async fn subscribe(session: &mut WebSocket, params: Value) -> Result<()> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params });
    let answer = session.request(&request).await?;
    match answer["result"].is_string() {
        true => Ok(()),
        false => Err(TestnetError::Answer {
            method: "eth_subscribe".to_owned(),
            expected: "an id",
            got: answer.to_string(),
        }),
    }
}

/// A subscriber that will not read.
async fn silent(server: SocketAddr) -> Result<WebSocket> {
    let mut session = WebSocket::with_room_for(server, Some(SILENT_BUFFER)).await?;
    subscribe(&mut session, json!(["newHeads"])).await?;
    subscribe(&mut session, json!(["logs", {}])).await?;
    Ok(session)
}

/// How a subscriber that never read ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It finds an error behind what it did not read.
    Refused,
    /// Its connection is closed.
    Closed,
    /// Nothing happened.
    Open,
}

/// Reads what lies in the socket of a subscriber that did not read until now.
async fn drain(arena: &Arena, session: &mut WebSocket) -> End {
    let until_end = async {
        while let Ok(message) = session.next().await {
            if let Some(reason) = message["params"]["error"].as_str() {
                arena.texts().add(reason);
                return End::Refused;
            }
        }
        End::Closed
    };
    timeout(DRAIN, until_end).await.unwrap_or(End::Open)
}

/// What a reader got.
#[derive(Debug, Default)]
struct Seen {
    heads: u64,
    wrong_head: Option<String>,
    events: u64,
    wrong_event: Option<String>,
}

struct Reader {
    session: WebSocket,
    /// The last block that is waited for.
    until: watch::Receiver<u64>,
    seen: Seen,
    /// Number and hash of the last head.
    last: Option<(u64, Value)>,
    /// Block of the last event.
    event: u64,
}

impl Reader {
    async fn open(server: SocketAddr, until: watch::Receiver<u64>) -> Result<Self> {
        let mut session = WebSocket::open(server).await?;
        subscribe(&mut session, json!(["newHeads"])).await?;
        subscribe(&mut session, json!(["logs", { "topics": [BEAT] }])).await?;
        Ok(Self { session, until, seen: Seen::default(), last: None, event: 0 })
    }

    /// Reads until head and event of the last block are there.
    async fn read(mut self) -> Result<Seen> {
        loop {
            let end = *self.until.borrow();
            let head = self.last.as_ref().map_or(0, |(number, _)| *number);
            if head >= end && self.event >= end {
                return Ok(self.seen);
            }
            // Never cut short: half a message would be lost. The next head comes in any case.
            let Ok(message) = timeout(PATIENCE, self.session.next()).await else {
                let reason = format!("nothing after head {head} and event of {}", self.event);
                self.seen.wrong_head.get_or_insert(reason);
                return Ok(self.seen);
            };
            self.take(&message?)?;
        }
    }

    fn take(&mut self, message: &Value) -> Result<()> {
        let result = &message["params"]["result"];
        if result.get("parentHash").is_some() {
            let number = quantity("newHeads", &result["number"])?;
            if let Some((last, hash)) = &self.last
                && (number != last + 1 || result["parentHash"] != *hash)
            {
                self.seen.wrong_head.get_or_insert(format!("{number} after {last}"));
            }
            self.last = Some((number, result["hash"].clone()));
            self.seen.heads += 1;
        } else if result.get("topics").is_some() {
            let number = quantity("logs", &result["blockNumber"])?;
            if number <= self.event {
                self.seen.wrong_event.get_or_insert(format!("{number} after {}", self.event));
            }
            self.event = number;
            self.seen.events += 1;
        } else {
            self.seen.wrong_head.get_or_insert(message.to_string());
        }
        Ok(())
    }
}
