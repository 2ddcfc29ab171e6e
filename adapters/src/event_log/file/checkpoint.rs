//! Where the chains ended before a segment: a hint that lets an activity log open without reading its older segments.
//!
//! One line of JSON and the SHA-256 of that line. It can always be computed from the segments, so whatever is wrong with
//! it only means that they are read.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use tallygate_core::digest::Digest;
use tallygate_core::stream::{ChainId, Head, Offset};

use super::folder::heads_path;

/// Writes the hint for the segment that begins with a line.
pub(super) fn write(folder: &Path, first: Offset, heads: &HashMap<ChainId, Head>) -> io::Result<()> {
    let sorted: BTreeMap<&ChainId, &Head> = heads.iter().collect();
    let json = serde_json::to_string(&sorted)?;
    let path = heads_path(folder, first);
    let unfinished = path.with_extension("heads.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(format!("{json}\n{}\n", Digest::of(json.as_bytes())).as_bytes())?;
    file.sync_data()?;
    fs::rename(unfinished, path)
}

/// Reads the hint; none when there is none that can be trusted.
pub(super) fn read(folder: &Path, first: Offset) -> Option<HashMap<ChainId, Head>> {
    let text = fs::read_to_string(heads_path(folder, first)).ok()?;
    let (json, digest) = text.strip_suffix('\n')?.split_once('\n')?;
    if digest.parse() != Ok(Digest::of(json.as_bytes())) {
        return None;
    }
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use std::collections::HashMap;
    use std::fs;
    use tallygate_core::digest::Digest;
    use tallygate_core::stream::{ChainId, Head, Log, Offset, Position};
    use tallygate_core::testing::chain_writer::ChainWriter;

    #[test]
    fn a_changed_hint_is_no_hint() {
        let folder = tempfile::tempdir().unwrap();
        let first = Offset::new(7);
        let chain: ChainId = ChainWriter::new(Log::Activity, "a\"b").chain();
        let heads = HashMap::from([(chain, Head { position: Position::new(6), hash: Digest::of(b"line") })]);
        assert_eq!(read(folder.path(), first), None);
        write(folder.path(), first, &heads).unwrap();
        assert_eq!(read(folder.path(), first), Some(heads));
        let path = super::heads_path(folder.path(), first);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert_eq!(read(folder.path(), first), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(read(folder.path(), first), None, "cut at {at}");
        }
    }
}
