//! Opens a log: takes the lock, reads and checks the segments, and cuts off what a crash left at the end. Blocks.
//!
//! Nothing is changed before everything was checked.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tallygate_core::envelope::{Fault, Line, MacKey};
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::{Head, Log, Offset, Position};

use super::catalog::{Catalog, Marks, Segment, Shared};
use super::disk::{Disk, failed};
use super::header::chain_of;
use super::reader::{Reader, damaged};
use super::recent::Recent;
use super::scan::{Chains, LineAt, Scanned, scan};
use super::writer::Writer;
use super::{Options, Verify, checkpoint, folder, torn};

/// The first line of a log.
const FIRST: Offset = Offset::new(1);

/// Opens the log in a folder for its writer and its readers.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    folder: &Path,
    log: Log,
    options: &Options,
) -> Result<(Writer, Arc<Shared>), LogError> {
    let lock = folder::claim(&*disk, folder)?;
    let firsts = folder::segments(folder)?;
    let Loaded { segments, chains, end, torn_bytes } = load(folder, log, options.verify, &firsts)?;
    let shared = Arc::new(Shared::new(Catalog { segments, heads: chains.heads(), end, recent: Recent::default() }));
    check_tips(folder, &shared, &chains, options.mac_key.as_ref())?;
    let parts = drop_half_a_command(folder, log, &shared, &chains)?;
    let first = firsts.last().copied().unwrap_or(FIRST);
    let path = folder::segment_path(folder, first);
    let bytes = shared.catalog().durable_bytes();
    let file = disk.open_segment(&path).map_err(failed("opening", &path))?;
    if parts.bytes + torn_bytes > 0 {
        tracing::warn!(
            file = %path.display(), at_byte = bytes, bytes = parts.bytes + torn_bytes, whole_lines = parts.lines,
            "cut off the end of an append that a crash interrupted before it was acknowledged"
        );
        disk.truncate(&file, bytes).map_err(failed("cutting", &path))?;
    }
    // A crash may have left lines that were read just now, but never synced. Readers must not see what can still go.
    disk.sync(&file).map_err(failed("syncing", &path))?;
    disk.sync_folder(folder).map_err(failed("syncing", folder))?;
    let writer = Writer::new(disk, log, folder.to_owned(), options.segment_bytes, shared.clone(), (lock, file, first));
    Ok((writer, shared))
}

struct Loaded {
    segments: Vec<Segment>,
    chains: Chains,
    end: Offset,
    torn_bytes: u64,
}

fn load(folder: &Path, log: Log, verify: Verify, firsts: &[Offset]) -> Result<Loaded, LogError> {
    let Some((&last, older)) = firsts.split_last() else {
        let segments = vec![Segment::empty(folder::segment_path(folder, FIRST), FIRST)];
        let chains = Chains::new(log, HashMap::new());
        return Ok(Loaded { segments, chains, end: Offset::START, torn_bytes: 0 });
    };
    if firsts.first() != Some(&FIRST) {
        let what = format!("the first segment begins with line {}: older ones are missing", firsts[0]);
        return Err(LogError::Damaged { place: folder.display().to_string(), what });
    }
    let mut segments = Vec::with_capacity(firsts.len());
    let known_heads = match (log, verify) {
        (Log::Activity, Verify::LastSegment) => checkpoint::read(folder, last),
        _ => None,
    };
    let skipped = if known_heads.is_some() { older.len() } else { 0 };
    for first in &older[..skipped] {
        segments.push(unread(folder, *first)?);
    }
    let mut chains = Chains::new(log, known_heads.unwrap_or_default());
    let (mut end, mut torn_bytes) = (Offset::START, 0);
    for (index, first) in firsts.iter().enumerate().skip(skipped) {
        let path = folder::segment_path(folder, *first);
        let scanned = scan(&path, *first, &mut chains)?;
        if let Some(next) = firsts.get(index + 1) {
            check_seam(&path, &scanned, *next)?;
        }
        (end, torn_bytes) = (scanned.end, scanned.torn_bytes);
        segments.push(Segment { path: path.into(), first: *first, bytes: scanned.bytes, marks: scanned.marks });
    }
    Ok(Loaded { segments, chains, end, torn_bytes })
}

/// An older segment that is not read now. A reader will find what is missing in it.
fn unread(folder: &Path, first: Offset) -> Result<Segment, LogError> {
    let path = folder::segment_path(folder, first);
    let bytes = fs::metadata(&path).map_err(failed("reading", &path))?.len();
    Ok(Segment { path: path.into(), first, bytes, marks: Marks::default() })
}

