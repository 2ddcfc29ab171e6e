//! Why a command is refused: the typed no of whichever rule said it.

use super::TOGETHER_MAX;
use crate::envelope::PARTS_MAX;
use crate::stream::{Position, StreamId};
use crate::{
    agent, budget, credential, end_user, grant, key, named_budget, realm, registry, rights, selection, session, tag,
    user,
};

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A rule of realms.
    #[error(transparent)]
    Realm(#[from] realm::Rejection),
    /// A rule of users.
    #[error(transparent)]
    User(#[from] user::Rejection),
    /// A rule of sessions.
    #[error(transparent)]
    Session(#[from] session::Rejection),
    /// A rule of end users.
    #[error(transparent)]
    EndUser(#[from] end_user::Rejection),
    /// About tags.
    #[error(transparent)]
    Tag(#[from] tag::Rejection),
    /// What the key that asks may not change.
    #[error(transparent)]
    Rights(#[from] rights::Rejection),
    /// A rule of grants.
    #[error(transparent)]
    Grant(#[from] grant::Rejection),
    /// A rule of credentials.
    #[error(transparent)]
    Credential(#[from] credential::Rejection),
    /// A rule of the registry.
    #[error(transparent)]
    Registry(#[from] registry::Rejection),
    /// A rule of keys.
    #[error(transparent)]
    Key(#[from] key::Rejection),
    /// A rule of budgets.
    #[error(transparent)]
    Budget(#[from] budget::Rejection),
    /// A rule of named budgets.
    #[error(transparent)]
    NamedBudget(#[from] named_budget::Rejection),
    /// A rule of selections.
    #[error(transparent)]
    Selection(#[from] selection::Rejection),
    /// A rule of agents.
    #[error(transparent)]
    Agent(#[from] agent::Rejection),
    /// Something that the command would change has an event that this version cannot read.
    #[error("`{stream}` has an event at position {position} that this version cannot read: upgrade before changing it")]
    Quarantined {
        /// The stream.
        stream: StreamId,
        /// The first such event.
        position: Position,
    },
    /// None of the commands together would change anything, or there is none.
    #[error("none of the commands would change anything")]
    NothingTogether,
    /// More commands together than there may be, or more events than one command may cause.
    #[error("at most {TOGETHER_MAX} commands can be together, and cause at most {PARTS_MAX} events")]
    TooManyTogether,
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Realm(rejection) => rejection.code(),
            Self::User(rejection) => rejection.code(),
            Self::Session(rejection) => rejection.code(),
            Self::EndUser(rejection) => rejection.code(),
            Self::Tag(rejection) => rejection.code(),
            Self::Rights(rejection) => rejection.code(),
            Self::Grant(rejection) => rejection.code(),
            Self::Credential(rejection) => rejection.code(),
            Self::Registry(rejection) => rejection.code(),
            Self::Key(rejection) => rejection.code(),
            Self::Budget(rejection) => rejection.code(),
            Self::NamedBudget(rejection) => rejection.code(),
            Self::Selection(rejection) => rejection.code(),
            Self::Agent(rejection) => rejection.code(),
            Self::Quarantined { .. } => "quarantined",
            Self::NothingTogether => "no_change",
            Self::TooManyTogether => "too_many_together",
        }
    }

    /// Whether the command was refused only since all is so already.
    #[must_use]
    pub fn is_no_change(&self) -> bool {
        self.code() == "no_change"
    }
}
