//! Records as bytes: a header of three numbers, and the payload. Knows nothing of what a payload means.
//!
//! A header of zeros ends a segment. Whoever writes puts one behind its last record each time, so that a file may be used
//! again in place: what an earlier segment left behind the end is never looked at.

/// The bytes before a payload.
pub const HEADER_BYTES: usize = 12;
/// The longest payload. A record of activity is a line of a log without its envelope, and lines are shorter.
pub const PAYLOAD_MAX_BYTES: usize = 1024 * 1024;

/// The checksum that a segment begins with.
pub const SEED: u32 = 0x7461_6c6c;

/// What ends a segment: a header of zeros. No record's header is one, since no record is empty.
pub const TERMINATOR: [u8; HEADER_BYTES] = [0; HEADER_BYTES];

/// A segment as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The payloads of its whole records, in order.
    pub payloads: Vec<&'a [u8]>,
    /// How it ends.
    pub end: End,
    /// The checksum of the last whole record: what the next segment names.
    pub checksum: u32,
}

/// How a segment ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With a whole record, at the end of its bytes or before the terminator.
    Whole,
    /// With a record that is cut short: its writer was killed while it wrote.
    Torn {
        /// How many bytes are whole records.
        at: usize,
    },
    /// With bytes that are no record: changed, or lost in a loss of power. What follows them is not read.
    Damaged {
        /// How many bytes are whole records.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
}

/// Appends a record to some bytes, and tells the checksum that the next one is seeded with.
pub fn write(out: &mut Vec<u8>, seed: u32, payload: &[u8]) -> u32 {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let checksum = checksum(seed, payload);
    let header = header(length, checksum);
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    checksum
}

/// Reads a segment up to its end, or up to what is no record.
#[must_use]
pub fn read(bytes: &[u8]) -> Segment<'_> {
    let mut payloads = Vec::new();
    let (mut at, mut checksum) = (0, SEED);
    let end = loop {
        match record(bytes.get(at..).unwrap_or_default(), at, checksum) {
            Ok((payload, own)) => {
                payloads.push(payload);
                at += HEADER_BYTES + payload.len();
                checksum = own;
            }
            Err(end) => break end,
        }
    };
    Segment { payloads, end, checksum }
}

/// The record that some bytes begin with, and its checksum.
fn record(rest: &[u8], at: usize, seed: u32) -> Result<(&[u8], u32), End> {
    if rest.is_empty() {
        return Err(End::Whole);
    }
    let (head, body) = rest.split_first_chunk::<HEADER_BYTES>().ok_or(End::Torn { at })?;
    if *head == TERMINATOR {
        return Err(End::Whole);
    }
    let number = |at: usize| head.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes);
    let (length, expected) = (number(0), number(4));
    if header(length, expected) != *head {
        return Err(End::Damaged { at, what: "a record's header does not match its checksum" });
    }
    let length = length as usize;
    if length == 0 || length > PAYLOAD_MAX_BYTES {
        return Err(End::Damaged { at, what: "a record is empty, or longer than any" });
    }
    let payload = body.get(..length).ok_or(End::Torn { at })?;
    if checksum(seed, payload) != expected {
        return Err(End::Damaged { at, what: "a record does not match its checksum, or does not follow" });
    }
    Ok((payload, expected))
}

fn header(length: u32, checksum: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (numbers, check) = header.split_at_mut(8);
    numbers[..4].copy_from_slice(&length.to_le_bytes());
    numbers[4..].copy_from_slice(&checksum.to_le_bytes());
    check.copy_from_slice(&self::checksum(SEED, numbers).to_le_bytes());
    header
}

fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}
