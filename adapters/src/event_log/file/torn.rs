//! What a crash can leave at the end of the last segment, told from damage.
//!
//! A write that was cut short leaves the front of what was written: whole lines, then a line without its line feed, or
//! zero bytes where the file had grown but the data had not arrived. None of it was acknowledged, since an
//! acknowledgement waits for the sync. A changed byte looks different, and must not pass for a crash: it may sit in a
//! line that was acknowledged.

use bytes::Bytes;
use tallygate_core::envelope::Line;

use super::scan::Chains;

/// The least that a disk writes at once. Data that did not arrive leaves a gap of at least so many zero bytes.
const SECTOR_BYTES: usize = 512;

/// Checks what follows the last line feed.
///
/// # Errors
/// What is wrong, when it is a whole line with a byte behind it: a crash writes a line feed there or nothing.
pub(super) fn check(rest: &Bytes, chains: &Chains) -> Result<(), &'static str> {
    let Some((last, _)) = rest.split_last() else { return Ok(()) };
    let line = Line::from_bytes(rest.slice(..rest.len() - 1));
    if *last != 0 && chains.fits(&line).is_ok() {
        return Err("the line feed after the line was changed");
    }
    Ok(())
}

/// Whether data did not arrive in the middle of a line whose line feed did.
pub(super) fn has_hole(line: &[u8]) -> bool {
    let mut zeros = 0;
    line.iter().any(|byte| {
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        zeros >= SECTOR_BYTES
    })
}

/// Whether lines, if there are any, end with the last part of a command.
pub(super) fn ends_whole(lines: &[Line]) -> bool {
    lines.last().is_none_or(|line| line.envelope().is_ok_and(|envelope| envelope.part.0 == envelope.part.1))
}

/// Whether lines are the first parts of one command, in order.
pub(super) fn are_parts_of_one_command(lines: &[Line]) -> bool {
    let envelopes: Vec<_> = lines.iter().map_while(|line| line.envelope().ok()).collect();
    let Some(first) = envelopes.first() else { return false };
    envelopes.len() == lines.len()
        && envelopes
            .iter()
            .zip(1_u16..)
            .all(|(envelope, part)| envelope.part == (part, first.part.1) && envelope.command == first.command)
}

#[cfg(test)]
mod tests {
    use super::{SECTOR_BYTES, are_parts_of_one_command, has_hole};
    use tallygate_core::stream::Log;
    use tallygate_core::testing::chain_writer::ChainWriter;

    #[test]
    fn a_hole_is_a_sector_of_zeros_and_no_less() {
        let line = |zeros| [&b"abc"[..], &vec![0; zeros], b"def"].concat();
        assert!(has_hole(&line(SECTOR_BYTES)));
        assert!(!has_hole(&line(SECTOR_BYTES - 1)));
    }

    #[test]
    fn parts_of_one_command_stand_in_order() {
        let mut writer = ChainWriter::new(Log::Control, "acme");
        let (one, two) = (writer.command(3).lines, writer.command(3).lines);
        assert!(are_parts_of_one_command(&one[..2]));
        assert!(!are_parts_of_one_command(&one[1..]));
        assert!(!are_parts_of_one_command(&[one[0].clone(), two[1].clone()]));
        assert!(!are_parts_of_one_command(&[]));
    }
}
