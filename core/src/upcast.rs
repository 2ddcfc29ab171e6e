//! Old schemas of events, made new on read: one small step a function, and events are never rewritten.
//!
//! A step is added here as a function of its own, named in `step`, with the golden bytes of the old schema kept in
//! `core/golden/events`. None is needed where the newest reads the older one as it stands: `request.settled` 2 leaves out
//! what is none or zero, which 1 wrote, 3 adds classes of usage, which are left out where they are zero, 4 the route,
//! which is left out where it is empty, 5 the candidates, which are left out where there was no choice, and 6 the tags, which
//! are left out where there are none. `named_budget.registered` and `named_budget.revised` 2 add the
//! soft limit, which is left out where there is none, or where it stays.

use std::borrow::Cow;

/// Brings data from an older schema to the newest.
pub(crate) fn to_newest<'a>(kind: &str, schema: u16, newest: u16, data: &'a str) -> Cow<'a, str> {
    (schema..newest).fold(Cow::Borrowed(data), |data, from| match step(kind, from) {
        Some(step) => Cow::Owned(step(&data)),
        None => data,
    })
}

/// The step from one schema of a type to the next.
fn step(kind: &str, from: u16) -> Option<fn(&str) -> String> {
    match (kind, from) {
        ("price.revised", 1) => Some(price_revised_2),
        _ => None,
    }
}

/// `price.revised` 1 → 2: prices of more classes, for long prompts and for service tiers. A price of schema 1 has none of
/// them, and means what it meant: a class without a rate costs what its base class costs. So nothing changes but the
/// number, which keeps a version that knows schema 1 alone from reading what it would ignore.
fn price_revised_2(data: &str) -> String {
    data.to_owned()
}
