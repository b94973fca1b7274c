//! A record, as Kafka's console consumer prints it.

use anyhow::{Context, Result, bail};

/// One record, as Kafka's console consumer prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Partition.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: u64,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
    /// Key, as text.
    pub key: String,
    /// Value, as text.
    pub value: String,
}

impl Record {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(value)
    }

    /// The value as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.value).unwrap_or(serde_json::Value::Null)
    }

    /// `Partition:0 \x1f Offset:7 \x1f name:value\x1ename:value \x1f key \x1f value`
    pub(super) fn parse(line: &str) -> Result<Self> {
        let parts: Vec<&str> = line.splitn(5, '\u{1f}').collect();
        let [partition, offset, headers, key, value] = parts.as_slice() else {
            bail!("cannot read the record {line:?}");
        };
        let number = |text: &str, name: &str| -> Result<u64> {
            text.strip_prefix(name)
                .and_then(|rest| rest.parse().ok())
                .with_context(|| format!("cannot read {name} in {line:?}"))
        };
        let headers = headers
            .split('\u{1e}')
            .filter_map(|header| header.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            partition: u32::try_from(number(partition, "Partition:")?)?,
            offset: number(offset, "Offset:")?,
            headers,
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_record_is_read_whole() {
        let line =
            "Partition:0\u{1f}Offset:7\u{1f}ce_id:demo/8\u{1e}content-type:application/json\u{1f}demo\u{1f}{\"seq\":8}";
        let record = Record::parse(line).unwrap();
        assert_eq!((record.partition, record.offset), (0, 7));
        assert_eq!(record.header("ce_id"), Some("demo/8"));
        assert_eq!(record.header("content-type"), Some("application/json"));
        assert_eq!(record.key, "demo");
        assert_eq!(record.json()["seq"], 8);
    }

    #[test]
    fn a_record_that_is_cut_off_is_an_error() {
        assert!(Record::parse("Partition:0\u{1f}Offset:7").is_err());
    }
}
