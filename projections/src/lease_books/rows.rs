//! The rows of the books: a row a chain, an account and a limit, each under its root.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tallygate_core::digest::Digest;
use tallygate_core::id::WriterId;
use tallygate_core::lease::book::{Account, Member, Windows};
use tallygate_core::lease::{AccountId, Book, Event, Root};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{Log, Offset, Position};
use tallygate_core::time::Period;

use super::{ChainMark, Kept, KeptChain};
use crate::follow::chain::ChainTip;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Layout, META_TABLE, Store, StoreError, Writes};
use crate::view::light;

/// How far the log was read, and the SHA-256 of the last line there.
const CHECKPOINT: RowTable<(Offset, Digest)> = RowTable::new(META_TABLE, 1, "checkpoint");
pub(crate) const CHAINS: RowTable<ChainRow> = RowTable::new(48, 1, "chains of the lease log");
pub(crate) const ACCOUNTS: RowTable<(AccountId, Account)> = RowTable::new(49, 1, "accounts of budgets");
pub(crate) const LIMITS: RowTable<((Scope, Period), Windows)> = RowTable::new(50, 1, "windows of limits");

pub(crate) const LAYOUT: Layout = Layout {
    name: Log::Lease.name(),
    tables: &[
        (CHECKPOINT.id, CHECKPOINT.schema),
        (CHAINS.id, CHAINS.schema),
        (ACCOUNTS.id, ACCOUNTS.schema),
        (LIMITS.id, LIMITS.schema),
    ],
    events: || Event::TYPES.to_vec(),
};

/// What is known of a chain, but for its accounts and windows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChainRow {
    root: String,
    tip: ChainTip,
    read: Position,
    is_readable: bool,
    position: Position,
    gateways: BTreeMap<WriterId, Member>,
}

fn checkpoint_key() -> RowKey {
    RowKey::of(&CHECKPOINT).text("checkpoint")
}

fn limit_key<R>(table: &RowTable<R>, root: &Root, scope: &Scope, period: Period) -> RowKey {
    let (kind, length) = match period {
        Period::Total => (0, 0),
        Period::Seconds(seconds) => (1, seconds),
        Period::Months(months) => (2, u64::from(months)),
    };
    RowKey::of(table).text(&root.to_string()).text(&scope.to_string()).fixed(&[kind]).number(length)
}

fn account_key(root: &Root, account: &AccountId) -> RowKey {
    let limit = limit_key(&ACCOUNTS, root, &account.scope, account.period);
    limit.fixed(&account.window.millis().to_be_bytes())
}

/// Reads all that was kept, and the hash of the line that it stands for.
pub(super) fn read(store: &Store) -> Result<(Kept, Digest), StoreError> {
    let (offset, last_line) = match store.get(&CHECKPOINT, &checkpoint_key())? {
        Some(checkpoint) => checkpoint,
        // Rows alone stand for no moment that was read to: what they say comes again.
        None if store.has_rows()? => return Err(store.damage("it has rows and no checkpoint")),
        None => (Offset::START, Digest::ZERO),
    };
    let mut rows = Vec::new();
    light::load(store, &CHAINS, |row: ChainRow| rows.push(row))?;
    let chains = rows.into_iter().map(|row| read_chain(store, row)).collect::<Result<_, _>>()?;
    Ok((Kept { chains, offset }, last_line))
}

fn read_chain(store: &Store, row: ChainRow) -> Result<KeptChain, StoreError> {
    let ChainRow { root, tip, read, is_readable, position, gateways } = row;
    let root: Root = root.parse().map_err(|_| store.damage("it has a chain without a root"))?;
    let (mut accounts, mut windows) = (BTreeMap::new(), BTreeMap::new());
    light::load_from(store, &ACCOUNTS, &RowKey::of(&ACCOUNTS).text(&root.to_string()), |(id, row)| {
        accounts.insert(id, row);
    })?;
    light::load_from(store, &LIMITS, &RowKey::of(&LIMITS).text(&root.to_string()), |(limit, row)| {
        windows.insert(limit, row);
    })?;
    let book = Book::restored(position, gateways, accounts, windows);
    Ok(KeptChain { root, mark: ChainMark { tip, read, is_readable }, book })
}

/// Writes a chain and some of its accounts.
pub(crate) fn write_chain(
    root: &Root,
    mark: &ChainMark,
    book: &Book,
    touched: &[AccountId],
    writes: &mut Writes,
) -> Result<(), StoreError> {
    for id in touched {
        match book.account(id) {
            Some(row) => writes.put(&ACCOUNTS, account_key(root, id), &(id.clone(), row.clone()))?,
            None => writes.remove(account_key(root, id)),
        }
        if let Some(windows) = book.windows(&id.scope, id.period) {
            let row = ((id.scope.clone(), id.period), *windows);
            writes.put(&LIMITS, limit_key(&LIMITS, root, &id.scope, id.period), &row)?;
        }
    }
    let gateways = book.gateways().map(|(gateway, member)| (gateway.clone(), *member)).collect();
    let ChainMark { tip, read, is_readable } = *mark;
    let row = ChainRow { root: root.to_string(), tip, read, is_readable, position: book.position(), gateways };
    writes.put(&CHAINS, RowKey::of(&CHAINS).text(&row.root.clone()), &row)
}

/// Writes how far the rows go.
pub(crate) fn write_checkpoint(offset: Offset, last_line: Digest, writes: &mut Writes) -> Result<(), StoreError> {
    writes.put(&CHECKPOINT, checkpoint_key(), &(offset, last_line))
}
