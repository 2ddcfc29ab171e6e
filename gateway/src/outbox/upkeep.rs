//! Money that nobody runs requests with: what is due about it, what an operator says about it, and what it looks like.

use tallygate_core::actor::Actor;
use tallygate_core::envelope::{Line, MacKey};
use tallygate_core::id::{EventId, WriterId};
use tallygate_core::lease::book::{Account, Slice};
use tallygate_core::lease::event::Why;
use tallygate_core::lease::slices::{Judged, Upkeep};
use tallygate_core::lease::{AccountId, Book, Epoch, Event, Rejection, Root, SliceLedger};
use tallygate_core::money::NanoUsd;

use super::{Desk, Outbox};

/// What somebody says about money in suspense.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) gateway: WriterId,
    pub(crate) epoch: Epoch,
    pub(crate) why: Why,
    pub(crate) account: AccountId,
    pub(crate) judged: Judged,
}

/// What a verdict or a due event becomes: the line to append, and what it says.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) root: Root,
    pub(crate) line: Line,
}

/// An account as the log has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    ledger: &'a SliceLedger,
    now_ms: u64,
    pub(crate) root: &'a Root,
    pub(crate) account: &'a AccountId,
    pub(crate) row: &'a Account,
    /// Whether its window is the open one.
    pub(crate) is_current: bool,
}

/// Figures of holds and slices, for metrics.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// Slices of this gateway.
    pub(crate) slices: usize,
    /// Requests that hold something now.
    pub(crate) open: usize,
    /// What they hold.
    pub(crate) held: NanoUsd,
    /// In suspense, over all accounts, as far as the log was read, and what this gateway puts there with its next line.
    pub(crate) suspense: NanoUsd,
    /// How long this gateway can go on without the lease log; none when nothing is spent.
    pub(crate) autonomy_seconds: Option<u64>,
    /// How long the lease log was not heard of; none before it was.
    pub(crate) unheard_ms: Option<u64>,
}

impl Seen<'_> {
    /// For how long money of a slice's boot has been in suspense since that was read here, in milliseconds.
    pub(crate) fn rested_ms(&self, slice: &Slice) -> u64 {
        self.ledger.rested_ms(self.root, &slice.gateway, slice.epoch, self.now_ms).unwrap_or(0)
    }
}

impl Outbox {
    /// What is due in a chain about money that is not this gateway's own.
    pub(crate) fn due(
        &self,
        root: &Root,
        upkeep: &Upkeep,
        grace_ms: impl Fn(&AccountId) -> Option<u64>,
        mac: &MacKey,
    ) -> Option<Line> {
        let now_ms = self.0.clock.steady_ms();
        let desk = self.desk();
        let event = desk.ledger.upkeep(root, upkeep, grace_ms, now_ms)?;
        let actor = Actor::gateway(desk.ledger.gateway().as_str());
        self.draw(&desk, root, event, (actor, mac))
    }

    /// The line that closes suspense by an operator's word.
    ///
    /// # Errors
    /// [`Rejection`].
    pub(crate) fn judge(&self, verdict: &Verdict, upkeep: &Upkeep, mac: &MacKey) -> Result<Drawn, Rejection> {
        let now_ms = self.0.clock.steady_ms();
        let desk = self.desk();
        let Verdict { gateway, epoch, why, account, judged } = verdict;
        let owner = (gateway.clone(), *epoch, *why);
        let event = desk.ledger.close_suspense(owner, account, *judged, upkeep, now_ms)?;
        let unknown = || Rejection::UnknownAccount(account.clone());
        let root = desk.ledger.root_of(account).cloned().ok_or_else(unknown)?;
        let line = self.draw(&desk, &root, event, (Actor::operator(), mac)).ok_or_else(unknown)?;
        Ok(Drawn { root, line })
    }

    /// Makes something of each account that is open or not wound up, in the order of chains and accounts, up to a limit.
    pub(crate) fn accounts<T>(&self, limit: usize, mut make: impl FnMut(Seen<'_>) -> Vec<T>) -> Vec<T> {
        let now_ms = self.0.clock.steady_ms();
        let desk = self.desk();
        let mut made = Vec::new();
        for root in desk.ledger.roots() {
            let Some(book) = desk.ledger.book(root) else { continue };
            for (account, row) in book.accounts() {
                let is_current = book.is_current(account);
                made.extend(make(Seen { ledger: &desk.ledger, now_ms, root, account, row, is_current }));
                if made.len() >= limit {
                    made.truncate(limit);
                    return made;
                }
            }
        }
        made
    }

    /// Figures for metrics.
    pub(crate) fn figures(&self) -> Figures {
        let now_ms = self.0.clock.steady_ms();
        let desk = self.desk();
        let books = desk.ledger.roots().filter_map(|root| desk.ledger.book(root));
        let in_log = books.flat_map(Book::accounts).map(|(_, row)| row.suspense());
        let on_its_way = desk.ledger.slots().map(|slot| slot.suspending);
        Figures {
            slices: desk.ledger.slots().count(),
            open: desk.journal.open(),
            held: desk.ledger.held(),
            suspense: in_log.chain(on_its_way).fold(NanoUsd::ZERO, NanoUsd::saturating_plus),
            autonomy_seconds: desk.ledger.autonomy_seconds(),
            unheard_ms: desk.ledger.unheard_ms(now_ms),
        }
    }

    fn draw(&self, desk: &Desk, root: &Root, event: Event, (actor, mac): (Actor, &MacKey)) -> Option<Line> {
        let id = EventId::new(self.0.ids.uuid());
        let after = desk.ledger.book(root)?.position();
        desk.seal(root, (id, after, event), (actor, self.0.clock.now()), mac)
    }
}
