//! Changes of a JSON body by its places: every byte that no change names stays as it is.

use std::ops::Range;

use bytes::Bytes;

use super::json::Member;

/// Changes of one body. They may be told in any order, and do not overlap.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Splices {
    changes: Vec<Splice>,
    /// Members to add behind the last one, without commas.
    added: Vec<String>,
}

/// Some bytes in place of others.
#[derive(Debug)]
struct Splice {
    at: Range<usize>,
    with: String,
}

impl Splices {
    /// Puts a text in place of what is there.
    pub(in crate::dialect) fn put(&mut self, at: Range<usize>, with: String) {
        self.changes.push(Splice { at, with });
    }

    /// Adds a member to the outermost object.
    pub(in crate::dialect) fn add(&mut self, name: &str, json: &str) {
        self.added.push(format!("\"{name}\":{json}"));
    }

    /// Adds a member to an object further in, as its first one. `opens_at` is the place of its opening brace.
    pub(in crate::dialect) fn add_within(&mut self, opens_at: usize, is_empty: bool, name: &str, json: &str) {
        let comma = if is_empty { "" } else { "," };
        self.put(opens_at + 1..opens_at + 1, format!("\"{name}\":{json}{comma}"));
    }

    /// Cuts members of the outermost object out. Each cut takes one comma with it: the one before, or, before the first
    /// member that stays, the one after.
    pub(in crate::dialect) fn cut(&mut self, members: &[Member], is_cut: impl Fn(usize) -> bool) {
        let mut follows_another = false;
        for (index, member) in members.iter().enumerate() {
            if !is_cut(index) {
                follows_another = true;
                continue;
            }
            let before = index.checked_sub(1).and_then(|before| members.get(before));
            let at = match (follows_another, before, members.get(index + 1)) {
                (true, Some(before), _) => before.value.end..member.value.end,
                (_, _, Some(after)) => member.start()..after.start(),
                (_, _, None) => member.start()..member.value.end,
            };
            self.put(at, String::new());
        }
    }

    /// The body with all changes. `members` are those of its outermost object, `end` is the place of its closing brace,
    /// and `keeps_any` tells whether any of the members stays. A body without a change is not copied.
    pub(in crate::dialect) fn apply(mut self, body: &Bytes, members: &[Member], end: usize, keeps_any: bool) -> Bytes {
        if self.changes.is_empty() && self.added.is_empty() {
            return body.clone();
        }
        if !self.added.is_empty() {
            let end = members.last().map_or(end, |member| member.value.end);
            let comma = if keeps_any { "," } else { "" };
            let added = format!("{comma}{}", self.added.join(","));
            self.put(end..end, added);
        }
        self.changes.sort_by_key(|change| change.at.start);
        spliced(body, &self.changes)
    }
}

fn spliced(body: &[u8], changes: &[Splice]) -> Bytes {
    let grown: usize = changes.iter().map(|change| change.with.len()).sum();
    let mut changed = Vec::with_capacity(body.len() + grown);
    let mut at = 0;
    for change in changes {
        changed.extend_from_slice(body.get(at..change.at.start).unwrap_or_default());
        changed.extend_from_slice(change.with.as_bytes());
        at = change.at.end;
    }
    changed.extend_from_slice(body.get(at..).unwrap_or_default());
    changed.into()
}
