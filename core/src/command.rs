//! Commands: requests to change something. Each is decided by a pure function of state, command and context.

mod decide;
mod rejection;
mod together;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::control::Needs;
use crate::digest::Digest;
use crate::id::{CommandId, VendorId};
use crate::price::PriceList;
use crate::time::Timestamp;
use crate::{
    agent, budget, credential, end_user, grant, key, named_budget, realm, registry, selection, session, tag, user,
};

pub(crate) use decide::decide;
pub use rejection::Rejection;
pub use together::{TOGETHER_MAX, Together};

/// What a decision may know besides the state.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The moment of the decision.
    pub now: Timestamp,
    /// The vendors there are.
    pub vendors: &'a BTreeSet<VendorId>,
    /// What models cost where nobody says otherwise.
    pub prices: &'a PriceList,
}

/// A command as it is sent: `{"id": …, "type": "IssueKey", "data": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id, chosen by the sender.
    pub id: CommandId,
    /// What is asked.
    pub command: Command,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    id: CommandId,
    #[serde(rename = "type")]
    kind: String,
    data: Box<RawValue>,
}

/// Why a text is no command.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not an object with just `id`, `type` and `data`.
    #[error("a command is a JSON object with `id`, `type` and `data`: {0}")]
    Envelope(#[source] serde_json::Error),
    /// No command of that name.
    #[error("there is no command `{0}`")]
    UnknownType(String),
    /// Commands within commands within commands.
    #[error("commands that are together cannot hold commands that are together")]
    Nested,
    /// The data does not have the fields of its type.
    #[error("the data of `{kind}` is not valid: {source}")]
    Data {
        /// The command's name.
        kind: &'static str,
        /// Where, and why.
        #[source]
        source: serde_json::Error,
    },
}

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident($data:ty);)+) => {
        /// What can be asked.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = "type", content = "data")]
        pub enum Command {
            $($(#[$doc])* $variant($data),)+
        }

        impl Command {
            /// The names of all commands.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($variant)),+];

            /// The command's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)+ }
            }

            /// Reads the data of a command.
            ///
            /// # Errors
            /// [`Malformed`].
            pub fn parse(name: &str, data: &str) -> Result<Self, Malformed> {
                match name {
                    $(stringify!($variant) => read(name, data)
                        .map(Self::$variant)
                        .map_err(|source| Malformed::Data { kind: stringify!($variant), source }),)+
                    _ => Err(Malformed::UnknownType(name.chars().take(64).collect())),
                }
            }
        }

        $(impl From<$data> for Command {
            fn from(data: $data) -> Self {
                Self::$variant(data)
            }
        })+
    };
}

/// Reads data. Serde would also read a struct from a list of its fields in their order, which no document tells of.
fn read<'a, T: Deserialize<'a>>(name: &str, data: &'a str) -> Result<T, serde_json::Error> {
    if name == together::TOGETHER {
        serde_json::from_str(data)
    } else {
        no_list(data.as_bytes()).and_then(serde_json::from_slice)
    }
}

fn no_list(text: &[u8]) -> Result<&[u8], serde_json::Error> {
    match text.trim_ascii_start() {
        [b'[', ..] => Err(serde::de::Error::custom("expected an object, found a list")),
        _ => Ok(text),
    }
}

