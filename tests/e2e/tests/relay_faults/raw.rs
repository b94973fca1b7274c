//! A plain client of Kafka's protocol, on one connection: what the tests read and write beside the relay, without rskafka.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, EndTxnRequest,
    FetchRequest, FindCoordinatorRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName, TransactionalId,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record as Written, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use ropeline_e2e::within;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use xtask::kafka::Record;

const CALL: Duration = Duration::from_secs(30);
/// A topic that was just made or deleted may take the broker a moment.
const TRIES: usize = 100;
const TRY: Duration = Duration::from_millis(100);

pub struct Raw {
    socket: TcpStream,
    next: i32,
}

/// A producer's open transaction.
pub struct Transaction {
    id: TransactionalId,
    producer: i64,
    epoch: i16,
    sequence: i32,
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

impl Raw {
    pub async fn connect(bootstrap: &str) -> Self {
        let socket = within("connecting", CALL, TcpStream::connect(bootstrap)).await.expect("a broker");
        Self { socket, next: 0 }
    }

    async fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response {
        within("a call of the broker", CALL, self.exchange(version, request)).await
    }

    async fn exchange<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response {
        self.next += 1;
        let header = RequestHeader::default()
            .with_request_api_key(Q::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.next)
            .with_client_id(Some(text("tests")));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, Q::header_version(version)).expect("a header");
        request.encode(&mut frame, version).expect("a request");
        self.socket.write_i32(i32::try_from(frame.len()).expect("a frame")).await.expect("the broker reads");
        self.socket.write_all(&frame).await.expect("the broker reads");
        let length = self.socket.read_i32().await.expect("an answer");
        let mut answer = vec![0; usize::try_from(length).expect("a length")];
        self.socket.read_exact(&mut answer).await.expect("a whole answer");
        let mut answer = Bytes::from(answer);
        let header = ResponseHeader::decode(&mut answer, Q::Response::header_version(version)).expect("a header");
        assert_eq!(header.correlation_id, self.next);
        let response = Q::Response::decode(&mut answer, version).expect("a response");
        assert!(!answer.has_remaining());
        response
    }

    pub async fn topics(&mut self) -> Vec<String> {
        let all = self.call(4, &MetadataRequest::default().with_topics(None)).await;
        all.topics.into_iter().filter_map(|topic| topic.name).map(|name| name.0.to_string()).collect()
    }

