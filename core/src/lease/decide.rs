//! What a gateway may write into a chain of the lease log while it runs: joining, opening windows, rolling slices.
//!
//! Each function takes what is proposed and the book at the end of the chain, and gives the event to append after the
//! book's position, or says why not. If the chain has moved, catch up and decide again.

use super::book::{Account, Book};
use super::event::{Grant, Joined, Opened, Roll, Rolled, Window};
use super::{AccountId, Epoch, Event, Rejection, SLICES_MAX, wide};
use crate::budget::{Budget, BudgetLimit, Carried, Raise, carried_in};
use crate::id::WriterId;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::time::Timestamp;

/// A window that is to be opened: the one that a limit has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The budget's scope.
    pub scope: Scope,
    /// The limit.
    pub limit: BudgetLimit,
    /// What it is raised by for a while.
    pub raise: Option<Raise>,
    /// What was spent elsewhere in windows of its period.
    pub carried: Vec<Carried>,
    /// The event in control that set it.
    pub control: Position,
    /// What was charged to the window before there were leases.
    pub posted: NanoUsd,
    /// How much of it the gateway wants.
    pub wanted: NanoUsd,
}

impl Opening {
    /// That a window of a budget's limit be opened.
    #[must_use]
    pub fn new(budget: &Budget, limit: &BudgetLimit, posted: NanoUsd, wanted: NanoUsd) -> Self {
        Self {
            scope: budget.scope.clone(),
            limit: limit.clone(),
            raise: budget.terms.raise,
            carried: budget.carried_of(limit.period),
            control: budget.set,
            posted,
            wanted,
        }
    }

    /// What the limit is at a moment, for a window: less what was spent elsewhere in it.
    #[must_use]
    pub fn limit_at(&self, window: Timestamp, now: Timestamp) -> NanoUsd {
        let elsewhere = carried_in(&self.carried, self.limit.period, window);
        Raise::of(self.limit.limit_nano_usd, self.raise, now).saturating_minus(elsewhere).at_least_zero()
    }
}

/// Takes part in a chain, under a new epoch.
#[must_use]
pub fn join(book: &Book, gateway: &WriterId) -> Event {
    let epoch = book.gateway(gateway).map_or_else(Epoch::default, |member| member.epoch).next();
    Event::Joined(Joined { gateway: gateway.clone(), epoch })
}

/// Opens windows, each with a first slice for who opens it: as much as is wanted and there is.
///
/// A window opens once, in the order of the calendar. So a clock that is wrong can open a window too early or too late,
/// but can never make a budget begin anew.
///
/// # Errors
/// [`Rejection`] of the first window that may not be opened.
pub fn open(
    book: &Book,
    gateway: &WriterId,
    epoch: Epoch,
    openings: &[Opening],
    now: Timestamp,
) -> Result<Event, Rejection> {
    check_epoch(book, gateway, epoch)?;
    let windows = openings.iter().map(|opening| window(book, opening, now)).collect::<Result<Vec<_>, _>>()?;
    check_entries(
        &windows,
        |window| &window.account,
        |window| are_amounts(&[window.posted_nano_usd, window.granted_nano_usd]),
    )?;
    Ok(Event::Opened(Opened { gateway: gateway.clone(), epoch, windows }))
}

/// Decides what a gateway reports, returns and wants, for all its slices or for none.
///
/// # Errors
/// [`Rejection`] of the first slice that may not change so.
pub fn roll(book: &Book, rolled: Rolled) -> Result<Event, Rejection> {
    check_epoch(book, &rolled.gateway, rolled.epoch)?;
    check_entries(
        &rolled.slices,
        |roll| &roll.account,
        |roll| {
            let granted = roll.granted.map_or(NanoUsd::ZERO, |grant| grant.amount_nano_usd);
            changes(&[roll.spent_nano_usd, roll.returned_nano_usd, granted])
        },
    )?;
    for roll in &rolled.slices {
        check_roll(book, &rolled.gateway, rolled.epoch, roll)?;
    }
    Ok(Event::Rolled(rolled))
}