commands! {
    /// A new realm.
    RegisterRealm(realm::RegisterRealm);
    /// Changes of a realm.
    ReviseRealm(realm::ReviseRealm);
    /// A realm that is not served.
    SuspendRealm(realm::SuspendRealm);
    /// A realm that is served again.
    ResumeRealm(realm::ResumeRealm);
    /// A realm that is there no more.
    RemoveRealm(realm::RemoveRealm);
    /// A new user.
    RegisterUser(user::RegisterUser);
    /// Changes of a user.
    ReviseUser(user::ReviseUser);
    /// A user whose keys are refused for now.
    BlockUser(user::BlockUser);
    /// A user whose keys work again.
    UnblockUser(user::UnblockUser);
    /// A user who is there no more.
    RemoveUser(user::RemoveUser);
    /// A user who is a member of a realm.
    AddMember(user::AddMember);
    /// A user who is no member of a realm any more.
    RemoveMember(user::RemoveMember);
    /// A user who has another password, or none.
    SetPassword(user::SetPassword);
    /// Somebody who signs in.
    StartSession(session::StartSession);
    /// A session that ends.
    EndSession(session::EndSession);
    /// A new end user.
    RegisterEndUser(end_user::RegisterEndUser);
    /// Changes of an end user.
    ReviseEndUser(end_user::ReviseEndUser);
    /// An end user in whose name nothing is served for now.
    BlockEndUser(end_user::BlockEndUser);
    /// An end user in whose name requests are served again.
    UnblockEndUser(end_user::UnblockEndUser);
    /// An end user who is registered no more.
    RemoveEndUser(end_user::RemoveEndUser);
    /// A tag that has rules from now on.
    RegisterTag(tag::RegisterTag);
    /// Changes of a tag's rules.
    ReviseTag(tag::ReviseTag);
    /// A tag that has none any more.
    RemoveTag(tag::RemoveTag);
    /// One more model for a realm.
    GrantModel(grant::GrantModel);
    /// One less.
    WithdrawGrant(grant::WithdrawGrant);
    /// All grants of a realm anew.
    ReplaceGrants(grant::ReplaceGrants);
    /// A credential to keep.
    StoreCredential(credential::StoreCredential);
    /// Another secret of a credential.
    ReplaceSecret(credential::ReplaceSecret);
    /// A credential to forget.
    RemoveCredential(credential::RemoveCredential);
    /// A new model.
    RegisterModel(registry::RegisterModel);
    /// One more deployment.
    AddDeployment(registry::AddDeployment);
    /// Changes of a deployment.
    ReviseDeployment(registry::ReviseDeployment);
    /// One deployment less.
    RemoveDeployment(registry::RemoveDeployment);
    /// Another price.
    RevisePrice(registry::RevisePrice);
    /// A model that is served no more.
    RetireModel(registry::RetireModel);
    /// A model whose price is not trusted.
    DistrustModel(registry::DistrustModel);
    /// A model whose price is trusted again.
    TrustModel(registry::TrustModel);
    /// Another routing of a model's requests.
    SetRouting(registry::SetRouting);
    /// A new key.
    IssueKey(key::IssueKey);
    /// Changes of a key.
    ReviseKey(key::ReviseKey);
    /// Another secret of a key.
    RotateKey(key::RotateKey);
    /// A key that is refused for now.
    BlockKey(key::BlockKey);
    /// A key that works again.
    UnblockKey(key::UnblockKey);
    /// A key that is refused for ever.
    RevokeKey(key::RevokeKey);
    /// A scope's budget.
    SetBudget(budget::SetBudget);
    /// A budget whose windows begin anew.
    ResetBudget(budget::ResetBudget);
    /// A scope's budget by its name.
    AttachBudget(budget::AttachBudget);
    /// What holds of a scope's budget beside its limits.
    ReviseBudget(budget::ReviseBudget);
    /// What was spent elsewhere in a budget's window.
    CarrySpend(budget::CarrySpend);
    /// A new named budget.
    RegisterNamedBudget(named_budget::RegisterNamedBudget);
    /// Changes of a named budget, and so of its holders'.
    ReviseNamedBudget(named_budget::ReviseNamedBudget);
    /// A named budget that is there no more.
    RemoveNamedBudget(named_budget::RemoveNamedBudget);
    /// A slot's model.
    SelectModel(selection::SelectModel);
    /// What a slot leads to, by a preset.
    SelectPreset(selection::SelectPreset);
    /// A preset of a scope.
    SavePreset(selection::preset::SavePreset);
    /// A preset that a scope has no more.
    DeletePreset(selection::preset::DeletePreset);
    /// A slot without a choice of its own.
    ClearSelection(selection::ClearSelection);
    /// A slot that leads where it led before.
    UndoSelection(selection::UndoSelection);
    /// A new agent.
    RegisterAgent(agent::RegisterAgent);
    /// Another token of an agent.
    RotateAgentToken(agent::RotateAgentToken);
    /// An agent in one more realm.
    JoinRealm(agent::JoinRealm);
    /// An agent in one realm less.
    LeaveRealm(agent::LeaveRealm);
    /// Another key of an agent.
    ReplaceAgentKey(agent::ReplaceAgentKey);
    /// What an agent is to use.
    ConfigureAgent(agent::ConfigureAgent);
    /// An agent that follows its realms.
    ClearAgentConfiguration(agent::ClearAgentConfiguration);
    /// An agent that is refused for ever.
    RemoveAgent(agent::RemoveAgent);
    /// Several commands that are carried out together or not at all.
    Together(Together);
}

