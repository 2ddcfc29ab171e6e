//! Who may call what, said a second time: plain sets beside the commands, which know nothing of events, rows or folds.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Command;
use crate::id::SlotName;
use crate::key::{IssueKey, KeyKind, ReviseKey};
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::realm::{RemoveRealm, SuspendRealm};
use crate::scope::Scope;
use crate::time::Timestamp;

#[derive(Debug, Clone, Default)]
struct Realm {
    parent: Option<String>,
    granted: Names,
    suspended: bool,
}

#[derive(Debug, Clone)]
struct Key {
    realm: String,
    models: Names,
    aliases: BTreeMap<String, String>,
    calls_models: bool,
    hash: String,
    expires_at: Option<Timestamp>,
    blocked: bool,
    revoked: bool,
}

#[derive(Debug, Clone)]
struct Model {
    realm: String,
    name: String,
    deployments: BTreeSet<String>,
}

/// All names, or those that match one of some patterns.
#[derive(Debug, Clone, Default)]
struct Names {
    all: bool,
    patterns: BTreeSet<String>,
}

impl Names {
    fn of(allowed: &Allowed) -> Self {
        match allowed {
            Allowed::All => Self { all: true, patterns: BTreeSet::new() },
            Allowed::Only(patterns) => {
                Self { all: false, patterns: patterns.iter().map(|pattern| pattern.to_string()).collect() }
            }
        }
    }

    /// The patterns here have one star at most, at an end.
    fn hold(&self, name: &str) -> bool {
        let matches = |pattern: &String| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(end), _) => name.ends_with(end),
            (None, Some(start)) => name.starts_with(start),
            (None, None) => pattern == name,
        };
        self.all || self.patterns.iter().any(matches)
    }
}

/// What the commands that were carried out amount to. Models, keys, realms and scopes go by their texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Oracle {
    realms: BTreeMap<String, Realm>,
    models: BTreeMap<String, Model>,
    keys: BTreeMap<String, Key>,
    /// What a scope selected for a slot.
    slots: BTreeMap<(String, String), String>,
    /// The model of a preset of a scope.
    presets: BTreeMap<(String, String), String>,
    /// What it left for that, the latest last.
    left: BTreeMap<(String, String), Vec<Option<String>>>,
}

impl Oracle {
    /// A realm and its parents.
    fn chain(&self, realm: &str) -> Vec<&str> {
        let mut chain = Vec::new();
        let mut next = self.realms.get_key_value(realm);
        while let Some((id, realm)) = next {
            chain.push(id.as_str());
            next = realm.parent.as_ref().and_then(|parent| self.realms.get_key_value(parent));
        }
        chain
    }

    fn visible(&self, realm: &str, name: &str) -> Option<&str> {
        let mut from = self.chain(realm);
        from.push("default");
        from.into_iter().find_map(|realm| {
            let is_it = |model: &Model| model.realm == realm && model.name == name;
            self.models.iter().find(|(_, model)| is_it(model)).map(|(id, _)| id.as_str())
        })
    }

    fn may_call(&self, key: &Key, name: &str) -> bool {
        key.models.hold(name) && self.chain(&key.realm).iter().all(|realm| self.realms[*realm].granted.hold(name))
    }

    /// The id of the model that a key reaches by a name, if it may.
    pub(super) fn reaches(&self, key: &str, name: &str) -> Option<&str> {
        let key_row = self.keys.get(key).filter(|key| key.calls_models)?;
        let name = key_row.aliases.get(name).map_or(name, String::as_str);
        let model = self.visible(&key_row.realm, name).or_else(|| {
            let mut scopes = vec![format!("key:{key}")];
            scopes.extend(self.chain(&key_row.realm).iter().map(|realm| format!("realm:{realm}")));
            scopes.push("gateway".to_owned());
            let selected = scopes.into_iter().find_map(|scope| self.slots.get(&(scope, name.to_owned())))?;
            self.visible(&key_row.realm, selected)
        })?;
        self.may_call(key_row, &self.models[model].name).then_some(model)
    }

