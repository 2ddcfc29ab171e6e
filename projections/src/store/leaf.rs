//! Leaves: many neighbouring rows in one row of sled's.
//!
//! Sled's cost is by the row, whatever its size, so tens of our rows lie in one of its. A leaf's key is at most the key
//! of its first row, and all rows up to the next leaf's key lie in it. Which rows share a leaf depends on how they were
//! written; nothing outside the store may see it.
//!
//! Layout: a byte for the format, what the keys of all rows begin with, then the rows, each as the rest of its key and
//! its value. Lengths are LEB128.

/// The first byte of a leaf. No row of earlier stores, which had no leaves, begins with it.
const FORMAT: u8 = 0xA1;
/// A leaf with more bytes is split.
const SPLIT_BYTES: usize = 4 * 1024;
/// About how many bytes the parts of a leaf have that was split.
const FILL_BYTES: usize = 3 * 1024;
/// What a row takes beside its key and its value, about.
const ROW_OVERHEAD: usize = 3;

/// A key and its row.
pub(super) type Row<'a> = (&'a [u8], &'a [u8]);

/// The bytes are no leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// A leaf that is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf<'a> {
    prefix: &'a [u8],
    rows: &'a [u8],
}

/// The rows of a leaf: the rest of each key, and the value.
#[derive(Debug, Clone)]
pub(super) struct Rows<'a>(&'a [u8]);

impl<'a> Leaf<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (&format, rest) = bytes.split_first().ok_or(Malformed)?;
        if format != FORMAT {
            return Err(Malformed);
        }
        let (length, rest) = read_length(rest)?;
        let (prefix, rows) = rest.split_at_checked(length).ok_or(Malformed)?;
        Ok(Self { prefix, rows })
    }

    /// The row at a key.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<&'a [u8]>, Malformed> {
        let Some(wanted) = key.strip_prefix(self.prefix) else { return Ok(None) };
        for row in self.rows() {
            let (rest, value) = row?;
            if rest >= wanted {
                return Ok((rest == wanted).then_some(value));
            }
        }
        Ok(None)
    }

    /// What all keys begin with.
    pub(super) const fn prefix(&self) -> &'a [u8] {
        self.prefix
    }

    pub(super) const fn rows(&self) -> Rows<'a> {
        Rows(self.rows)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let row = read_row(self.0);
        self.0 = row.map_or(&[], |(_, rest)| rest);
        Some(row.map(|(row, _)| row))
    }
}

fn read_row(bytes: &[u8]) -> Result<(Row<'_>, &[u8]), Malformed> {
    let (key_length, rest) = read_length(bytes)?;
    let (value_length, rest) = read_length(rest)?;
    let (key, rest) = rest.split_at_checked(key_length).ok_or(Malformed)?;
    let (value, rest) = rest.split_at_checked(value_length).ok_or(Malformed)?;
    Ok(((key, value), rest))
}

fn read_length(bytes: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((length, &bytes[index + 1..]));
        }
    }
    Err(Malformed)
}

