//! Which partition a key belongs to, as Kafka's Java client decides it.
//!
//! `partition = (murmur2(key) & 0x7fffffff) mod partitions`: the default partitioner of `kafka-clients`
//! (`org.apache.kafka.common.utils.Utils.murmur2`), so that any producer of the Java world finds the same partition.

use crate::types::Partition;

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// The 32-bit MurmurHash2 of Kafka's clients.
pub fn murmur2(data: &[u8]) -> u32 {
    // Kafka hashes arrays, whose length is an i32; the wrap of a longer slice is of no consequence here.
    let mut h = SEED ^ (data.len() as u32);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        h ^= rest.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of `key` in a topic with `partitions` partitions; `None` for a topic without any.
pub fn partition_of(key: &str, partitions: u32) -> Option<Partition> {
    let positive = murmur2(key.as_bytes()) & 0x7fff_ffff;
    let index = positive.checked_rem(partitions)?;
    i32::try_from(index).ok().map(Partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of `UtilsTest.testMurmur2` in Apache Kafka.
    #[test]
    fn the_hash_equals_the_java_clients() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_partition_is_always_within_the_topic() {
        assert_eq!(partition_of("demo", 0), None);
        for partitions in 1..50 {
            for n in 0..50 {
                let partition = partition_of(&format!("event-{n}"), partitions).unwrap();
                assert!((0..i32::try_from(partitions).unwrap()).contains(&partition.0));
            }
        }
    }
}