    /// The names that a key may call models by, aliases and slots apart.
    pub(super) fn names(&self, key: &str) -> BTreeSet<&str> {
        let Some(key) = self.keys.get(key) else { return BTreeSet::new() };
        let names = self.models.values().map(|model| model.name.as_str());
        names.filter(|name| self.visible(&key.realm, name).is_some() && self.may_call(key, name)).collect()
    }

    /// Whether a key is served, with a secret of this hash.
    pub(super) fn is_served(&self, key: &str, hash: &str, now: Timestamp) -> bool {
        self.keys.get(key).is_some_and(|key| {
            let expired = key.expires_at.is_some_and(|expires_at| expires_at <= now);
            let suspended = self.chain(&key.realm).iter().any(|realm| self.realms[*realm].suspended);
            key.hash == hash && !key.revoked && !key.blocked && !expired && !suspended
        })
    }

    /// Notes a command that was carried out.
    pub(super) fn note(&mut self, command: &Command) {
        match command {
            Command::RegisterRealm(data) => {
                let parent = data.parent.as_ref().map(ToString::to_string);
                let granted = data.models.as_ref().map(Names::of).unwrap_or_default();
                self.realms.insert(data.realm.to_string(), Realm { parent, granted, suspended: false });
            }
            // Nothing of a removed realm is served, and nothing brings it back.
            Command::SuspendRealm(SuspendRealm { realm }) | Command::RemoveRealm(RemoveRealm { realm }) => {
                self.realm(realm).suspended = true;
            }
            Command::ResumeRealm(data) => self.realm(&data.realm).suspended = false,
            Command::GrantModel(data) => {
                self.realm(&data.realm).granted.patterns.insert(data.model.to_string());
            }
            Command::WithdrawGrant(data) => {
                self.realm(&data.realm).granted.patterns.remove(data.model.as_str());
            }
            Command::ReplaceGrants(data) => self.realm(&data.realm).granted = Names::of(&data.models),
            Command::SelectModel(data) => self.choose(&data.scope, &data.slot, Some(data.model.to_string())),
            Command::SavePreset(data) => {
                let place = (data.scope.to_string(), data.preset.to_string());
                self.presets.insert(place, data.model.to_string());
            }
            Command::DeletePreset(data) => {
                self.presets.remove(&(data.scope.to_string(), data.preset.to_string()));
            }
            Command::SelectPreset(data) => {
                let model = self.preset(&data.scope, data.preset.as_str());
                self.choose(&data.scope, &data.slot, model);
            }
            Command::ClearSelection(data) => self.choose(&data.scope, &data.slot, None),
            Command::UndoSelection(data) => self.undo(&data.scope, &data.slot),
            command => {
                self.note_model(command);
                self.note_key(command);
            }
        }
    }

    /// The model of the preset that a scope means by a name.
    fn preset(&self, scope: &Scope, name: &str) -> Option<String> {
        let realms = match scope {
            Scope::Key(id) => self.keys.get(&id.to_string()).map(|key| self.chain(&key.realm)).unwrap_or_default(),
            Scope::Realm(realm) => self.chain(realm.as_str()),
            _ => Vec::new(),
        };
        let realms = realms.into_iter().map(|realm| format!("realm:{realm}"));
        let mut scopes = [scope.to_string()].into_iter().chain(realms).chain(["gateway".to_owned()]);
        scopes.find_map(|scope| self.presets.get(&(scope, name.to_owned())).cloned())
    }

    fn choose(&mut self, scope: &Scope, slot: &SlotName, model: Option<String>) {
        let place = (scope.to_string(), slot.to_string());
        let before = self.slots.remove(&place);
        self.left.entry(place.clone()).or_default().push(before);
        self.slots.extend(model.map(|model| (place, model)));
    }

