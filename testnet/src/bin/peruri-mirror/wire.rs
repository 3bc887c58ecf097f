//! Good and bad calls, as a caller meets them.

use crate::{
    network::{GATEWAY, LIMIT, MirrorNetwork},
    told::Told,
};
use peruri_rpc_api::{ActivityBatchItem, ActivityRefusal};
use peruri_testnet::{
    Client, Connection, Judge, MadeActivity, MirrorClient, MirrorSetup, Result, TestnetError,
    WebSocket, activities,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

pub(crate) async fn play(program: &Path, judge: &mut Judge) -> Result<()> {
    let network = MirrorNetwork::start(program, 1, MirrorSetup::new(1)).await?;
    let caller = network.caller()?;
    let made = activities(1, 40);
    refusals(&caller, &made, judge).await?;
    poison_has_neighbours(&caller, &made, judge).await?;
    tokens(&network, &made[0], judge).await?;
    public(&network, &made[0], judge).await?;
    operators(&network, &caller, judge).await?;
    subscription(&network, &caller, judge).await?;
    network.stop().await
}

/// What can never be accepted is refused with its field, alone and in a batch.
async fn refusals(caller: &MirrorClient, made: &[MadeActivity], judge: &mut Judge) -> Result<()> {
    let good = made[0].track();
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let without = |name: &str| {
        let mut changed = good.clone();
        changed.as_object_mut().map(|it| it.remove(name));
        changed
    };
    let large = "A".repeat(90_000);
    for (bad, field) in [
        (with("activityId", json!("not a uuid")), "activityId"),
        (with("activityId", json!("00000000-0000-0000-0000-000000000000")), "activityId"),
        (with("type", json!("id.peruri.other.v1")), "type"),
        (with("occurredAt", json!(-1)), "occurredAt"),
        (with("userId", json!("")), "userId"),
        (with("payload", json!("?")), "payload"),
        (with("payload", json!(large)), "payload"),
        (with("salt", json!("0x12")), "salt"),
        (without("salt"), "salt"),
        (with("effect", json!("0x")), "effect"),
        (with("colour", json!(1)), "colour"),
        (json!([1]), "params"),
    ] {
        let refused = refusal(caller, &bad).await?;
        let told = refused.data.as_ref().and_then(|data| data["field"].as_str());
        let right = refused.code == -32602 && told == Some(field);
        judge.expect(&format!("a bad {field} is named"), right, format!("{refused:?}"));
        let alone = caller.call("activity_track", json!([bad])).await;
        let alone = matches!(&alone, Err(TestnetError::Rpc { code: -32602, .. }));
        judge.expect(&format!("… also alone ({field})"), alone, "");
    }
    Ok(())
}

async fn refusal(caller: &MirrorClient, bad: &Value) -> Result<ActivityRefusal> {
    match caller.submit_batch(std::slice::from_ref(bad)).await?.pop() {
        Some(ActivityBatchItem::Refused { error }) => Ok(error),
        other => Err(TestnetError::Answer {
            method: "activity_submitBatch".to_owned(),
            expected: "a refusal",
            got: format!("{other:?}"),
        }),
    }
}

/// Bad ones among good ones delay nobody, and another content for a known id is refused.
async fn poison_has_neighbours(
    caller: &MirrorClient,
    made: &[MadeActivity],
    judge: &mut Judge,
) -> Result<()> {
    let mut batch: Vec<Value> = made.iter().map(MadeActivity::track).collect();
    for at in [0, 7, 20] {
        batch[at]["type"] = json!("id.peruri.other.v1");
    }
    let before = Instant::now();
    let answers = caller.submit_batch(&batch).await?;
    let numbers: Vec<u64> = answers
        .iter()
        .filter_map(|it| match it {
            ActivityBatchItem::Accepted(told) => Some(told.source_seq),
            ActivityBatchItem::Refused { .. } => None,
        })
        .collect();
    let without_gap = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    judge.expect("bad ones take no number", numbers.len() == 37 && without_gap, numbers.len());
    caller.through(numbers.last().copied().unwrap_or_default() + 1, LIMIT).await?;
    let seconds = before.elapsed().as_secs_f64();
    judge.expect("their neighbours are in the next blocks", seconds < 5.0, seconds);
    let mut changed = made[1].track();
    changed["payload"] = json!("AAAA");
    let refused = refusal(caller, &changed).await?;
    let data = refused.data.unwrap_or_default();
    let right =
        refused.code == -32011 && data["field"] == "commitment" && data["sourceSeq"].is_u64();
    judge.expect("the same id with other content", right, format!("{data}"));
    let mut told = Told::default();
    told.submit_all(caller, &made[1..7]).await?;
    let again: Vec<u64> = told.accepted.values().map(|it| it.source_seq).collect();
    let same = again.iter().all(|number| numbers.contains(number));
    judge.expect(
        "a repeat gets the number of before",
        same && again.len() == 6,
        format!("{again:?}"),
    );
    Ok(())
}

/// Without a good token nothing is accepted.
async fn tokens(network: &MirrorNetwork, made: &MadeActivity, judge: &mut Judge) -> Result<()> {
    let options = &network.cluster.member(GATEWAY).options;
    let address = (options.ip, options.ports.authrpc.unwrap_or_default()).into();
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "activity_track", "params": [made.track()]});
    for token in [None, Some("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjF9.AAAA")] {
        let mut connection = Connection::open(address).await?;
        let answer = connection.post_with(call.to_string().into(), token).await;
        let refused = match answer {
            Err(error) => error.to_string(),
            Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
        };
        let right = refused.contains("401") && refused.contains("-32001");
        judge.expect("a missing or bad token: HTTP 401 and -32001", right, refused);
    }
    Ok(())
}

