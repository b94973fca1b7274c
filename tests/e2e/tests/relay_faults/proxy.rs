//! A man in the middle: stands in front of the real broker, calls itself the only broker there is, and does to requests and answers what
//! the test says.
//!
//! Why not a broker of our own in memory: what an append, an open transaction, a deleted topic or retention really do is then Kafka's doing
//! and not our idea of it, and all that is left to write is the faults. Requests and answers are taken apart and put together with
//! `kafka-protocol`, which shares no code with the client that the relay uses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, FetchResponse, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
    RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::raw::text;

/// The kinds of answers a relay waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The first question on each connection.
    Versions,
    /// The list of all topics.
    Topics,
    /// Who leads the partitions of a named topic.
    Leader,
    /// The ends of a partition.
    Ends,
    Fetch,
    Produce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks; the broker never sees the request.
    LostBefore,
    /// The broker has done it; then the connection breaks.
    LostAfter,
    /// The connection breaks, and the broker sees the request so much later.
    Late(Duration),
    /// The socket stays open and silent; the broker never sees the request.
    Silent,
    /// The broker has done it; then silence.
    SilentAfter,
    /// Half of the answer, then silence.
    Half,
    /// Half of the answer, then the connection breaks.
    HalfThenLost,
    /// From here on nothing more is read, not even the rest of the request.
    NeverReads,
    /// The broker has done it, and wants to be left alone for so many milliseconds.
    Throttle(i32),
    /// The broker refuses with this code. A produce does not reach it.
    Code(i16),
    /// The broker has done it, and says that it failed.
    CodeAfter(i16),
    /// There is no leader.
    NoLeader,
    /// A frame that is said to be 1 GiB long.
    Huge,
    /// A frame of a negative length.
    Negative,
    /// A frame with the right number and garbage in it.
    Garbage,
    /// The answer to a question nobody asked.
    WrongNumber,
    /// What a web server would say.
    Http,
}

#[derive(Default)]
struct Script {
    faults: BTreeMap<Kind, (Fault, usize)>,
    met: usize,
    seen: BTreeMap<Kind, usize>,
}

struct Shared {
    address: SocketAddr,
    broker: String,
    script: Mutex<Script>,
}

pub struct Proxy {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(broker: &str) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        // So that a peer that does not read is felt soon: small buffers here, and small packets keep those of the relay's side small.
        socket.set_recv_buffer_size(4 * 1024).expect("a small buffer");
        socket2::SockRef::from(&socket).set_tcp_mss(536).expect("small packets");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = socket.listen(64).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { address, broker: broker.to_owned(), script: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { shared, accepting }
    }

    pub fn address(&self) -> String {
        self.shared.address.to_string()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Script) -> T) -> T {
        work(&mut self.shared.script.lock().expect("the script"))
    }

    /// So many requests of this kind meet `fault`, from now on.
    pub fn inject(&self, kind: Kind, fault: Fault, times: usize) {
        self.with(|script| script.faults.insert(kind, (fault, times)));
    }

    /// The faults are over.
    pub fn calm(&self) {
        self.with(|script| script.faults.clear());
    }

    /// How many requests met a fault.
    pub fn met(&self) -> usize {
        self.with(|script| script.met)
    }

    /// How many requests of a kind there were.
    pub fn seen(&self, kind: Kind) -> usize {
        self.with(|script| script.seen.get(&kind).copied().unwrap_or(0))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // An error is the end of a connection, of which there are many here.
        tokio::spawn(async move { serve(client, &shared).await.ok() });
    }
}

struct Asked {
    key: ApiKey,
    version: i16,
    number: i32,
    kind: Option<Kind>,
    frame: Bytes,
}

