//! What was, or would be, carried over, and all that was not.

use std::collections::BTreeMap;

use crate::import::say;

/// What kind of object a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Organization,
    Team,
    Model,
    Key,
    User,
    EndUser,
    Tag,
    Budget,
    Spend,
    History,
    Setting,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Team => "team",
            Self::Model => "model",
            Self::Key => "key",
            Self::User => "user",
            Self::EndUser => "end user",
            Self::Tag => "tag",
            Self::Budget => "named budget",
            Self::Spend => "spend",
            Self::History => "history",
            Self::Setting => "setting",
        }
    }
}

/// The lines, as they come.
#[derive(Debug, Default)]
pub(super) struct Report {
    carried: BTreeMap<Kind, Vec<String>>,
    there: BTreeMap<Kind, usize>,
    left: Vec<String>,
    refused: usize,
}

impl Report {
    /// It was, or would be, carried over.
    pub(super) fn carried(&mut self, kind: Kind, name: &str) {
        self.carried.entry(kind).or_default().push(name.to_owned());
    }

    /// It was there already.
    pub(super) fn there(&mut self, kind: Kind) {
        *self.there.entry(kind).or_default() += 1;
    }

    /// It, or something of it, is not carried over.
    pub(super) fn left(&mut self, kind: Kind, name: &str, what: &str) {
        self.left.push(format!("{} {name}: {what}", kind.name()));
    }

    /// The gateway refused it.
    pub(super) fn refuse(&mut self, kind: Kind, name: &str, why: &str) {
        self.refused += 1;
        self.left(kind, name, &format!("refused: {why}"));
    }

    /// How many the gateway refused.
    pub(super) const fn refused(&self) -> usize {
        self.refused
    }

    /// Tells everything.
    pub(super) fn tell(&self, applied: bool) {
        let verb = if applied { "carried over" } else { "would be carried over" };
        for (kind, names) in &self.carried {
            for name in names {
                say(&format!("{} {name}: {verb}", kind.name()));
            }
        }
        for line in &self.left {
            say(&format!("not carried over: {line}"));
        }
        let count = |kind: &Kind| self.carried.get(kind).map_or(0, Vec::len);
        let kinds = [
            (Kind::Budget, "named budgets"),
            (Kind::Organization, "organizations"),
            (Kind::Team, "teams"),
            (Kind::User, "users"),
            (Kind::EndUser, "end users"),
            (Kind::Tag, "tags"),
            (Kind::Model, "models"),
            (Kind::Key, "keys"),
            (Kind::Spend, "amounts that were spent"),
        ];
        let counts: Vec<String> = kinds.iter().map(|(kind, name)| format!("{} {name}", count(kind))).collect();
        let there: usize = self.there.values().sum();
        let left = self.left.len();
        say(&format!("{} {verb}, {there} there already, {left} things not carried over", counts.join(", ")));
        if !applied {
            say("nothing is applied: say --apply to do it");
        }
    }
}