    fn undo(&mut self, scope: &Scope, slot: &SlotName) {
        let place = (scope.to_string(), slot.to_string());
        self.slots.remove(&place);
        let before = self.left.entry(place.clone()).or_default().pop().flatten();
        self.slots.extend(before.map(|model| (place, model)));
    }

    fn note_model(&mut self, command: &Command) {
        match command {
            Command::RegisterModel(data) => {
                let deployments = data.deployments.iter().map(|deployment| deployment.id.to_string()).collect();
                let model = Model { realm: data.realm.to_string(), name: data.name.to_string(), deployments };
                self.models.insert(data.model.to_string(), model);
            }
            Command::AddDeployment(data) => {
                self.model(&data.model).deployments.insert(data.deployment.id.to_string());
            }
            Command::RemoveDeployment(data) => {
                let deployments = &mut self.model(&data.model).deployments;
                deployments.remove(data.deployment.as_str());
                if deployments.is_empty() {
                    self.models.remove(&data.model.to_string());
                }
            }
            Command::RetireModel(data) => {
                self.models.remove(&data.model.to_string());
            }
            _ => {}
        }
    }

    fn note_key(&mut self, command: &Command) {
        match command {
            Command::IssueKey(data) => {
                self.keys.insert(data.key.to_string(), Key::new(data));
            }
            Command::ReviseKey(data) => self.key(&data.key).revise(data),
            Command::RotateKey(data) => self.key(&data.key).hash = data.hash.to_string(),
            Command::BlockKey(data) => self.key(&data.key).blocked = true,
            Command::UnblockKey(data) => self.key(&data.key).blocked = false,
            Command::RevokeKey(data) => {
                // Keys of agents are none of those that are followed here.
                if let Some(key) = self.keys.get_mut(&data.key.to_string()) {
                    key.revoked = true;
                }
            }
            _ => {}
        }
    }

    fn realm(&mut self, id: &impl ToString) -> &mut Realm {
        self.realms.get_mut(&id.to_string()).unwrap()
    }

    fn model(&mut self, id: &impl ToString) -> &mut Model {
        self.models.get_mut(&id.to_string()).unwrap()
    }

    fn key(&mut self, id: &impl ToString) -> &mut Key {
        self.keys.get_mut(&id.to_string()).unwrap()
    }
}

impl Key {
    fn new(data: &IssueKey) -> Self {
        Self {
            realm: data.realm.to_string(),
            models: Names::of(&data.models),
            aliases: data.aliases.iter().map(|(alias, model)| (alias.to_string(), model.to_string())).collect(),
            calls_models: calls_models(data.kind),
            hash: data.hash.to_string(),
            expires_at: data.expires_at,
            blocked: data.blocked,
            revoked: false,
        }
    }

    fn revise(&mut self, data: &ReviseKey) {
        match &data.models {
            Patch::Keep => {}
            Patch::Clear => self.models = Names::default(),
            Patch::Set(models) => self.models = Names::of(models),
        }
        match &data.aliases {
            Patch::Keep => {}
            Patch::Clear => self.aliases.clear(),
            Patch::Set(aliases) => {
                self.aliases = aliases.iter().map(|(alias, model)| (alias.to_string(), model.to_string())).collect();
            }
        }
        match &data.expires_at {
            Patch::Keep => {}
            Patch::Clear => self.expires_at = None,
            Patch::Set(expires_at) => self.expires_at = Some(*expires_at),
        }
        match data.kind {
            Patch::Keep => {}
            Patch::Clear => self.calls_models = true,
            Patch::Set(kind) => self.calls_models = calls_models(kind),
        }
    }
}

const fn calls_models(kind: KeyKind) -> bool {
    match kind {
        KeyKind::Default | KeyKind::LlmApi => true,
        KeyKind::Management | KeyKind::ReadOnly => false,
    }
}
