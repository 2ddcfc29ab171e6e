//! The four rules that make "never overshoot", as checks of one step of a book.
//!
//! - **N1, admission**: what is granted fits: after it, `posted + out + suspense ≤ limit`.
//! - **N2, bound**: no more is reported as spent than was out or in suspense. It breaks when a request costs more than it
//!   held, which a wrong price does; it is recorded all the same.
//! - **N3, closure**: what leaves a slice or suspense ends once: spent, returned, in suspense, or taken back.
//! - **N4, durability**: what counts against a limit gets smaller by returning, by closing as unspent and by reclaiming,
//!   and by nothing else.
//!
//! With N1 to N4, and requests that cost what they hold at most, the sum of true costs is within the limit. The simulator
//! checks them at every step, and an auditor may do so over a whole chain.

use std::collections::BTreeMap;

use super::book::{Account, Book};
use super::event::Why;
use super::{AccountId, Epoch, Event, wide};
use crate::id::WriterId;
use crate::money::NanoUsd;

/// A rule that a step of a book breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// N1: more was granted than there was.
    #[error("N1: {counted} nano-dollars count against a limit of {limit}")]
    Admission {
        /// The account.
        account: AccountId,
        /// What counts.
        counted: i128,
        /// The limit that was granted against.
        limit: i128,
    },
    /// N2: more was spent than was set aside. The amount by which.
    #[error("N2: {over} nano-dollars more were spent than were set aside")]
    Bound {
        /// The account.
        account: AccountId,
        /// By how much.
        over: i128,
    },
    /// N3: something ended that was not there, or did not end whole.
    #[error("N3: what ended is not what there was")]
    Closure(AccountId),
    /// N4: what counts changed by another amount than the event says.
    #[error("N4: what counts went from {before} to {after} nano-dollars, by an event that explains {explained}")]
    Durability {
        /// The account.
        account: AccountId,
        /// What counted before.
        before: i128,
        /// What counts after.
        after: i128,
        /// What the event says of it.
        explained: i128,
    },
}

/// The figures of the accounts that an event names, before it is folded.
#[derive(Debug)]
pub struct Step {
    before: BTreeMap<AccountId, Figures>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    counted: i128,
    out: i128,
    unknown: i128,
    gone: i128,
}

/// The boot whose slices an event is about.
type Owner<'a> = (&'a WriterId, Epoch);

/// What an event does to one account.
#[derive(Debug, Clone, Copy, Default)]
struct Effect {
    granted: i128,
    limit: Option<i128>,
    spent: i128,
    returned: i128,
    reclaimed: i128,
    posted: i128,
    /// Out of a slice, and into suspense, or the other way round.
    suspended: i128,
    why: Option<Why>,
    /// The spent and returned were in suspense, not in a slice.
    closes: bool,
    /// The slice ends: all of it must be accounted for.
    winds_up: bool,
}

impl Step {
    /// Notes how things stand.
    #[must_use]
    pub fn before(book: &Book, event: &Event) -> Self {
        let (owner, effects) = effects(event);
        let figures = |id: &AccountId| Figures::of(book.account(id), owner);
        Self { before: effects.into_iter().map(|(id, _)| (id.clone(), figures(id))).collect() }
    }

    /// Checks how they stand after the event.
    ///
    /// # Errors
    /// Every rule that is [`Broken`].
    pub fn after(&self, book: &Book, event: &Event) -> Result<(), Vec<Broken>> {
        let mut broken = Vec::new();
        let (_, effects) = effects(event);
        for (id, effect) in effects {
            let before = self.before.get(id).copied().unwrap_or_default();
            // An account that is forgotten has nothing that counts but what was posted.
            let after = book.account(id).map(Account::counted_wide);
            effect.check(id, before, after, &mut broken);
        }
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }
}

impl Figures {
    fn of(account: Option<&Account>, owner: Option<Owner<'_>>) -> Self {
        let Some(account) = account else { return Self::default() };
        let slice = owner.and_then(|(gateway, epoch)| account.slice(gateway, epoch));
        let figure = |of: fn(&super::book::Slice) -> NanoUsd| slice.map_or(0, |slice| wide(of(slice)));
        Self {
            counted: account.counted_wide(),
            out: figure(|slice| slice.out),
            unknown: figure(|slice| slice.unknown),
            gone: figure(|slice| slice.gone),
        }
    }
}

