use proptest::prelude::{prop_assert, proptest};

use super::{Allotment, Outlook, Policy, Rate, allot, autonomy_seconds};
use crate::lease::tests::usd;

const CENT: i64 = 10_000_000;

/// A budget of $100 of which nothing is given away.
fn outlook() -> Outlook {
    Outlook {
        limit: usd(10_000 * CENT),
        counted: usd(0),
        out: usd(0),
        free: usd(0),
        hole: usd(0),
        rate: usd(0),
        need: usd(0),
        wanted: usd(0),
        sharers: 1,
        is_idle: false,
    }
}

fn decided(outlook: &Outlook) -> Allotment {
    allot(&Policy::default(), outlook)
}

#[test]
fn a_slice_lasts_two_seconds_and_is_five_cents_at_least() {
    assert_eq!(decided(&outlook()).grant, usd(5 * CENT));
    let busy = Outlook { rate: usd(100 * CENT), ..outlook() };
    assert_eq!(decided(&busy).grant, usd(200 * CENT));
}

#[test]
fn a_slice_is_refilled_when_half_of_it_is_left() {
    let busy =
        |free| Outlook { rate: usd(100 * CENT), free: usd(free), counted: usd(free), out: usd(free), ..outlook() };
    assert_eq!(decided(&busy(100 * CENT)).grant, usd(0));
    assert_eq!(decided(&busy(100 * CENT - 1)).grant, usd(100 * CENT + 1));
    assert_eq!(decided(&busy(0)).target, usd(200 * CENT));
}

#[test]
fn a_slice_shrinks_as_the_budget_ends() {
    let near_end = |sharers| Outlook { counted: usd(10_000 * CENT - 24 * CENT), sharers, ..outlook() };
    assert_eq!(decided(&near_end(1)).grant, usd(3 * CENT));
    assert_eq!(decided(&near_end(3)).grant, usd(4 * CENT));
    // What is left is not worth a line, unless somebody waits for it.
    let crumb = Outlook { counted: usd(10_000 * CENT - CENT / 10), ..outlook() };
    assert_eq!(decided(&crumb).grant, usd(0));
    assert_eq!(decided(&Outlook { need: usd(CENT / 10), ..crumb }).grant, usd(CENT / 10));
}

#[test]
fn a_request_that_waits_gets_just_what_it_lacks() {
    let near_end = Outlook { counted: usd(9_999 * CENT), free: usd(CENT / 4), out: usd(CENT / 4), ..outlook() };
    assert_eq!(decided(&Outlook { need: usd(CENT), ..near_end }).grant, usd(3 * CENT / 4));
    // What cannot be had in full is of no use to it, and may be to others.
    assert_eq!(decided(&Outlook { need: usd(2 * CENT), ..near_end }).grant, usd(0));
}

#[test]
fn an_overdrawn_slice_is_made_whole_beside_what_is_needed() {
    let overdrawn = Outlook { counted: usd(9_999 * CENT), free: usd(-3 * CENT), hole: usd(3 * CENT), ..outlook() };
    assert_eq!(decided(&Outlook { need: usd(CENT), ..overdrawn }).grant, usd(4 * CENT));
    // What cannot be had is not, and the slice is made whole all the same.
    assert_eq!(decided(&Outlook { need: usd(CENT + 1), ..overdrawn }).grant, usd(3 * CENT + CENT / 8));
}

#[test]
fn what_nobody_needs_goes_back() {
    let idle = Outlook { is_idle: true, free: usd(3 * CENT), out: usd(4 * CENT), counted: usd(4 * CENT), ..outlook() };
    assert_eq!(decided(&idle).returned, usd(3 * CENT));
    assert_eq!(decided(&Outlook { need: usd(5 * CENT), ..idle }).returned, usd(0), "a request waits for it");
    assert_eq!(decided(&Outlook { free: usd(-CENT), ..idle }).returned, usd(0));
}

#[test]
fn a_lowered_limit_recalls_what_is_free() {
    let lowered =
        Outlook { limit: usd(CENT), counted: usd(4 * CENT), out: usd(4 * CENT), free: usd(3 * CENT), ..outlook() };
    assert_eq!(decided(&lowered), Allotment { returned: usd(3 * CENT), ..Allotment::default() });
}

#[test]
fn among_several_a_slice_is_trimmed_to_its_share_when_money_is_scarce() {
    // 12 cents are not spent, all of them in three slices.
    let all_out = Outlook {
        limit: usd(12 * CENT),
        counted: usd(12 * CENT),
        out: usd(12 * CENT),
        free: usd(8 * CENT),
        sharers: 3,
        ..outlook()
    };
    assert_eq!(decided(&all_out).returned, usd(6 * CENT));
    assert_eq!(decided(&Outlook { need: usd(8 * CENT), ..all_out }).returned, usd(0));
    assert_eq!(decided(&Outlook { sharers: 1, ..all_out }).returned, usd(0));
}

#[test]
fn a_rate_rises_fast_and_falls_slowly() {
    let mut rate = Rate::from(0);
    rate.add(usd(1_000));
    rate.tick(249);
    assert_eq!(rate.per_second(), usd(0), "too early to tell");
    rate.tick(1_000);
    assert_eq!(rate.per_second(), usd(500));
    rate.tick(2_000);
    assert_eq!(rate.per_second(), usd(375));
}

#[test]
fn autonomy_is_what_a_slice_lasts() {
    assert_eq!(autonomy_seconds(usd(1_000), usd(100)), Some(10));
    assert_eq!(autonomy_seconds(usd(-5), usd(100)), Some(0));
    assert_eq!(autonomy_seconds(usd(1_000), usd(0)), None);
}

proptest! {
    /// It grants no more than there is, returns no more than is free, and never does both.
    #[test]
    fn an_allotment_is_always_possible(
        limit in 0..=i64::MAX, counted in 0..=i64::MAX, share in 0_i64..=100, free in i64::MIN..=i64::MAX,
        rate in 0..=i64::MAX, need in 0..=i64::MAX, wanted in 0..=i64::MAX, sharers in 0_u32..9, is_idle: bool,
        hole in 0_i64..1_000_000,
    ) {
        let out = usd(counted / 100 * share);
        let free = usd(free.min(out.nano()));
        let seen = Outlook {
            limit: usd(limit), counted: usd(counted), out, free, hole: usd(hole),
            rate: usd(rate), need: usd(need), wanted: usd(wanted), sharers, is_idle,
        };
        let Allotment { grant, returned, .. } = decided(&seen);
        prop_assert!(grant.nano() >= 0 && i128::from(grant.nano()) <= (i128::from(limit) - i128::from(counted)).max(0) + i128::from(hole));
        prop_assert!(returned.nano() >= 0 && returned <= free.max(usd(0)));
        prop_assert!(grant == usd(0) || returned == usd(0));
    }

    /// However much is asked for by however many, a share of what is left stays for the others.
    #[test]
    fn no_gateway_takes_more_than_its_part_unless_a_request_needs_it(
        limit in 1..=i64::MAX, rate in 0..=i64::MAX, wanted in 0..=i64::MAX, sharers in 1_u32..9,
    ) {
        let seen = Outlook { limit: usd(limit), rate: usd(rate), wanted: usd(wanted), sharers, ..outlook() };
        let parts = if sharers == 1 { 8 } else { 2 * i64::from(sharers) };
        prop_assert!(decided(&seen).grant.nano() <= limit / parts);
    }
}
