//! The lease log of a data folder, folded as an auditor would: who holds how much of which budget.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tallygate_core::event::Event;
use tallygate_core::lease::Book;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;

use crate::scene::lines;

/// What a scope's budget came to, over all its windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    pub posted: i64,
    pub out: i64,
    pub suspense: i64,
}

/// What the lease log of a data folder says of a scope.
///
/// # Errors
/// When a line cannot be read, or a chain has a gap.
pub fn balance(data: &Path, scope: &str) -> Result<Balance> {
    fold(&lines(data, "lease")?, scope)
}

/// The same of lines that were read elsewhere.
pub fn fold(lines: &[Value], scope: &str) -> Result<Balance> {
    let scope: Scope = scope.parse()?;
    let mut books = std::collections::BTreeMap::<String, Book>::new();
    for line in lines {
        let text = |name: &str| line[name].as_str().with_context(|| format!("no {name}: {line}"));
        let position = Position::new(line["position"].as_u64().context("no position")?);
        let schema = u16::try_from(line["schema"].as_u64().context("no schema")?)?;
        let event = Event::decode(text("type")?, schema, &line["data"].to_string())?;
        let Event::Lease(event) = event else { anyhow::bail!("no event of the lease log: {line}") };
        let book = books.entry(text("stream")?.to_owned()).or_default();
        ensure!(book.position().plus(1) == position, "a gap before {line}");
        let at: Timestamp = serde_json::from_value(line["at"].clone())?;
        book.evolve(position, at, &event);
        for (account, row) in book.accounts() {
            ensure!(row.counted() <= row.limit, "overshoot after {line}: {account:?} {row:?}");
        }
    }
    let rows = books.values().flat_map(Book::accounts).filter(|(account, _)| account.scope == scope);
    Ok(rows.fold(Balance::default(), |sum, (_, row)| Balance {
        posted: sum.posted + row.posted.nano(),
        out: sum.out + row.slices().iter().map(|slice| NanoUsd::nano(slice.out)).sum::<i64>(),
        suspense: sum.suspense + row.suspense().nano(),
    }))
}
