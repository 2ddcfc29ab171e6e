//! Compressed bodies, written by hand: an honest one, and one that becomes a thousand times its size.

use bytes::Bytes;

const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The longest that a stored block can be.
const STORED_MAX: usize = 65_535;
/// The longest that one copy can be.
const COPY: usize = 258;

/// The text in blocks that are not compressed.
pub(super) fn stored(text: &[u8]) -> Bytes {
    let mut file = HEAD.to_vec();
    let mut blocks = text.chunks(STORED_MAX).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        file.push(u8::from(blocks.peek().is_none()));
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend(block);
    }
    end(&mut file, checksum(text.iter().copied()), text.len());
    Bytes::from(file)
}

/// Spaces, at least so many, in 13 bits for every 258 of them.
pub(super) fn bomb(length: usize) -> Bytes {
    let copies = length.div_ceil(COPY);
    let mut bits = Bits { bytes: HEAD.to_vec(), filled: 8 };
    bits.push(0b011, 3); // The last block, of fixed codes.
    bits.push_code(0x30 + u32::from(b' '), 8);
    for _ in 0..copies {
        bits.push_code(0b1100_0101, 8); // A copy of 258,
        bits.push_code(0, 5); // from one byte before.
    }
    bits.push_code(0, 7);
    let length = copies * COPY + 1;
    let mut file = bits.bytes;
    end(&mut file, checksum(std::iter::repeat_n(b' ', length)), length);
    Bytes::from(file)
}

/// The checksum and the length, which wraps.
fn end(file: &mut Vec<u8>, checksum: u32, length: usize) {
    file.extend(checksum.to_le_bytes());
    file.extend(u32::try_from(length & 0xffff_ffff).unwrap_or_default().to_le_bytes());
}

/// Bytes that are filled from their lowest bit.
struct Bits {
    bytes: Vec<u8>,
    filled: u8,
}

impl Bits {
    /// The lowest bits of a value, the lowest first.
    fn push(&mut self, value: u32, count: u32) {
        for at in 0..count {
            if self.filled == 8 {
                self.bytes.push(0);
                self.filled = 0;
            }
            let bit = u8::from(value >> at & 1 == 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << self.filled;
            }
            self.filled += 1;
        }
    }

    /// A code, whose highest bit comes first.
    fn push_code(&mut self, code: u32, count: u32) {
        (0..count).rev().for_each(|at| self.push(code >> at & 1, 1));
    }
}

/// CRC-32, a byte at a time.
fn checksum(bytes: impl Iterator<Item = u8>) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.fold(!0, |sum, byte| TABLE[(sum as u8 ^ byte) as usize] ^ (sum >> 8))
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut value, mut bit) = (index as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}