fn check_roll(book: &Book, gateway: &WriterId, epoch: Epoch, roll: &Roll) -> Result<(), Rejection> {
    let account = book.account(&roll.account).ok_or_else(|| Rejection::UnknownAccount(roll.account.clone()))?;
    let out = account.slice(gateway, epoch).map_or(NanoUsd::ZERO, |slice| slice.out);
    let left = wide(out) - wide(roll.spent_nano_usd);
    if roll.returned_nano_usd > NanoUsd::ZERO && left < wide(roll.returned_nano_usd) {
        return Err(Rejection::Overdrawn(roll.account.clone()));
    }
    let Some(grant) = roll.granted else { return Ok(()) };
    if !book.is_current(&roll.account) {
        return Err(Rejection::WindowOver(roll.account.clone()));
    }
    if grant.control < account.control {
        return Err(Rejection::StaleLimit(roll.account.clone()));
    }
    let after = counted_after(account, out, left, roll, &grant);
    if after > wide(grant.limit_nano_usd) {
        return Err(Rejection::Exhausted(roll.account.clone()));
    }
    Ok(())
}

/// What counts against the limit once a slice has changed (N1).
fn counted_after(account: &Account, out: NanoUsd, left: i128, roll: &Roll, grant: &Grant) -> i128 {
    let others = account.counted_wide() - wide(out.at_least_zero());
    let slice = left - wide(roll.returned_nano_usd) + wide(grant.amount_nano_usd);
    others + wide(roll.spent_nano_usd) + slice.max(0)
}

fn window(book: &Book, opening: &Opening, now: Timestamp) -> Result<Window, Rejection> {
    let limit = &opening.limit;
    let unusable = || {
        let account = AccountId { scope: opening.scope.clone(), period: limit.period, window: limit.anchor };
        Rejection::NotNext(account)
    };
    let window = limit.period.window_at(limit.anchor, now).map_err(|_| unusable())?;
    let account = AccountId { scope: opening.scope.clone(), period: limit.period, window: window.start };
    if now < window.start {
        return Err(Rejection::NotNext(account));
    }
    if book.was_opened(&account) {
        return Err(Rejection::AlreadyOpened(account));
    }
    if let Some((current, row)) =
        book.current(&opening.scope, limit.period).and_then(|current| book.account(&current).map(|row| (current, row)))
    {
        if opening.control < row.control {
            return Err(Rejection::StaleLimit(account));
        }
        // Counted from the same anchor, an earlier window is past: the clock that says otherwise is slow. After the
        // anchor was moved, the window that holds now may well begin before the one that is open.
        let same = limit.period.window_at(limit.anchor, current.window).is_ok_and(|at| at.start == current.window);
        if same && account.window < current.window {
            return Err(Rejection::NotNext(account));
        }
    }
    let limit_nano_usd = opening.limit_at(window.start, now);
    let free = limit_nano_usd.saturating_minus(opening.posted).at_least_zero();
    Ok(Window {
        account,
        ends_at: window.end,
        limit_nano_usd,
        control: opening.control,
        posted_nano_usd: opening.posted,
        granted_nano_usd: opening.wanted.min(free),
    })
}

/// Whether a boot of a gateway is its newest.
pub(super) fn check_epoch(book: &Book, gateway: &WriterId, epoch: Epoch) -> Result<(), Rejection> {
    let newest = book.gateway(gateway).ok_or(Rejection::NotJoined)?.epoch;
    if epoch == newest { Ok(()) } else { Err(Rejection::Fenced { mine: epoch, newest }) }
}

/// Whether entries are few, each of another account, and all sound.
pub(super) fn check_entries<T>(
    entries: &[T],
    account: impl Fn(&T) -> &AccountId,
    is_sound: impl Fn(&T) -> bool,
) -> Result<(), Rejection> {
    let mut accounts: Vec<&AccountId> = entries.iter().map(account).collect();
    accounts.sort_unstable();
    let once = accounts.windows(2).all(|pair| pair[0] != pair[1]);
    let few = (1..=SLICES_MAX).contains(&entries.len());
    if once && few && entries.iter().all(is_sound) { Ok(()) } else { Err(Rejection::Malformed) }
}

/// Whether amounts are all zero or more.
pub(super) fn are_amounts(amounts: &[NanoUsd]) -> bool {
    amounts.iter().all(|amount| *amount >= NanoUsd::ZERO)
}

/// Whether amounts are, and one of them is more than zero.
pub(super) fn changes(amounts: &[NanoUsd]) -> bool {
    are_amounts(amounts) && amounts.iter().any(|amount| *amount > NanoUsd::ZERO)
}

#[cfg(test)]
mod tests;
