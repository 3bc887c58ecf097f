//! WebSocket sessions.
//!
//! Every message of a client is a task. A bounded number of them is in flight, from the reading of the
//! request until its answer is handed to the socket: a client that asks and does not read finds the
//! session waiting, and costs a bounded amount of memory. While all places are taken nothing is read;
//! a request that finds no place in time is refused.

use super::{
    batch::SendBatch,
    dispatch::{Dispatch, Subscriptions},
    endpoint::EndpointParts,
    message,
};
use crate::error::RpcError;
use futures::io::{BufReader, BufWriter};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use jsonrpsee::{
    MethodResponse, MethodSink,
    core::server::{BoundedSubscriptions, MethodResponseNotifyTx},
    server::{HttpBody, HttpRequest, HttpResponse},
    types::{ErrorObject, ErrorObjectOwned, Id, error::reject_too_big_request},
};
use metrics::counter;
use serde_json::value::RawValue;
use soketto::{connection::Error as SocketError, data::ByteSlice125, handshake::http};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, interval_at, timeout},
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

type Socket = BufReader<BufWriter<Compat<TokioIo<Upgraded>>>>;

/// Time between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A client that sends nothing for so long, not even the answer to a ping, is gone.
const INACTIVE_LIMIT: Duration = Duration::from_secs(75);
/// Time for a client to take one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Time to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the request asks for a session.
pub(super) fn is_upgrade<B>(request: &HttpRequest<B>) -> bool {
    http::is_upgrade_request(request)
}

/// A message to the client. The place of the request is free when it was handed to the socket.
struct Answer {
    json: Box<RawValue>,
    sent: Option<(MethodResponseNotifyTx, bool)>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Answer {
    fn error(id: Id<'_>, error: ErrorObject<'_>) -> Self {
        Self { json: MethodResponse::error(id, error).into_json(), sent: None, _place: None }
    }
}

/// A session's reading side.
pub(super) struct Session {
    parts: Arc<EndpointParts>,
    service: Arc<SendBatch<Dispatch>>,
    places: Arc<Semaphore>,
    answers: mpsc::Sender<Answer>,
    tasks: JoinSet<()>,
}

/// Why reading ended.
#[derive(PartialEq, Eq)]
enum End {
    /// The client is gone, or cannot be understood.
    Client,
    /// The server stops: what is under way is answered.
    Server,
}

impl Session {
    /// Answers the handshake; the session begins when the client has the answer.
    pub(super) fn begin(parts: Arc<EndpointParts>, request: HttpRequest<Incoming>) -> HttpResponse {
        let mut handshake = http::Server::new();
        let response = match handshake.receive_request(&request) {
            Ok(response) => response.map(|()| HttpBody::empty()),
            Err(error) => {
                let mut refusal = HttpResponse::new(HttpBody::from(format!("no session: {error}")));
                *refusal.status_mut() = hyper::StatusCode::BAD_REQUEST;
                return refusal;
            }
        };
        tokio::spawn(async move {
            // With them goes the connection's place.
            let _extensions = request.extensions().clone();
            match hyper::upgrade::on(request).await {
                Ok(upgraded) => {
                    let io = BufReader::new(BufWriter::new(TokioIo::new(upgraded).compat()));
                    let mut builder = handshake.into_builder(io);
                    builder.set_max_message_size(parts.limits.max_request_bytes as usize);
                    let (sender, receiver) = builder.finish();
                    Self::run(parts, sender, receiver).await;
                }
                Err(error) => {
                    tracing::debug!(target: "rpc::server", %error, "no session");
                }
            }
        });
        response
    }

    async fn run(
        parts: Arc<EndpointParts>,
        sender: soketto::Sender<Socket>,
        receiver: soketto::Receiver<Socket>,
    ) {
        let limits = &parts.limits;
        let max_in_flight = limits.max_in_flight.max(1) as usize;
        let (sink, notifications) = mpsc::channel(limits.message_buffer.max(1) as usize);
        let (answers, to_send) = mpsc::channel(max_in_flight);
        let subscriptions = Subscriptions {
            bound: BoundedSubscriptions::new(limits.max_subscriptions),
            sink: MethodSink::new(sink),
        };
        let service = Arc::new(parts.service(Some(Arc::new(subscriptions))));
        let (stop_writer, stopped) = oneshot::channel();
        let mut writer = tokio::spawn(write(sender, to_send, notifications, stopped));
        let mut session = Self {
            parts,
            service,
            places: Arc::new(Semaphore::new(max_in_flight)),
            answers,
            tasks: JoinSet::new(),
        };
        let end = tokio::select! {
            end = session.read(receiver) => end,
            // The client takes no more messages.
            _ = &mut writer => return,
        };
        if end == End::Server {
            tokio::select! {
                () = async { while session.tasks.join_next().await.is_some() {} } => {}
                _ = &mut writer => return,
            }
        }
        drop(session);
        // What is queued goes out first. An error means that the writer ended already.
        let _ = stop_writer.send(());
        let _ = writer.await;
    }

