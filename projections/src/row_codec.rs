//! How rows become bytes: the one place that names bincode.
//!
//! A stored row is the number of its table's schema (two bytes, big endian) and the row in bincode. Bincode does not
//! describe itself: bytes of another layout may decode to wrong values without an error. So a changed layout takes a
//! new schema number, golden bytes of every table stand in the tests, and a number that is not the table's makes the
//! store start again from the log.

use std::marker::PhantomData;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest row, in bytes: a model with every deployment it may have, each with the longest attachments.
const ROW_MAX_BYTES: usize = 32 * 1024 * 1024;
const SCHEMA_BYTES: usize = 2;

const CONFIG: Configuration<LittleEndian, Varint, Limit<ROW_MAX_BYTES>> =
    bincode::config::standard().with_limit::<ROW_MAX_BYTES>();

/// A table of rows of one type.
#[derive(Debug)]
pub(crate) struct RowTable<R> {
    /// The first byte of the key of each of its rows. Never used again for another table.
    pub(crate) id: u8,
    /// The number of the row's layout.
    pub(crate) schema: u16,
    /// The name, for errors.
    pub(crate) name: &'static str,
    row: PhantomData<fn() -> R>,
}

/// Why stored bytes are not the row they should be. The store is damaged then, or of another version.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The row has no schema number, or not the one that this version writes.
    #[error("a row of `{table}` has schema {found:?}, this version reads {expected}")]
    Schema {
        /// The table.
        table: &'static str,
        /// What stands there.
        found: Option<u16>,
        /// What this version writes.
        expected: u16,
    },
    /// The bytes are no such row.
    #[error("a row of `{table}` cannot be read")]
    Decode {
        /// The table.
        table: &'static str,
        /// Why.
        #[source]
        source: bincode::error::DecodeError,
    },
    /// Bytes are left over.
    #[error("a row of `{table}` has {left} bytes too many")]
    Trailing {
        /// The table.
        table: &'static str,
        /// How many.
        left: usize,
    },
    /// A packed record names what was not written before it.
    #[error("a usage record names origin {number}, which is not in its block")]
    Origin {
        /// Which.
        number: usize,
    },
    /// The row cannot be written.
    #[error("a row of `{table}` cannot be written")]
    Encode {
        /// The table.
        table: &'static str,
        /// Why.
        #[source]
        source: bincode::error::EncodeError,
    },
}

impl<R> RowTable<R> {
    pub(crate) const fn new(id: u8, schema: u16, name: &'static str) -> Self {
        Self { id, schema, name, row: PhantomData }
    }
}

impl<R: Serialize> RowTable<R> {
    /// The row's bytes, and no memory beyond them: many rows are kept so.
    pub(crate) fn encode(&self, row: &R) -> Result<Box<[u8]>, RowError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&self.schema.to_be_bytes());
        bincode::serde::encode_into_std_write(row, &mut bytes, CONFIG)
            .map_err(|source| RowError::Encode { table: self.name, source })?;
        Ok(bytes.into_boxed_slice())
    }
}

/// Appends a value to the bytes of a row that packs its values itself.
pub(crate) fn append<T: Serialize>(table: &'static str, value: &T, bytes: &mut Vec<u8>) -> Result<(), RowError> {
    bincode::serde::encode_into_std_write(value, bytes, CONFIG)
        .map(|_| ())
        .map_err(|source| RowError::Encode { table, source })
}

/// Takes a value off the bytes that [`append`] made.
pub(crate) fn take<T: DeserializeOwned>(table: &'static str, bytes: &mut &[u8]) -> Result<T, RowError> {
    let (value, consumed) =
        bincode::serde::decode_from_slice(bytes, CONFIG).map_err(|source| RowError::Decode { table, source })?;
    *bytes = bytes.get(consumed..).unwrap_or_default();
    Ok(value)
}

/// Bytes within a row, written as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Whole)
    }
}

impl<R: DeserializeOwned> RowTable<R> {
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<R, RowError> {
        let (found, body) = match bytes.split_first_chunk::<SCHEMA_BYTES>() {
            Some((schema, body)) => (Some(u16::from_be_bytes(*schema)), body),
            None => (None, bytes),
        };
        if found != Some(self.schema) {
            return Err(RowError::Schema { table: self.name, found, expected: self.schema });
        }
        let (row, consumed) = bincode::serde::decode_from_slice(body, CONFIG)
            .map_err(|source| RowError::Decode { table: self.name, source })?;
        match body.len() - consumed {
            0 => Ok(row),
            left => Err(RowError::Trailing { table: self.name, left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RowError, RowTable};

    const TABLE: RowTable<(String, u64)> = RowTable::new(1, 3, "pairs");

    #[test]
    fn a_row_reads_back() {
        let row = ("a".to_owned(), 300);
        assert_eq!(TABLE.decode(&TABLE.encode(&row).unwrap()).unwrap(), row);
    }

    #[test]
    fn a_row_of_another_schema_is_refused_whatever_its_bytes_say() {
        let bytes = RowTable::<(String, u64)>::new(1, 4, "pairs").encode(&("a".to_owned(), 300)).unwrap();
        assert!(matches!(TABLE.decode(&bytes), Err(RowError::Schema { found: Some(4), expected: 3, .. })));
        assert!(matches!(TABLE.decode(&[0]), Err(RowError::Schema { found: None, .. })));
    }

    #[test]
    fn a_row_with_a_byte_more_or_less_is_refused() {
        let mut bytes = TABLE.encode(&("a".to_owned(), 300)).unwrap().into_vec();
        bytes.push(0);
        assert!(matches!(TABLE.decode(&bytes), Err(RowError::Trailing { left: 1, .. })));
        bytes.truncate(bytes.len() - 2);
        assert!(matches!(TABLE.decode(&bytes), Err(RowError::Decode { .. })));
    }
}
