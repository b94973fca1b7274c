//! Lower-case hex: how 32-byte seeds and commitments are written in answers, tickets and storage.
//!
//! Invariant: `decode(t) = Some(v)` only if `encode(v) = t`, so one value has one text.

/// The text of `bytes`, two characters each.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of `text` if it is exactly `2 × N` characters of `0-9` and `a-f`.
#[must_use]
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? * 16 + nibble(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_and_read_back() {
        assert_eq!(encode(&[0x00, 0x9f, 0xa0, 0xff]), "009fa0ff");
        assert_eq!(decode("009fa0ff"), Some([0x00, 0x9f, 0xa0, 0xff]));
        assert_eq!(decode::<0>(""), Some([]));
    }

    #[test]
    fn only_the_one_spelling_is_read() {
        for text in ["", "00", "00ff0", "00ff00", "00FF", "0x00", " 00f", "00f ", "00g0", "00:0", "0/00", "00f`", "äff"]
        {
            assert_eq!(decode::<2>(text), None, "{text:?}");
        }
    }
}