/// The public server reads and does not write.
async fn public(network: &MirrorNetwork, made: &MadeActivity, judge: &mut Judge) -> Result<()> {
    let client = network.gateway();
    for (method, params) in [
        ("activity_submit", json!([made.submit(&[1; 32])])),
        ("activity_track", json!([made.track()])),
        ("activity_submitBatch", json!([[made.track()]])),
        ("activity_erase", json!([{"activityId": made.id}])),
        ("activity_void", json!([{"activityId": made.id, "reason": 4}])),
    ] {
        let code = code(&client, method, params).await;
        judge.expect(
            &format!("{method} is not on the public server"),
            code == Some(-32601),
            format!("{code:?}"),
        );
    }
    let status = client.call("activity_getStatus", json!([made.id])).await?;
    judge.expect("an id that was never accepted", status["status"] == "unknown", &status);
    for (method, params) in [
        ("activity_getStatus", json!([7])),
        ("activity_getCompletions", json!([{"from": 0}])),
        ("activity_getCompletions", json!([{"from": 1, "waitMs": 60_000}])),
    ] {
        let code = code(&client, method, params).await;
        judge.expect(&format!("a bad {method}"), code == Some(-32602), format!("{code:?}"));
    }
    Ok(())
}

async fn code(client: &Client, method: &str, params: Value) -> Option<i64> {
    match client.call(method, params).await {
        Err(TestnetError::Rpc { code, .. }) => Some(code),
        _ => None,
    }
}

/// Completions over WebSocket are those that polling gives, from the number that was asked for on.
async fn subscription(
    network: &MirrorNetwork,
    caller: &MirrorClient,
    judge: &mut Judge,
) -> Result<()> {
    const FROM: u64 = 3;
    let polled = caller.completions(FROM, Duration::ZERO).await?;
    let mut session = WebSocket::open(network.cluster.member(GATEWAY).ws()).await?;
    let call = |what: &str, from: u64| {
        let params = json!([what, { "from": from }]);
        json!({"jsonrpc": "2.0", "id": 1, "method": "activity_subscribe", "params": params})
    };
    for bad in [call("heads", FROM), call("completions", 0)] {
        let refused = session.request(&bad).await?;
        let right = refused["error"]["code"] == -32602;
        judge.expect("a bad subscription is refused", right, &refused);
    }
    let id = session.request(&call("completions", FROM)).await?["result"].clone();
    let mut told = Vec::new();
    while told.len() < polled.items.len() {
        let message = tokio::time::timeout(LIMIT, session.next()).await;
        let message = message.map_err(|_| TestnetError::Timeout {
            what: format!("a completion after {} of them", told.len()),
            limit: LIMIT,
        })??;
        let ours =
            message["method"] == "activity_subscription" && message["params"]["subscription"] == id;
        if !ours {
            return Err(TestnetError::Answer {
                method: "activity_subscribe".to_owned(),
                expected: "a completion",
                got: message.to_string(),
            });
        }
        told.push(message["params"]["result"].clone());
    }
    let polled: Vec<Value> = polled.items.iter().map(|item| json!(item)).collect();
    let same = told == polled && polled.len() > 30;
    judge.expect("a subscription tells the same completions, one by one", same, told.len());
    Ok(())
}

/// An erasure notice for what is included, and not for what is not.
async fn operators(
    network: &MirrorNetwork,
    caller: &MirrorClient,
    judge: &mut Judge,
) -> Result<()> {
    let included = &activities(1, 40)[1];
    let told = caller.call("activity_erase", json!([{"activityId": included.id}])).await?;
    let number = told["sourceSeq"].as_u64().unwrap_or_default();
    caller.through(number + 1, LIMIT).await?;
    let status = network.gateway().call("activity_getStatus", json!([included.id])).await?;
    let kept = status["status"] == "included" && status["sourceSeq"] != told["sourceSeq"];
    judge.expect("an erasure notice has a number of its own", kept, &status);
    let again = caller.call("activity_erase", json!([{"activityId": included.id}])).await?;
    judge.expect("a second notice is the first", again["sourceSeq"] == told["sourceSeq"], &again);
    let unknown = json!([{"activityId": activities(9, 1)[0].id}]);
    let refused = caller.call("activity_erase", unknown).await;
    let refused = matches!(refused, Err(TestnetError::Rpc { code: -32014, .. }));
    judge.expect("no notice for what is not included", refused, "");
    let closed =
        caller.call("activity_void", json!([{"activityId": included.id, "reason": 4}])).await;
    judge.expect("what is included cannot be closed", closed.is_err(), "");
    Ok(())
}
