//! One connection to one broker, step by step, so that it can be said which step failed; and the few questions that the client
//! library of the relay's work cannot ask (a topic's settings, what the relay's user may do).
//!
//! Invariants: no step or call takes longer than `LIMIT`, no answer is read beyond `MOST_BYTES`; what comes back is the
//! broker's or a [`Trouble`]. Nothing is asked that changes anything. TLS and credentials are those of the relay's work.

use std::fmt;
use std::io::{self, Cursor};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::error::ParseResponseErrorCode;
use kafka_protocol::messages::{
    ApiVersionsRequest, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use rsasl::prelude::{Mechname, SASLClient, SASLConfig};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{KafkaAccess, Sasl, SaslMechanism};

/// The limit of one step or call.
const LIMIT: Duration = Duration::from_secs(5);
/// The metadata of a few topics in a cluster of thousands of brokers are far below this.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// SCRAM takes two; a broker that goes on for ever is none.
const SASL_ROUNDS: usize = 5;

/// What is done on the way to a broker, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its name becomes addresses.
    Dns,
    /// TCP.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Which requests it takes.
    Protocol,
    /// Who we are.
    Sasl,
    /// A question of ours.
    Answer,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "DNS",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::Protocol => "Kafka protocol",
            Self::Sasl => "SASL",
            Self::Answer => "answer",
        })
    }
}

/// Why there is no connection, or no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step} failed: {cause}")]
pub struct Trouble {
    /// What was being done.
    pub step: Step,
    /// What happened.
    pub cause: String,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that is ready for questions.
pub struct Connection {
    stream: Box<dyn Stream>,
    client_id: StrBytes,
    /// API key, and the highest version the broker takes.
    versions: Vec<(i16, i16)>,
    next: i32,
    /// Like `TLS 1.3, SASL PLAIN`.
    pub security: String,
}

/// `work`, unless it takes longer than the limit.
async fn step<T>(step: Step, work: impl Future<Output = Result<T, String>>) -> Result<T, Trouble> {
    match timeout(LIMIT, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(cause)) => Err(Trouble { step, cause }),
        Err(_) => Err(Trouble { step, cause: format!("no answer within {} s", LIMIT.as_secs()) }),
    }
}

/// Goes the whole way to the broker at `address`.
///
/// # Errors
/// With the step that failed, and why.
pub async fn connect(access: &KafkaAccess, address: &str) -> Result<Connection, Trouble> {
    let found = step(Step::Dns, async { lookup_host(address).await.map_err(|error| error.to_string()) }).await?;
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(Trouble { step: Step::Dns, cause: "the name has no address".to_owned() });
    }
    let plain = TcpStream::connect(found.as_slice());
    let plain = step(Step::Connect, async { plain.await.map_err(|error| error.to_string()) }).await?;
    let (stream, security): (Box<dyn Stream>, _) = match &access.tls {
        None => (Box::new(plain), "no TLS"),
        Some(tls) => {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
            let secured = step(Step::Tls, async {
                let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
                TlsConnector::from(tls.clone()).connect(name, plain).await.map_err(|error| error.to_string())
            });
            let secured = secured.await?;
            let version = match secured.get_ref().1.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
                _ => "TLS 1.3",
            };
            (Box::new(secured), version)
        }
    };
    let client_id = StrBytes::from_string(access.client_id.clone());
    let mut connection = Connection { stream, client_id, versions: Vec::new(), next: 0, security: security.to_owned() };
    step(Step::Protocol, connection.ask_versions()).await?;
    match &access.sasl {
        None => connection.security.push_str(", no SASL"),
        Some(sasl) => {
            step(Step::Sasl, connection.authenticate(sasl)).await?;
            connection.security.push_str(&format!(", SASL {} as {}", mechanism(sasl.mechanism), sasl.username));
        }
    }
    Ok(connection)
}

fn mechanism(mechanism: SaslMechanism) -> &'static str {
    match mechanism {
        SaslMechanism::Plain => "PLAIN",
        SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
        SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
    }
}

