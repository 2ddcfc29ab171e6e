//! One account as its chain has it, and how events change it.

use serde::{Deserialize, Serialize};

use super::super::event::{Closing, Grant, Opened, Part, Roll, Why, Window, WoundUp};
use super::super::{Epoch, narrow, wide};
use crate::id::WriterId;
use crate::money::NanoUsd;
use crate::stream::Position;
use crate::time::Timestamp;

/// One window of one limit of a budget, as its chain has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The limit that was last granted against.
    pub limit: NanoUsd,
    /// The event in control that set it.
    pub control: Position,
    /// When the window ends, by the calendar.
    pub ends_at: Option<Timestamp>,
    /// Reported as spent.
    pub posted: NanoUsd,
    /// By how much the budget may be overshot, since slices were reclaimed from gateways that were gone.
    pub exposed: NanoUsd,
    slices: Vec<Slice>,
}

/// What one boot of a gateway has of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Whose it is.
    pub gateway: WriterId,
    /// Which boot's.
    pub epoch: Epoch,
    /// In its hands: granted, and not reported as spent, returned or suspended. Below zero when it spent more.
    pub out: NanoUsd,
    /// Reported as spent, ever.
    pub spent: NanoUsd,
    /// Put into suspense by its own gateway, ever.
    pub suspended: NanoUsd,
    /// In suspense: the ends of requests are unknown.
    pub unknown: NanoUsd,
    /// In suspense: the gateway was not heard of.
    pub gone: NanoUsd,
    /// When something of it last went into suspense.
    pub suspended_at: Option<Timestamp>,
}

impl Account {
    /// All that counts against the limit: posted, out and in suspense.
    #[must_use]
    pub fn counted(&self) -> NanoUsd {
        narrow(self.counted_wide())
    }

    pub(crate) fn counted_wide(&self) -> i128 {
        wide(self.posted) + self.slices.iter().map(Slice::counted).sum::<i128>()
    }

    /// What is in slices.
    #[must_use]
    pub fn out(&self) -> NanoUsd {
        narrow(self.slices.iter().map(|slice| wide(slice.out.at_least_zero())).sum())
    }

    /// What is in suspense, for either reason.
    #[must_use]
    pub fn suspense(&self) -> NanoUsd {
        narrow(self.slices.iter().map(|slice| wide(slice.unknown) + wide(slice.gone)).sum())
    }

    /// Every slice that is not empty.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// The slice of a boot of a gateway.
    #[must_use]
    pub fn slice(&self, gateway: &WriterId, epoch: Epoch) -> Option<&Slice> {
        self.slices.iter().find(|slice| slice.epoch == epoch && slice.gateway == *gateway)
    }

    pub(super) fn slice_mut(&mut self, gateway: &WriterId, epoch: Epoch) -> &mut Slice {
        let found = self.slices.iter().position(|slice| slice.epoch == epoch && slice.gateway == *gateway);
        let at = found.unwrap_or_else(|| {
            self.slices.push(Slice::empty(gateway.clone(), epoch));
            self.slices.len() - 1
        });
        &mut self.slices[at]
    }

    pub(super) fn is_wound_up(&self) -> bool {
        self.slices.iter().all(|slice| slice.counted() == 0)
    }
}

impl Slice {
    const fn empty(gateway: WriterId, epoch: Epoch) -> Self {
        let zero = NanoUsd::ZERO;
        Self { gateway, epoch, out: zero, spent: zero, suspended: zero, unknown: zero, gone: zero, suspended_at: None }
    }

    pub(super) fn counted(&self) -> i128 {
        wide(self.out.at_least_zero()) + wide(self.unknown) + wide(self.gone)
    }

    /// What is in suspense for a reason.
    #[must_use]
    pub const fn suspense(&self, why: Why) -> NanoUsd {
        match why {
            Why::OutcomeUnknown => self.unknown,
            Why::GatewayGone => self.gone,
        }
    }

    const fn suspense_mut(&mut self, why: Why) -> &mut NanoUsd {
        match why {
            Why::OutcomeUnknown => &mut self.unknown,
            Why::GatewayGone => &mut self.gone,
        }
    }
}

