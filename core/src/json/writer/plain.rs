//! Which texts need no escape. Nearly all need none, so eight bytes are looked at at once.

/// Whether a text stands in JSON as it is.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\');
    };
    // The last eight bytes are looked at as one word too, though some of them were before.
    let words = text.as_chunks::<8>().0.iter().chain([last]);
    words.fold(true, |is_plain, word| is_plain & is_plain_word(u64::from_le_bytes(*word)))
}

/// Whether none of eight bytes must be escaped. A byte's highest bit is set below where it is less than another, or equal to
/// it; a borrow from one byte to the next follows such a one alone
/// (<https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>).
const fn is_plain_word(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);
    let quotes = word ^ u64::from_le_bytes([b'"'; 8]);
    let backslashes = word ^ u64::from_le_bytes([b'\\'; 8]);
    let control = word.wrapping_sub(u64::from_le_bytes([b' '; 8])) & !word;
    let quoted = quotes.wrapping_sub(ONES) & !quotes;
    let escaped = backslashes.wrapping_sub(ONES) & !backslashes;
    (control | quoted | escaped) & HIGHEST == 0
}