/// As Kafka calls it, like `TopicAuthorizationFailed`; `None` for no error.
pub fn error_name(code: i16) -> Option<String> {
    code.err().map(|error| format!("{error:?}"))
}

fn accept(code: i16) -> Result<(), String> {
    error_name(code).map_or(Ok(()), Err)
}

impl Connection {
    /// The highest version of this request that the broker takes, `most` at most; `None` when it takes none from `least` on.
    pub fn version<Q: Request>(&self, least: i16, most: i16) -> Option<i16> {
        let (_, highest) = self.versions.iter().find(|(key, _)| *key == Q::KEY)?;
        Some(most.min(*highest)).filter(|version| *version >= least)
    }

    /// One question of ours.
    ///
    /// # Errors
    /// When there is no answer in time, or one that cannot be read.
    pub async fn ask<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response, Trouble> {
        step(Step::Answer, self.call(version, request)).await
    }

    async fn ask_versions(&mut self) -> Result<(), String> {
        // Version 0 is the one that every broker takes.
        let answer = self.call(0, &ApiVersionsRequest::default()).await?;
        accept(answer.error_code)?;
        self.versions = answer.api_keys.iter().map(|api| (api.api_key, api.max_version)).collect();
        Ok(())
    }

    async fn authenticate(&mut self, sasl: &Sasl) -> Result<(), String> {
        let name = mechanism(sasl.mechanism);
        let hello = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(name));
        let offered = self.call(1, &hello).await?;
        accept(offered.error_code).map_err(|error| {
            let offers: Vec<&str> = offered.mechanisms.iter().map(StrBytes::as_str).collect();
            format!("{error}: this port offers {}, not {name}", offers.join(", "))
        })?;
        let config = SASLConfig::with_credentials(None, sasl.username.clone(), sasl.password.expose().to_owned())
            .map_err(text)?;
        let mechname = Mechname::parse(name.as_bytes()).map_err(text)?;
        let mut session = SASLClient::new(config).start_suggested(&[mechname]).map_err(text)?;
        let mut received: Option<Bytes> = None;
        for _ in 0..SASL_ROUNDS {
            let mut out = Cursor::new(Vec::new());
            let state = session.step(received.as_deref(), &mut out).map_err(text)?;
            if state.has_sent_message() {
                let request = SaslAuthenticateRequest::default().with_auth_bytes(out.into_inner().into());
                let answer = self.call(1, &request).await?;
                // What the broker says in its own words is not passed on: nobody knows what it repeats.
                accept(answer.error_code)?;
                received = Some(answer.auth_bytes);
            }
            if state.is_finished() {
                return Ok(());
            }
        }
        Err("the broker does not come to an end".to_owned())
    }

    async fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response, String> {
        self.next = self.next.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.next)
            .with_client_id(Some(self.client_id.clone()));
        let mut message = BytesMut::new();
        header.encode(&mut message, Q::header_version(version)).map_err(text)?;
        request.encode(&mut message, version).map_err(text)?;
        let mut frame = i32::try_from(message.len()).map_err(text)?.to_be_bytes().to_vec();
        frame.extend_from_slice(&message);
        self.stream.write_all(&frame).await.map_err(text)?;
        self.stream.flush().await.map_err(text)?;
        let mut answer = self.frame().await.map_err(text)?;
        let header = ResponseHeader::decode(&mut answer, Q::Response::header_version(version)).map_err(text)?;
        if header.correlation_id != self.next {
            return Err("this is no Kafka broker: its answer is not to our question".to_owned());
        }
        let response = Q::Response::decode(&mut answer, version).map_err(text)?;
        match answer.has_remaining() {
            true => Err("the answer is longer than it should be".to_owned()),
            false => Ok(response),
        }
    }

    async fn frame(&mut self) -> io::Result<Bytes> {
        let length = self.stream.read_i32().await?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MOST_BYTES);
        let length = length.ok_or_else(|| io::Error::other("this is no Kafka broker: its answer has no length"))?;
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes.into())
    }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}