fn write_length(mut length: usize, into: &mut Vec<u8>) {
    while length >= 0x80 {
        into.push(u8::try_from(length & 0x7F).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    into.push(u8::try_from(length).unwrap_or_default());
}

/// A leaf of rows in the order of their keys.
pub(super) fn pack(rows: &[Row<'_>]) -> Vec<u8> {
    let prefix = match (rows.first(), rows.last()) {
        // What the first and the last have in common, all between them have.
        (Some((first, _)), Some((last, _))) => &first[..common(first, last)],
        _ => &[],
    };
    let bytes: usize = rows.iter().map(bytes_of).sum();
    let mut leaf = Vec::with_capacity(bytes + prefix.len() + 8);
    leaf.push(FORMAT);
    write_length(prefix.len(), &mut leaf);
    leaf.extend_from_slice(prefix);
    for (key, value) in rows {
        let rest = &key[prefix.len()..];
        write_length(rest.len(), &mut leaf);
        write_length(value.len(), &mut leaf);
        leaf.extend_from_slice(rest);
        leaf.extend_from_slice(value);
    }
    leaf
}

fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn bytes_of((key, value): &Row<'_>) -> usize {
    key.len() + value.len() + ROW_OVERHEAD
}

/// How many of the rows each of the leaves gets that they are to be kept in. None is without rows.
pub(super) fn portions(rows: &[Row<'_>]) -> Vec<usize> {
    let bytes: usize = rows.iter().map(bytes_of).sum();
    if bytes <= SPLIT_BYTES {
        return if rows.is_empty() { Vec::new() } else { vec![rows.len()] };
    }
    let portion_bytes = bytes / bytes.div_ceil(FILL_BYTES);
    let mut portions = Vec::new();
    let (mut count, mut filled) = (0, 0);
    for row in rows {
        let more = bytes_of(row);
        // A large row lies alone: its neighbours change more often than it does.
        if count > 0 && (filled >= portion_bytes || more >= FILL_BYTES) {
            portions.push(std::mem::take(&mut count));
            filled = 0;
        }
        count += 1;
        filled += more;
    }
    portions.push(count);
    portions
}

#[cfg(test)]
mod tests {
    use super::{FILL_BYTES, Leaf, Malformed, Row, SPLIT_BYTES, pack, portions};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeMap;

    type Owned = (Vec<u8>, Vec<u8>);

    fn read(bytes: &[u8]) -> Result<Vec<Owned>, Malformed> {
        let leaf = Leaf::read(bytes)?;
        leaf.rows().map(|row| row.map(|(rest, value)| ([leaf.prefix(), rest].concat(), value.to_vec()))).collect()
    }

    proptest! {
        #[test]
        fn a_leaf_reads_back_and_every_row_is_found(
            rows in proptest::collection::btree_map("[a-c]{0,6}", proptest::collection::vec(any::<u8>(), 0..300), 0..40),
            other in "[a-c]{0,6}",
        ) {
            let slices: Vec<Row<'_>> = rows.iter().map(|(key, value)| (key.as_bytes(), &value[..])).collect();
            let packed = pack(&slices);
            let expected: Vec<_> = rows.iter().map(|(key, value)| (key.clone().into_bytes(), value.clone())).collect();
            prop_assert_eq!(read(&packed).unwrap(), expected);
            let leaf = Leaf::read(&packed).unwrap();
            for (key, value) in &rows {
                prop_assert_eq!(leaf.find(key.as_bytes()).unwrap(), Some(&value[..]));
            }
            prop_assert_eq!(leaf.find(other.as_bytes()).unwrap(), rows.get(&other).map(Vec::as_slice));
        }

        #[test]
        fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = Leaf::read(&bytes).and_then(|leaf| leaf.find(b"key"));
        }

        #[test]
        fn portions_hold_all_rows_and_none_is_large_but_by_one_row(
            sizes in proptest::collection::vec(0_usize..6_000, 0..60),
        ) {
            let rows: BTreeMap<Vec<u8>, Vec<u8>> = (0_u32..)
                .zip(sizes)
                .map(|(number, size)| (number.to_be_bytes().to_vec(), vec![0; size]))
                .collect();
            let rows: Vec<Row<'_>> = rows.iter().map(|(key, value)| (&key[..], &value[..])).collect();
            let portions = portions(&rows);
            prop_assert_eq!(portions.iter().sum::<usize>(), rows.len());
            let mut from = 0;
            for count in portions {
                let part = &rows[from..from + count];
                let bytes: usize = part.iter().map(|(_, value)| value.len()).sum();
                prop_assert!(count == 1 || bytes <= SPLIT_BYTES + FILL_BYTES, "{} rows of {} bytes", count, bytes);
                prop_assert!(count > 0);
                from += count;
            }
        }
    }
}