    async fn read(&mut self, mut receiver: soketto::Receiver<Socket>) -> End {
        let stopped = self.parts.stop.clone().shutdown();
        tokio::pin!(stopped);
        loop {
            let mut message = Vec::new();
            let received = tokio::select! {
                () = &mut stopped => return End::Server,
                received = timeout(INACTIVE_LIMIT, receiver.receive(&mut message)) => received,
            };
            match received {
                Ok(Ok(soketto::Incoming::Data(_))) => {
                    if self.take(message).await.is_err() {
                        return End::Client;
                    }
                }
                Ok(Ok(soketto::Incoming::Pong(_))) => {}
                Ok(Ok(soketto::Incoming::Closed(_)) | Err(SocketError::Closed)) => {
                    return End::Client;
                }
                Ok(Err(SocketError::MessageTooLarge { .. })) => {
                    let error = reject_too_big_request(self.parts.limits.max_request_bytes);
                    if self.answers.send(Answer::error(Id::Null, error)).await.is_err() {
                        return End::Client;
                    }
                }
                Ok(Err(error)) => {
                    tracing::debug!(target: "rpc::server", %error, "session ended");
                    return End::Client;
                }
                Err(_) => {
                    tracing::debug!(target: "rpc::server", "session ended: the client is silent");
                    return End::Client;
                }
            }
        }
    }

    /// Begins to work on a message as soon as there is a place for it. An error means that the client
    /// is gone.
    async fn take(&mut self, message: Vec<u8>) -> Result<(), mpsc::error::SendError<Answer>> {
        let limits = &self.parts.limits;
        let place = timeout(limits.call_timeout, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            counter!("peruri_rpc_refused_requests_total").increment(1);
            let error =
                RpcError::Busy { what: "rpc.max-in-flight", limit: limits.max_in_flight as usize };
            let id = message::id(&message);
            return self.answers.send(Answer::error(id, ErrorObjectOwned::from(error))).await;
        };
        // Ended tasks are forgotten here; there are never more than places.
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(target: "rpc::server", %error, "a request failed");
            }
        }
        let (service, answers) = (self.service.clone(), self.answers.clone());
        let max_batch = limits.max_batch;
        self.tasks.spawn(async move {
            let answer = message::answer(&*service, &message, max_batch).await;
            // A subscription answers through its own sink, a notification not at all.
            if answer.is_method_call() || answer.is_batch() {
                let success = answer.is_success();
                let (json, sent, _) = answer.into_parts();
                let sent = sent.map(|sent| (sent, success));
                // An error means that the client is gone.
                let _ = answers.send(Answer { json, sent, _place: Some(place) }).await;
            }
        });
        Ok(())
    }
}

/// Sends answers, notifications and pings until `stopped` and everything queued is sent, or the client
/// does not take them.
async fn write(
    mut sender: soketto::Sender<Socket>,
    mut answers: mpsc::Receiver<Answer>,
    mut notifications: mpsc::Receiver<Box<RawValue>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    loop {
        let sent = tokio::select! {
            Some(answer) = answers.recv() => {
                let Answer { json, sent, _place } = answer;
                let result = send(&mut sender, json).await;
                if let (true, Some((sent, success))) = (result, sent) {
                    sent.notify(success);
                }
                result
            }
            Some(notification) = notifications.recv() => send(&mut sender, notification).await,
            _ = pings.tick() => ping(&mut sender).await,
            _ = &mut stopped => break,
        };
        if !sent {
            return;
        }
    }
    answers.close();
    notifications.close();
    while let Ok(Answer { json, .. }) = answers.try_recv() {
        if !send(&mut sender, json).await {
            return;
        }
    }
    // The client may be gone already.
    let _ = timeout(CLOSE_TIMEOUT, sender.close()).await;
}

/// Whether the client took the message.
async fn send(sender: &mut soketto::Sender<Socket>, json: Box<RawValue>) -> bool {
    let text = String::from(Box::<str>::from(json));
    let sending = async {
        sender.send_text_owned(text).await?;
        sender.flush().await
    };
    taken(timeout(SEND_TIMEOUT, sending).await)
}

async fn ping(sender: &mut soketto::Sender<Socket>) -> bool {
    let Ok(nothing) = ByteSlice125::try_from(&[][..]) else {
        return true;
    };
    let sending = async {
        sender.send_ping(nothing).await?;
        sender.flush().await
    };
    taken(timeout(SEND_TIMEOUT, sending).await)
}

fn taken(outcome: Result<Result<(), SocketError>, tokio::time::error::Elapsed>) -> bool {
    match outcome {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(target: "rpc::server", %error, "session ended");
            false
        }
        Err(_) => {
            tracing::debug!(target: "rpc::server", "session ended: the client does not read");
            false
        }
    }
}