impl Request {
    /// Reads a command as it was sent. Unknown fields and duplicate fields are refused.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let wire: Wire = no_list(body).and_then(serde_json::from_slice).map_err(Malformed::Envelope)?;
        Ok(Self { id: wire.id, command: Command::parse(&wire.kind, wire.data.get())? })
    }
}

impl Command {
    /// SHA-256 of the command's canonical body: the same for every spelling of the same command.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Commands hold nothing that JSON cannot; an empty body would only make two such commands look alike.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The rows of partial tables that must be loaded before the command is decided.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        match self {
            Self::IssueKey(data) => {
                needs.keys.push(data.key);
                needs.hashes.push(data.hash);
                needs.aliases.extend(data.alias.clone());
            }
            Self::ReviseKey(data) => {
                needs.keys.push(data.key);
                needs.aliases.extend(data.alias.change().flatten().cloned());
            }
            Self::RotateKey(data) => {
                needs.keys.push(data.key);
                needs.hashes.push(data.hash);
            }
            Self::BlockKey(data) => needs.keys.push(data.key),
            Self::UnblockKey(data) => needs.keys.push(data.key),
            Self::RevokeKey(data) => needs.keys.push(data.key),
            Self::SetBudget(data) => needs.scope(&data.scope),
            Self::ResetBudget(data) => needs.scope(&data.scope),
            Self::AttachBudget(data) => needs.scope(&data.scope),
            Self::ReviseBudget(data) => needs.scope(&data.scope),
            Self::CarrySpend(data) => needs.scope(&data.scope),
            Self::ReviseNamedBudget(data) => needs.budgets.push(data.budget.clone()),
            Self::RemoveNamedBudget(data) => needs.budgets.push(data.budget.clone()),
            Self::SelectModel(data) => needs.scope(&data.scope),
            Self::SelectPreset(data) => needs.scope(&data.scope),
            Self::SavePreset(data) => needs.scope(&data.scope),
            Self::DeletePreset(data) => needs.scope(&data.scope),
            Self::ClearSelection(data) => needs.scope(&data.scope),
            Self::UndoSelection(data) => needs.scope(&data.scope),
            Self::StartSession(data) => {
                if let session::With::Key(key) = data.with {
                    needs.keys.push(key);
                }
            }
            Self::JoinRealm(data) => needs.agent_key(None, Some(&data.key)),
            Self::LeaveRealm(data) => needs.agent_key(Some(&data.agent), None),
            Self::ReplaceAgentKey(data) => needs.agent_key(Some(&data.agent), Some(&data.key)),
            Self::RemoveAgent(data) => needs.agent_key(Some(&data.agent), None),
            Self::Together(data) => data.commands().for_each(|command| needs.extend(command.needs())),
            _ => {}
        }
        needs
    }
}

#[cfg(test)]
mod tests;