async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut broker = TcpStream::connect(&shared.broker).await?;
    loop {
        let length = client.read_i32().await?;
        let mut head = [0; 8];
        client.read_exact(&mut head).await?;
        if ApiKey::try_from(i16::from_be_bytes([head[0], head[1]])) == Ok(ApiKey::Produce)
            && shared.is_next(Kind::Produce, Fault::NeverReads)
        {
            std::future::pending::<()>().await;
        }
        let mut frame = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
        frame[..8].copy_from_slice(&head);
        client.read_exact(&mut frame[8..]).await?;
        let asked = Asked::read(Bytes::from(frame));
        let fault = asked.kind.and_then(|kind| shared.next(kind));
        match fault {
            Some(Fault::LostBefore) => return Ok(()),
            Some(Fault::Silent | Fault::NeverReads) => std::future::pending::<()>().await,
            Some(Fault::Late(after)) => {
                drop(client);
                tokio::time::sleep(after).await;
                exchange(&mut broker, &asked.frame).await?;
                return Ok(());
            }
            Some(Fault::Huge) => client.write_i32(1 << 30).await?,
            Some(Fault::Negative) => client.write_i32(-7).await?,
            Some(Fault::Http) => client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await?,
            Some(Fault::Garbage) => {
                let mut garbage = asked.number.to_be_bytes().to_vec();
                garbage.extend((0..4_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
                write(&mut client, &garbage).await?;
                continue;
            }
            _ => {}
        }
        if matches!(fault, Some(Fault::Huge | Fault::Http)) {
            // What follows is never enough.
            client.write_all(&[0x5a; 10_000]).await?;
            std::future::pending::<()>().await;
        }
        let answer = match (fault, asked.key) {
            (Some(Fault::Code(code)), ApiKey::Produce) => asked.refusal(code),
            _ => exchange(&mut broker, &asked.frame).await?,
        };
        if fault == Some(Fault::LostAfter) {
            return Ok(());
        }
        let answer = asked.changed(answer, fault, shared.address);
        match fault {
            Some(Fault::SilentAfter) => std::future::pending::<()>().await,
            Some(Fault::Half | Fault::HalfThenLost) => {
                client.write_i32(i32::try_from(answer.len()).map_err(std::io::Error::other)?).await?;
                client.write_all(&answer[..answer.len() / 2]).await?;
                if fault == Some(Fault::Half) {
                    std::future::pending::<()>().await;
                }
                return Ok(());
            }
            Some(Fault::WrongNumber) => {
                let mut other = answer.to_vec();
                other[..4].copy_from_slice(&(asked.number ^ 0x0f00_0000).to_be_bytes());
                write(&mut client, &other).await?;
            }
            _ => write(&mut client, &answer).await?,
        }
    }
}

async fn write(client: &mut TcpStream, frame: &[u8]) -> std::io::Result<()> {
    client.write_i32(i32::try_from(frame.len()).map_err(std::io::Error::other)?).await?;
    client.write_all(frame).await
}

async fn exchange(broker: &mut TcpStream, frame: &[u8]) -> std::io::Result<Bytes> {
    write(broker, frame).await?;
    let length = broker.read_i32().await?;
    let mut answer = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    broker.read_exact(&mut answer).await?;
    Ok(Bytes::from(answer))
}

impl Shared {
    fn is_next(&self, kind: Kind, fault: Fault) -> bool {
        let waits = self.script.lock().expect("the script").faults.get(&kind).is_some_and(|(next, _)| *next == fault);
        waits && self.next(kind).is_some()
    }

    fn next(&self, kind: Kind) -> Option<Fault> {
        let mut script = self.script.lock().expect("the script");
        *script.seen.entry(kind).or_default() += 1;
        let (fault, times) = script.faults.remove(&kind)?;
        if times > 1 {
            script.faults.insert(kind, (fault, times - 1));
        }
        script.met += 1;
        Some(fault)
    }
}

impl Asked {
    fn read(frame: Bytes) -> Self {
        let (key, version) = (i16::from_be_bytes([frame[0], frame[1]]), i16::from_be_bytes([frame[2], frame[3]]));
        let number = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let key = ApiKey::try_from(key).expect("a kind of request that Kafka knows");
        let mut asked = Self { key, version, number, kind: None, frame };
        asked.kind = match key {
            ApiKey::ApiVersions => Some(Kind::Versions),
            ApiKey::ListOffsets => Some(Kind::Ends),
            ApiKey::Fetch => Some(Kind::Fetch),
            ApiKey::Produce => Some(Kind::Produce),
            ApiKey::Metadata => {
                let request: MetadataRequest = asked.body();
                // Version 0 says "all" by an empty list.
                let all = request.topics.is_none_or(|topics| topics.is_empty());
                Some(if all { Kind::Topics } else { Kind::Leader })
            }
            _ => None,
        };
        asked
    }

    fn body<Q: Decodable>(&self) -> Q {
        let mut frame = self.frame.clone();
        let header_version = self.key.request_header_version(self.version);
        RequestHeader::decode(&mut frame, header_version).expect("a request's header");
        Q::decode(&mut frame, self.version).expect("a request")
    }

    /// A produce that the broker never saw, refused.
    fn refusal(&self, code: i16) -> Bytes {
        let request: ProduceRequest = self.body();
        let topic = request.topic_data.first().expect("a topic");
        let partition = topic.partition_data.first().expect("a partition");
        let refused =
            PartitionProduceResponse::default().with_index(partition.index).with_error_code(code).with_base_offset(-1);
        let refused =
            TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(vec![refused]);
        self.answer(&ProduceResponse::default().with_responses(vec![refused]))
    }

    fn answer(&self, response: &impl Encodable) -> Bytes {
        let mut frame = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(self.number);
        header.encode(&mut frame, self.key.response_header_version(self.version)).expect("a header");
        response.encode(&mut frame, self.version).expect("a response");
        frame.freeze()
    }

    /// The broker's answer, with the proxy in the place of the broker, and with the fault in it.
    fn changed(&self, answer: Bytes, fault: Option<Fault>, proxy: SocketAddr) -> Bytes {
        let throttle = if let Some(Fault::Throttle(ms)) = fault { Some(ms) } else { None };
        let code = if let Some(Fault::Code(code) | Fault::CodeAfter(code)) = fault { Some(code) } else { None };
        let no_leader = fault == Some(Fault::NoLeader);
        if self.key != ApiKey::Metadata && throttle.is_none() && code.is_none() {
            return answer;
        }
        let mut rest = answer.clone();
        let header_version = self.key.response_header_version(self.version);
        ResponseHeader::decode(&mut rest, header_version).expect("a response's header");
        match self.key {
            ApiKey::Metadata => {
                let mut response = MetadataResponse::decode(&mut rest, self.version).expect("metadata");
                for broker in &mut response.brokers {
                    broker.host = text(&proxy.ip().to_string());
                    broker.port = i32::from(proxy.port());
                }
                response.throttle_time_ms = throttle.unwrap_or(response.throttle_time_ms);
                for topic in &mut response.topics {
                    topic.error_code = code.unwrap_or(topic.error_code);
                    for partition in topic.partitions.iter_mut().filter(|_| no_leader) {
                        partition.leader_id = (-1).into();
                    }
                }
                self.answer(&response)
            }
            ApiKey::Produce => {
                let mut response = ProduceResponse::decode(&mut rest, self.version).expect("a produce's answer");
                response.throttle_time_ms = throttle.unwrap_or(response.throttle_time_ms);
                for partition in response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
                    if let Some(code) = code {
                        (partition.error_code, partition.base_offset) = (code, -1);
                    }
                }
                self.answer(&response)
            }
            ApiKey::Fetch => {
                let mut response = FetchResponse::decode(&mut rest, self.version).expect("a fetch's answer");
                response.throttle_time_ms = throttle.unwrap_or(response.throttle_time_ms);
                for partition in response.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    if let Some(code) = code {
                        (partition.error_code, partition.records) = (code, Some(Bytes::new()));
                        partition.high_watermark = -1;
                    }
                }
                self.answer(&response)
            }
            ApiKey::ListOffsets => {
                let mut response = ListOffsetsResponse::decode(&mut rest, self.version).expect("offsets");
                response.throttle_time_ms = throttle.unwrap_or(response.throttle_time_ms);
                for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    if let Some(code) = code {
                        (partition.error_code, partition.offset) = (code, -1);
                    }
                }
                self.answer(&response)
            }
            _ => answer,
        }
    }
}
