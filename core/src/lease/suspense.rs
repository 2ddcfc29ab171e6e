//! What may be written about money whose end is not known: suspending it, taking it back, winding up an earlier boot,
//! closing, reclaiming.

use super::book::{Book, Slice};
use super::decide::{are_amounts, changes, check_entries, check_epoch};
use super::event::{Closed, Closer, Part, Reclaimed, Recovered, Resumed, Suspended, Why};
use super::{AccountId, Event, Rejection, wide};
use crate::id::WriterId;

/// How long an amount has been in suspense.
///
/// It is measured by who closes it, from when that one read that it went into suspense, by a clock that only runs forward:
/// a calendar that is wrong must not make money free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// How long it must be, in milliseconds: the age limit of the gateways, and the longest that a request may run.
    pub needed_ms: u64,
    /// How long it was, in milliseconds.
    pub passed_ms: u64,
}

impl Rest {
    /// None is needed: the gateway itself closes.
    pub const NONE: Self = Self { needed_ms: 0, passed_ms: 0 };

    const fn is_over(self) -> bool {
        self.passed_ms >= self.needed_ms
    }
}

/// Puts money of slices into suspense.
///
/// The gateway itself does it with holds whose end is unknown. Anyone may do it with the slices of a gateway that is not
/// heard of: nothing becomes free by it, and the gateway takes them back when it returns ([`resume`]).
///
/// # Errors
/// [`Rejection`].
pub fn suspend(book: &Book, suspended: Suspended) -> Result<Event, Rejection> {
    check_parts(&suspended.slices)?;
    for part in &suspended.slices {
        let slice = slice(book, &part.account, &suspended.gateway, suspended.epoch)?;
        // What a request held may be more than the slice had, when an earlier one cost more than it held.
        let is_own = suspended.why == Why::OutcomeUnknown;
        if !is_own && slice.out < part.amount_nano_usd {
            return Err(Rejection::Overdrawn(part.account.clone()));
        }
    }
    if suspended.why == Why::OutcomeUnknown {
        check_epoch(book, &suspended.gateway, suspended.epoch)?;
    }
    Ok(Event::Suspended(suspended))
}

/// Takes back slices that were put into suspense because the gateway was gone.
///
/// # Errors
/// [`Rejection`]: a fenced boot takes nothing back.
pub fn resume(book: &Book, resumed: Resumed) -> Result<Event, Rejection> {
    check_parts(&resumed.slices)?;
    check_epoch(book, &resumed.gateway, resumed.epoch)?;
    for part in &resumed.slices {
        let slice = slice(book, &part.account, &resumed.gateway, resumed.epoch)?;
        if slice.gone < part.amount_nano_usd {
            return Err(Rejection::Overdrawn(part.account.clone()));
        }
    }
    Ok(Event::Resumed(resumed))
}

/// Winds up slices of an earlier boot, each of them whole (N3): spent, in suspense, or returned. What is in suspense since
/// the gateway was gone is a part of the slice again: it is back.
///
/// # Errors
/// [`Rejection`]: only the newest boot does it, and only to older ones.
pub fn recover(book: &Book, recovered: Recovered) -> Result<Event, Rejection> {
    check_entries(
        &recovered.slices,
        |wound| &wound.account,
        |wound| are_amounts(&[wound.spent_nano_usd, wound.suspended_nano_usd, wound.returned_nano_usd]),
    )?;
    check_epoch(book, &recovered.gateway, recovered.by_epoch)?;
    if recovered.epoch >= recovered.by_epoch {
        return Err(Rejection::Fenced { mine: recovered.by_epoch, newest: recovered.epoch });
    }
    for wound in &recovered.slices {
        let slice = slice(book, &wound.account, &recovered.gateway, recovered.epoch)?;
        let left = (wide(slice.out) + wide(slice.gone) - wide(wound.spent_nano_usd)).max(0);
        if left != wide(wound.suspended_nano_usd) + wide(wound.returned_nano_usd) {
            return Err(Rejection::Overdrawn(wound.account.clone()));
        }
    }
    Ok(Event::Recovered(recovered))
}

/// Closes suspense.
///
/// Only the gateway itself knows at once. Anyone else must have waited: as long as a gateway that hears nothing may still
/// be sending, and its last request may run. More may have been spent than is in suspense; then all of that is recorded,
/// since it is true.
///
/// # Errors
/// [`Rejection`].
pub fn close(book: &Book, closed: Closed, rest: Rest) -> Result<Event, Rejection> {
    check_entries(
        &closed.slices,
        |closing| &closing.account,
        |closing| changes(&[closing.spent_nano_usd, closing.returned_nano_usd]),
    )?;
    for closing in &closed.slices {
        let slice = slice(book, &closing.account, &closed.gateway, closed.epoch)?;
        let left = wide(slice.suspense(closed.why)) - wide(closing.spent_nano_usd);
        if wide(closing.returned_nano_usd) > left.max(0) {
            return Err(Rejection::Overdrawn(closing.account.clone()));
        }
        if closed.by != Closer::Gateway && !rest.is_over() {
            return Err(Rejection::TooEarly(closing.account.clone()));
        }
    }
    Ok(Event::Closed(closed))
}

/// Takes slices from a gateway that has been gone for longer than the budget's grace, without knowing what it did with
/// them: the choice of a budget that would rather be overshot than stand still.
///
/// # Errors
/// [`Rejection`].
pub fn reclaim(book: &Book, reclaimed: Reclaimed, rested_ms: u64) -> Result<Event, Rejection> {
    let rest = Rest { needed_ms: reclaimed.grace_ms, passed_ms: rested_ms };
    check_parts(&reclaimed.slices)?;
    for part in &reclaimed.slices {
        let slice = slice(book, &part.account, &reclaimed.gateway, reclaimed.epoch)?;
        if slice.gone < part.amount_nano_usd {
            return Err(Rejection::Overdrawn(part.account.clone()));
        }
        if !rest.is_over() {
            return Err(Rejection::TooEarly(part.account.clone()));
        }
    }
    Ok(Event::Reclaimed(reclaimed))
}

fn check_parts(parts: &[Part]) -> Result<(), Rejection> {
    check_entries(parts, |part| &part.account, |part| changes(&[part.amount_nano_usd]))
}

fn slice<'a>(
    book: &'a Book,
    account: &AccountId,
    gateway: &WriterId,
    epoch: super::Epoch,
) -> Result<&'a Slice, Rejection> {
    let row = book.account(account).ok_or_else(|| Rejection::UnknownAccount(account.clone()))?;
    row.slice(gateway, epoch).ok_or_else(|| Rejection::UnknownAccount(account.clone()))
}

#[cfg(test)]
mod tests;