// === changes ===

impl Account {
    /// A window that was just opened, with the first slice of who opened it.
    pub(super) fn opened(window: &Window, by: &Opened) -> Self {
        let mut account = Self {
            limit: window.limit_nano_usd,
            control: window.control,
            ends_at: window.ends_at,
            posted: window.posted_nano_usd,
            exposed: NanoUsd::ZERO,
            slices: Vec::new(),
        };
        account.slice_mut(&by.gateway, by.epoch).out = window.granted_nano_usd;
        account
    }

    /// Forgets slices that nothing is in, but for those of the newest boots.
    pub(super) fn forget_empty_slices(&mut self, is_newest: impl Fn(&Slice) -> bool) {
        self.slices.retain(|slice| slice.counted() > 0 || is_newest(slice));
    }

    fn spend(&mut self, gateway: &WriterId, epoch: Epoch, spent: NanoUsd) {
        self.posted = self.posted.saturating_plus(spent);
        let slice = self.slice_mut(gateway, epoch);
        slice.spent = slice.spent.saturating_plus(spent);
    }

    pub(super) fn roll(&mut self, gateway: &WriterId, epoch: Epoch, roll: &Roll) {
        self.spend(gateway, epoch, roll.spent_nano_usd);
        let granted = roll.granted.map_or(NanoUsd::ZERO, |grant: Grant| grant.amount_nano_usd);
        let slice = self.slice_mut(gateway, epoch);
        let less = slice.out.saturating_minus(roll.spent_nano_usd).saturating_minus(roll.returned_nano_usd);
        slice.out = less.saturating_plus(granted);
        if let Some(grant) = roll.granted {
            self.limit = grant.limit_nano_usd;
            self.control = grant.control;
        }
    }

    pub(super) fn suspend(&mut self, gateway: &WriterId, epoch: Epoch, why: Why, part: &Part, at: Timestamp) {
        let slice = self.slice_mut(gateway, epoch);
        slice.out = slice.out.saturating_minus(part.amount_nano_usd);
        let suspense = slice.suspense_mut(why);
        *suspense = suspense.saturating_plus(part.amount_nano_usd);
        slice.suspended_at = Some(at);
        if why == Why::OutcomeUnknown {
            slice.suspended = slice.suspended.saturating_plus(part.amount_nano_usd);
        }
    }

    pub(super) fn resume(&mut self, gateway: &WriterId, epoch: Epoch, part: &Part) {
        let slice = self.slice_mut(gateway, epoch);
        slice.gone = slice.gone.saturating_minus(part.amount_nano_usd);
        slice.out = slice.out.saturating_plus(part.amount_nano_usd);
    }

    pub(super) fn wind_up(&mut self, gateway: &WriterId, epoch: Epoch, wound: &WoundUp, at: Timestamp) {
        self.spend(gateway, epoch, wound.spent_nano_usd);
        let slice = self.slice_mut(gateway, epoch);
        slice.out = NanoUsd::ZERO;
        slice.gone = NanoUsd::ZERO;
        if wound.suspended_nano_usd > NanoUsd::ZERO {
            slice.unknown = slice.unknown.saturating_plus(wound.suspended_nano_usd);
            slice.suspended_at = Some(at);
        }
    }

    pub(super) fn close(&mut self, gateway: &WriterId, epoch: Epoch, why: Why, closing: &Closing) {
        self.spend(gateway, epoch, closing.spent_nano_usd);
        let slice = self.slice_mut(gateway, epoch);
        let suspense = slice.suspense_mut(why);
        let ended = closing.spent_nano_usd.saturating_plus(closing.returned_nano_usd);
        *suspense = suspense.saturating_minus(ended).at_least_zero();
    }

    pub(super) fn reclaim(&mut self, gateway: &WriterId, epoch: Epoch, part: &Part) {
        let slice = self.slice_mut(gateway, epoch);
        slice.gone = slice.gone.saturating_minus(part.amount_nano_usd);
        self.exposed = self.exposed.saturating_plus(part.amount_nano_usd);
    }
}
