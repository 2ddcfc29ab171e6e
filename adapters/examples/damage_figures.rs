//! Damages a log in files in every way that one byte, one bit or one cut can, opens it, and counts what was not noticed.
//!
//! `cargo run -p tallygate-adapters --example damage_figures [-- --control]`. The control reads as one would who checks
//! nothing but that each line is JSON: it must be wrong.

#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use tallygate_adapters::event_log::file::{FileLog, Options};
use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{EventLog as _, LogError};
use tallygate_core::stream::Log;
use tallygate_core::testing::chain_writer::{ChainWriter, TEST_MAC_KEY};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SEGMENT: &str = "00000000000000000001.jsonl";
/// The end of the log that is cut at every byte.
const TAIL_BYTES: usize = 64 * 1024;
const FLIPS: usize = 5_000;
/// The log whose bits are flipped has about so many bytes.
const FLIPPED_LOG_BYTES: usize = 256 * 1024;
/// The control needs no more to be found out.
const CONTROL_STEP: usize = 997;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let control = std::env::args().nth(1).as_deref() == Some("--control");
    // Every opening syncs, so in memory where there is such a place.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let wrong = [torn(folder.path(), control).await?, flipped(folder.path(), control)?];
    if control {
        let found = wrong.iter().all(|wrong| *wrong > 0);
        println!("damage: the control {}", if found { "was found out" } else { "WAS NOT FOUND OUT" });
        return Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    Ok(if wrong == [0, 0] { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lines of about so many bytes in all: events alone, and commands of up to four parts.
fn lines(bytes: usize) -> Vec<Line> {
    let mut writer = ChainWriter::new(Log::Control, "acme");
    let (mut lines, mut length) = (Vec::new(), 0);
    for round in 0.. {
        let batch = if round % 3 == 0 { writer.batch(2) } else { writer.command(1 + round % 4) };
        length += batch.lines.iter().map(|line| line.bytes().len() + 1).sum::<usize>();
        lines.extend(batch.lines);
        if length >= bytes {
            break;
        }
    }
    lines
}

fn segment_of(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.bytes(), &b"\n"[..]].concat()).collect()
}

fn open(folder: &Path) -> std::result::Result<FileLog, LogError> {
    FileLog::open(folder, Log::Control, &Options { mac_key: Some(TEST_MAC_KEY), ..Options::default() })
}

/// How many lines a reader finds who believes everything that is JSON.
fn naive(bytes: &[u8]) -> usize {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.take_while(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok()).count()
}

/// Cuts the log at every byte of its end. What must stay is the longest prefix of whole commands.
async fn torn(folder: &Path, control: bool) -> Result<usize> {
    let lines = lines(TAIL_BYTES + 4_096);
    let whole = segment_of(&lines);
    // After each line: where it ends, and how many lines are whole commands up to it.
    let (mut ends, mut end, mut stays) = (vec![(0, 0)], 0, 0);
    for (index, line) in lines.iter().enumerate() {
        end += line.bytes().len() + 1;
        let (part, of) = line.envelope()?.part;
        stays = if part == of { index + 1 } else { stays };
        ends.push((end, stays));
    }
    let (begun, mut wrong, mut opened) = (Instant::now(), 0, 0);
    for cut in (whole.len() - TAIL_BYTES..=whole.len()).step_by(if control { CONTROL_STEP } else { 1 }) {
        let expected = ends.iter().rev().find(|(end, _)| *end <= cut).map_or(0, |(_, stays)| *stays);
        fs::write(folder.join(SEGMENT), &whole[..cut])?;
        let found = if control { naive(&whole[..cut]) } else { usize::try_from(open(folder)?.end().await?.get())? };
        wrong += usize::from(found != expected);
        opened += 1;
    }
    println!("damage: ends torn = {opened}, in {:.1} s", begun.elapsed().as_secs_f64());
    println!("damage: torn ends not cut to the longest whole prefix = {wrong} (goal 0) {}", judged(wrong));
    Ok(wrong)
}

/// Flips single bits, evenly over the log. Each must be noticed, and the file be left as it is.
fn flipped(folder: &Path, control: bool) -> Result<usize> {
    let lines = lines(FLIPPED_LOG_BYTES);
    let mut bytes = segment_of(&lines);
    let bits = bytes.len() * 8;
    let (begun, mut unnoticed, mut flips) = (Instant::now(), 0, 0);
    for number in (0..FLIPS).step_by(if control { 7 } else { 1 }) {
        // Evenly, and of each byte another bit.
        let bit = number * (bits / FLIPS) + number % 8;
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(folder.join(SEGMENT), &bytes)?;
        let noticed = if control {
            naive(&bytes) < lines.len()
        } else {
            matches!(open(folder), Err(LogError::Damaged { .. })) && fs::read(folder.join(SEGMENT))? == bytes
        };
        unnoticed += usize::from(!noticed);
        flips += 1;
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    println!("damage: bits flipped = {flips}, in {:.1} s", begun.elapsed().as_secs_f64());
    println!("damage: flipped bits not noticed = {unnoticed} (goal 0) {}", judged(unnoticed));
    Ok(unnoticed)
}

const fn judged(wrong: usize) -> &'static str {
    if wrong == 0 { "ok" } else { "WRONG" }
}
