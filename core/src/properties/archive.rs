//! Rows kept outside of the state, as a projection keeps them: written when touched, loaded when needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aggregate::Table;
use crate::control::{Control, Needs};

#[derive(Debug)]
struct Rows<K, V>(BTreeMap<K, Arc<V>>);

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V> Rows<K, V> {
    fn take(&mut self, table: &mut Table<K, V>) {
        for (id, row) in table.take_touched() {
            match row {
                Some(row) => self.0.insert(id, row),
                None => self.0.remove(&id),
            };
        }
    }

    fn load(&self, table: &mut Table<K, V>, ids: &[K]) {
        for id in ids {
            if let Some(row) = self.0.get(id) {
                table.load(id.clone(), Arc::clone(row));
            }
        }
    }

    fn load_all(&self, table: &mut Table<K, V>) {
        let ids: Vec<K> = self.0.keys().cloned().collect();
        self.load(table, &ids);
    }
}

macro_rules! tables {
    ($($table:ident: $id:ty => $row:ty;)+) => {
        #[derive(Debug, Default)]
        pub(super) struct Archive { $($table: Rows<$id, $row>,)+ }

        impl Archive {
            /// Takes the rows that were touched since the last time.
            pub(super) fn take(&mut self, control: &mut Control) {
                $(self.$table.take(&mut control.$table);)+
            }

            /// A state of nothing but the rows that are kept.
            pub(super) fn restore(&self) -> Control {
                let mut control = Control::default();
                $(self.$table.load_all(&mut control.$table);)+
                control
            }
        }
    };
}

tables! {
    realms: crate::id::RealmId => crate::realm::Realm;
    users: crate::id::UserId => crate::user::User;
    passwords: crate::id::UserId => crate::user::Password;
    sessions: crate::id::SessionId => crate::session::Session;
    signed_in: crate::session::Owner => crate::session::SignedIn;
    end_users: crate::end_user::EndUserRef => crate::end_user::EndUser;
    tags: crate::tag::TagRef => crate::tag::Tag;
    grants: crate::id::RealmId => crate::grant::Grants;
    credentials: crate::id::CredentialId => crate::credential::Credential;
    models: crate::id::ModelId => crate::registry::Model;
    model_names: (crate::id::RealmId, crate::id::ModelName) => crate::id::ModelId;
    deployments: crate::id::DeploymentId => crate::id::ModelId;
    budgets: crate::scope::Scope => crate::budget::Budget;
    model_budgets: (crate::id::RealmId, crate::id::ModelName) => crate::budget::Budget;
    named_budgets: crate::id::BudgetId => crate::named_budget::NamedBudget;
    budget_holders: (crate::id::BudgetId, crate::scope::Scope) => crate::stream::Position;
    selections: (crate::scope::Scope, crate::id::SlotName) => crate::selection::Selection;
    presets: crate::scope::Scope => crate::selection::preset::Presets;
    choices: (crate::scope::Scope, crate::id::SlotName, crate::stream::Position) => crate::selection::Choice;
    agents: crate::id::AgentId => crate::agent::Agent;
    agent_names: crate::id::AgentName => crate::id::AgentId;
    agent_tokens: crate::agent::TokenHash => crate::id::AgentId;
    agent_keys: crate::id::KeyId => crate::id::AgentId;
    quarantined: crate::stream::StreamId => crate::stream::Position;
    keys: crate::id::KeyId => crate::key::Key;
    key_hashes: crate::key::KeyHash => crate::id::KeyId;
    key_aliases: crate::id::KeyAlias => crate::id::KeyId;
    key_budgets: crate::id::KeyId => crate::budget::Budget;
    commands: crate::id::CommandId => crate::control::CommandRecord;
}

impl Archive {
    /// Loads what an event or a command touches.
    pub(super) fn load(&self, control: &mut Control, needs: &Needs) {
        let needs = needs.resolved(control);
        self.keys.load(&mut control.keys, &needs.keys);
        self.key_budgets.load(&mut control.key_budgets, &needs.keys);
        self.key_hashes.load(&mut control.key_hashes, &needs.hashes);
        self.key_aliases.load(&mut control.key_aliases, &needs.aliases);
        self.commands.load(&mut control.commands, &needs.commands);
    }
}
