//! `tail`: prints lines as they are appended, as they lie in the log.

use std::io::Write as _;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use tallygate_core::stream::{Log, Offset};

use crate::cli::TailArgs;
use crate::report::Report;
use crate::source::Source;

/// Prints until it is interrupted, the reader goes away, or the number of lines is reached.
///
/// # Errors
/// When the log cannot be read.
pub(crate) async fn run(source: &Source, args: &TailArgs) -> anyhow::Result<Report> {
    let log = source.log(Log::from(args.log));
    let after = match args.after {
        Some(offset) => Offset::new(offset),
        None => log.end().await.context("the end of the log cannot be found")?,
    };
    let mut left = args.lines.unwrap_or(u64::MAX);
    let mut entries = log.tail(after);
    while left > 0 {
        let entry = tokio::select! {
            entry = entries.next() => entry,
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(entry) = entry else { break };
        for line in entry.context("the log cannot be read")?.lines {
            if left == 0 || !print(line.bytes()) {
                return Ok(Report::default());
            }
            left -= 1;
        }
    }
    Ok(Report::default())
}

/// Prints a line; false when nobody reads any more.
fn print(line: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).is_ok()
}