impl Effect {
    fn check(&self, id: &AccountId, before: Figures, after: Option<i128>, broken: &mut Vec<Broken>) {
        let suspense = if self.why == Some(Why::GatewayGone) { before.gone } else { before.unknown };
        let source = match (self.closes, self.winds_up) {
            (true, _) => suspense,
            (false, true) => before.out + before.gone,
            (false, false) => before.out,
        };
        let covered = self.spent.min(source.max(0));
        let left = source - self.spent;
        if self.spent > source.max(0) {
            broken.push(Broken::Bound { account: id.clone(), over: self.spent - covered });
        }
        let returns_too_much = self.returned > 0 && self.returned > left;
        let not_whole = self.winds_up && left.max(0) != self.returned + self.suspended;
        // What a request held may be more than its slice had, after another one cost more than it held.
        let gone_too_much = self.why == Some(Why::GatewayGone) && !self.closes && self.suspended > before.out;
        let resumed_too_much = self.suspended < 0 && -self.suspended > before.gone;
        let reclaimed_too_much = self.reclaimed > before.gone;
        if returns_too_much || not_whole || gone_too_much || resumed_too_much || reclaimed_too_much {
            broken.push(Broken::Closure(id.clone()));
        }
        let Some(after) = after else { return };
        let explained = self.explained(before);
        if after - before.counted != explained {
            broken.push(Broken::Durability { account: id.clone(), before: before.counted, after, explained });
        }
        if let Some(limit) = self.limit.filter(|limit| self.granted > 0 && after > *limit) {
            broken.push(Broken::Admission { account: id.clone(), counted: after, limit });
        }
    }

    /// By how much the event changes what counts.
    fn explained(&self, before: Figures) -> i128 {
        let posted = self.posted + self.spent;
        if self.closes {
            let suspense = if self.why == Some(Why::GatewayGone) { before.gone } else { before.unknown };
            return posted - (self.spent + self.returned).min(suspense);
        }
        if self.winds_up {
            return posted - before.out.max(0) - before.gone + self.suspended;
        }
        let out = before.out - self.spent - self.returned - self.suspended + self.granted;
        posted + out.max(0) - before.out.max(0) + self.suspended - self.reclaimed
    }
}

/// Whose slices an event is about, and what it does to which account.
fn effects(event: &Event) -> (Option<Owner<'_>>, Vec<(&AccountId, Effect)>) {
    let none = Effect::default();
    match event {
        Event::Joined(_) => (None, Vec::new()),
        Event::Opened(data) => {
            let each = data.windows.iter().map(|window| {
                let granted = wide(window.granted_nano_usd);
                let limit = Some(wide(window.limit_nano_usd));
                (&window.account, Effect { posted: wide(window.posted_nano_usd), granted, limit, ..none })
            });
            (Some((&data.gateway, data.epoch)), each.collect())
        }
        Event::Rolled(data) => {
            let each = data.slices.iter().map(|roll| {
                let granted = roll.granted.map_or(0, |grant| wide(grant.amount_nano_usd));
                let limit = roll.granted.map(|grant| wide(grant.limit_nano_usd));
                let (spent, returned) = (wide(roll.spent_nano_usd), wide(roll.returned_nano_usd));
                (&roll.account, Effect { granted, limit, spent, returned, ..none })
            });
            (Some((&data.gateway, data.epoch)), each.collect())
        }
        Event::Suspended(data) => {
            let each = data.slices.iter().map(|part| {
                (&part.account, Effect { suspended: wide(part.amount_nano_usd), why: Some(data.why), ..none })
            });
            (Some((&data.gateway, data.epoch)), each.collect())
        }
        Event::Resumed(data) => {
            let each = data
                .slices
                .iter()
                .map(|part| (&part.account, Effect { suspended: -wide(part.amount_nano_usd), ..none }));
            (Some((&data.gateway, data.epoch)), each.collect())
        }
        Event::Recovered(data) => {
            let each = data.slices.iter().map(|wound| {
                let (spent, returned) = (wide(wound.spent_nano_usd), wide(wound.returned_nano_usd));
                let suspended = wide(wound.suspended_nano_usd);
                (&wound.account, Effect { spent, returned, suspended, winds_up: true, ..none })
            });
            (Some((&data.gateway, data.epoch)), each.collect())
        }
        Event::Closed(data) => {
            let each = data.slices.iter().map(|closing| {
                let (spent, returned) = (wide(closing.spent_nano_usd), wide(closing.returned_nano_usd));
                (&closing.account, Effect { spent, returned, closes: true, why: Some(data.why), ..none })
            });
            (Some((&data.gateway, data.epoch)), each.collect())
        }
        Event::Reclaimed(data) => {
            let each = data
                .slices
                .iter()
                .map(|part| (&part.account, Effect { reclaimed: wide(part.amount_nano_usd), ..none }));
            (Some((&data.gateway, data.epoch)), each.collect())
        }
    }
}