/// A segment is synced whole before the next is begun, so one that is not the last cannot be torn.
fn check_seam(path: &Path, scanned: &Scanned, next: Offset) -> Result<(), LogError> {
    let after = scanned.end.plus(1);
    if scanned.torn_bytes > 0 {
        return Err(damaged(path, after, scanned.bytes, "a line does not end, and a later segment follows"));
    }
    if after == next {
        return Ok(());
    }
    Err(damaged(path, after, scanned.bytes, format!("the next segment begins with line {next}: lines are missing")))
}

/// Nothing vouches for the last line of a chain but its MAC. It must parse, and with a key it must be authentic.
fn check_tips(folder: &Path, shared: &Arc<Shared>, chains: &Chains, key: Option<&MacKey>) -> Result<(), LogError> {
    for at in chains.tips().filter_map(|(_, tip)| tip.line) {
        let fault = match line_at(shared, at)? {
            Some(line) if key.is_some_and(|key| !line.is_authentic(key)) => Some(Fault::Forged),
            Some(line) => line.envelope().err(),
            None => Some(Fault::Unreadable("it is gone".to_owned())),
        };
        if let Some(fault) = fault {
            let path = folder::segment_path(folder, at.segment);
            return Err(damaged(&path, at.offset, at.byte, fault.to_string()));
        }
    }
    Ok(())
}

fn line_at(shared: &Arc<Shared>, at: LineAt) -> Result<Option<Line>, LogError> {
    let before = Offset::new(at.offset.get().saturating_sub(1));
    Ok(Reader::new(shared.clone(), before).page(1)?.into_iter().flat_map(|entry| entry.lines).next())
}

/// What [`drop_half_a_command`] took from the end.
struct Dropped {
    lines: usize,
    bytes: u64,
}

/// Takes the first parts of a command off the end of the catalog when its last part is missing.
fn drop_half_a_command(folder: &Path, log: Log, shared: &Arc<Shared>, chains: &Chains) -> Result<Dropped, LogError> {
    let nothing = Dropped { lines: 0, bytes: 0 };
    let end = shared.catalog().end;
    let Some(at) = chains.tips().filter_map(|(_, tip)| tip.line).find(|at| at.offset == end) else {
        return Ok(nothing);
    };
    let Some(last) = line_at(shared, at)? else { return Ok(nothing) };
    let path = folder::segment_path(folder, at.segment);
    let wrong = |what: String| damaged(&path, at.offset, at.byte, what);
    let (part, parts) = last.envelope().map_err(|fault| wrong(fault.to_string()))?.part;
    if part >= parts {
        return Ok(nothing);
    }
    let new_end = Offset::new(end.get().saturating_sub(u64::from(part)));
    // One line more than the parts: what stays must end with a whole command.
    let lines = lines_after(shared, Offset::new(new_end.get().saturating_sub(1)))?;
    let (stays, lines) = lines.split_at(lines.len().saturating_sub(usize::from(part)));
    if new_end.plus(1) < at.segment || !torn::are_parts_of_one_command(lines) || !torn::ends_whole(stays) {
        return Err(wrong(format!("it is part {part} of {parts} of a command whose other parts are not before it")));
    }
    let bytes: u64 = lines.iter().map(|line| line.bytes().len() as u64 + 1).sum();
    let head = head_before(lines).ok_or_else(|| wrong("its command has no first part".to_owned()))?;
    let chain = chain_of(log, &last).map_err(|fault| wrong(fault.to_string()))?;
    let mut catalog = shared.catalog_mut();
    catalog.end = new_end;
    match head.position {
        Position::START => catalog.heads.remove(&chain),
        _ => catalog.heads.insert(chain, head),
    };
    if let Some(segment) = catalog.segments.last_mut() {
        segment.bytes = segment.bytes.saturating_sub(bytes);
        segment.marks.cut(new_end);
    }
    drop(catalog);
    shared.announce();
    Ok(Dropped { lines: lines.len(), bytes })
}

/// All lines after an offset.
fn lines_after(shared: &Arc<Shared>, after: Offset) -> Result<Vec<Line>, LogError> {
    let mut reader = Reader::new(shared.clone(), after);
    let mut lines = Vec::new();
    loop {
        let page = reader.page(usize::MAX)?;
        if page.is_empty() {
            return Ok(lines);
        }
        lines.extend(page.into_iter().flat_map(|entry| entry.lines));
    }
}

/// Where a chain ended before the first of some lines.
fn head_before(lines: &[Line]) -> Option<Head> {
    let first = lines.first()?;
    let position = first.envelope().ok()?.position.get().checked_sub(1)?;
    Some(Head { position: Position::new(position), hash: first.prev()? })
}