    /// Asks for a topic by its name, as many clients do: a broker that may create topics creates it.
    pub async fn ask_by_name(&mut self, topic: &str) {
        let named = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![named])).with_allow_auto_topic_creation(true);
        self.call(4, &request).await;
    }

    pub async fn create(&mut self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let setting = |(name, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        let created = CreatableTopic::default()
            .with_name(topic_name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(settings.iter().map(setting).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![created]).with_timeout_ms(10_000);
        for _ in 0..TRIES {
            let answer = self.call(5, &request).await;
            match answer.topics[0].error_code {
                0 => return self.until_led(topic, partitions).await,
                // 36: the one that is being deleted is still there.
                36 => tokio::time::sleep(TRY).await,
                code => panic!("cannot create {topic}: error {code} {:?}", answer.topics[0].error_message),
            }
        }
        panic!("cannot create {topic}: it does not go away");
    }

    /// A topic that was just made has no leaders for a moment.
    async fn until_led(&mut self, topic: &str, partitions: i32) {
        for _ in 0..TRIES {
            let mut led = true;
            for partition in 0..partitions {
                led &= self.ends(topic, partition).await.is_some();
            }
            if led {
                return;
            }
            tokio::time::sleep(TRY).await;
        }
        panic!("{topic} has no leaders");
    }

    /// Changes a topic's setting.
    pub async fn set(&mut self, topic: &str, name: &str, value: &str) {
        let config = AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(topic))
            .with_configs(vec![config]);
        let answer = self.call(0, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource])).await;
        assert_eq!(answer.responses[0].error_code, 0, "cannot set {name} of {topic}");
    }

    pub async fn delete(&mut self, topic: &str) {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(topic)]).with_timeout_ms(10_000);
        let answer = self.call(4, &request).await;
        assert_eq!(answer.responses[0].error_code, 0, "cannot delete {topic}");
        for _ in 0..TRIES {
            if !self.topics().await.iter().any(|known| known == topic) {
                return;
            }
            tokio::time::sleep(TRY).await;
        }
        panic!("{topic} does not go away");
    }

    /// What retention does: everything before `offset` is gone.
    pub async fn retain(&mut self, topic: &str, partition: i32, offset: i64) {
        let partition = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
        let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let answer = self.call(1, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }

    /// One past the last record, committed or not.
    pub async fn end(&mut self, topic: &str, partition: i32) -> i64 {
        self.ends(topic, partition).await.unwrap_or_else(|| panic!("{topic} has no leader"))
    }

    async fn ends(&mut self, topic: &str, partition: i32) -> Option<i64> {
        let partition = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-1);
        let topic = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let answer = self.call(2, &ListOffsetsRequest::default().with_topics(vec![topic])).await;
        let found = &answer.topics[0].partitions[0];
        (found.error_code == 0).then_some(found.offset)
    }

    /// All committed records of a partition, from `from` on.
    pub async fn read(&mut self, topic: &str, partition: i32, from: i64) -> Vec<Record> {
        let end = self.end(topic, partition).await;
        let mut records = Vec::new();
        let mut offset = from;
        while offset < end {
            let wanted = FetchPartition::default()
                .with_partition(partition)
                .with_fetch_offset(offset)
                .with_partition_max_bytes(4 * 1024 * 1024);
            let wanted = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted]);
            let request = FetchRequest::default()
                .with_max_wait_ms(100)
                .with_max_bytes(4 * 1024 * 1024)
                .with_isolation_level(1)
                .with_topics(vec![wanted]);
            let mut answer = self.call(4, &request).await;
            let found = answer.responses.remove(0).partitions.remove(0);
            assert_eq!(found.error_code, 0, "cannot read {topic} at {offset}");
            let mut bytes = found.records.unwrap_or_default();
            let batches = RecordBatchDecoder::decode_all(&mut bytes).expect("record batches");
            let read: Vec<Written> = batches.into_iter().flat_map(|batch| batch.records).collect();
            let Some(last) = read.last().map(|record| record.offset) else { break };
            records.extend(
                read.iter()
                    .filter(|record| record.offset >= offset && !record.control)
                    .map(|record| shown(partition, record)),
            );
            offset = last + 1;
        }
        records
    }

    /// Appends records of others: key and value.
    pub async fn write(
        &mut self,
        topic: &str,
        partition: i32,
        records: &[(Option<&str>, Option<&str>)],
        transaction: Option<&mut Transaction>,
    ) {
        let (producer, epoch, sequence) =
            transaction.as_ref().map_or((-1, -1, -1), |open| (open.producer, open.epoch, open.sequence));
        let id = transaction.as_ref().map(|open| open.id.clone());
        if let Some(open) = transaction {
            open.sequence += i32::try_from(records.len()).expect("a few");
            self.join(open, topic, partition).await;
        }
        let bytes = |text: &Option<&str>| text.map(|text| Bytes::copy_from_slice(text.as_bytes()));
        let record = |(offset, (key, value)): (i32, &(Option<&str>, Option<&str>))| Written {
            transactional: id.is_some(),
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: producer,
            producer_epoch: epoch,
            timestamp_type: TimestampType::Creation,
            offset: i64::from(offset),
            sequence: sequence + offset,
            timestamp: 1_795_376_041_250,
            key: bytes(key),
            value: bytes(value),
            headers: [(text("ce_id"), Some(Bytes::from_static(b"somebody/1")))].into_iter().collect(),
        };
        let records: Vec<Written> = (0..).zip(records).map(record).collect();
        let mut batch = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut batch, &records, &options).expect("a batch");
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch.freeze()));
        let data = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(id)
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![data]);
        let answer = self.call(7, &request).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "a foreign record is refused");
    }

    pub async fn begin(&mut self, name: &str) -> Transaction {
        let id = TransactionalId(text(name));
        let (producer, epoch) = self.producer(&id).await;
        Transaction { id, producer, epoch, sequence: 0 }
    }

    /// A new producer of this id: there is none before the one before has ended its transaction, marks and all.
    async fn producer(&mut self, id: &TransactionalId) -> (i64, i16) {
        // Makes the broker have a coordinator of transactions.
        let find = FindCoordinatorRequest::default().with_key(id.0.clone()).with_key_type(1);
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone()))
            .with_transaction_timeout_ms(600_000);
        for _ in 0..TRIES {
            let answer = self.call(1, &find).await;
            if answer.error_code == 0 {
                let answer = self.call(1, &init).await;
                if answer.error_code == 0 {
                    return (answer.producer_id.0, answer.producer_epoch);
                }
            }
            tokio::time::sleep(TRY).await;
        }
        panic!("no transaction within {} s", TRIES / 10);
    }

    async fn join(&mut self, open: &Transaction, topic: &str, partition: i32) {
        let topic = AddPartitionsToTxnTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(open.id.clone())
            .with_v3_and_below_producer_id(open.producer.into())
            .with_v3_and_below_producer_epoch(open.epoch)
            .with_v3_and_below_topics(vec![topic]);
        for _ in 0..TRIES {
            let answer = self.call(1, &request).await;
            match answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code {
                0 => return,
                // 51: the one before is still being ended.
                51 => tokio::time::sleep(TRY).await,
                code => panic!("cannot add to a transaction: error {code}"),
            }
        }
        panic!("cannot add to a transaction");
    }

    /// The broker answers before it has written the marks: this returns after it has.
    pub async fn end_transaction(&mut self, open: Transaction, commit: bool) {
        let request = EndTxnRequest::default()
            .with_transactional_id(open.id.clone())
            .with_producer_id(open.producer.into())
            .with_producer_epoch(open.epoch)
            .with_committed(commit);
        let answer = self.call(1, &request).await;
        assert_eq!(answer.error_code, 0, "cannot end a transaction");
        self.producer(&open.id).await;
    }
}

fn shown(partition: i32, record: &Written) -> Record {
    let text = |bytes: &Option<Bytes>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    Record {
        partition: u32::try_from(partition).expect("a partition"),
        offset: u64::try_from(record.offset).expect("an offset"),
        headers: record.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        key: text(&record.key),
        value: text(&record.value),
    }
}
