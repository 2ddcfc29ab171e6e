//! Who chooses a model, and for which scope.

use std::sync::Arc;

use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::id::{InvalidId, ModelName, RealmId, SlotName};
use tallygate_core::key::KeyKind;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::registry::Model;
use tallygate_core::scope::Scope;
use tallygate_core::selection::Rejection;
use tallygate_projections::KeyRow;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::pipeline::admitted::quotas;
use crate::pipeline::refusal;

/// Who chooses, and for which scope.
#[derive(Debug)]
pub(super) struct Chooser {
    /// Who is told in the log to have chosen.
    pub(super) actor: Actor,
    /// What the choice is for.
    pub(super) scope: Scope,
    /// The key, where the choice is for one.
    key: Option<KeyRow>,
    /// The realm that a user belongs to, where the choice is for one and they belong to one.
    home: Option<RealmId>,
}

impl Chooser {
    /// A caller, and the scope that they name; none for the key itself, and for the gateway with the master key.
    ///
    /// # Errors
    /// A scope that is not the caller's, or is none.
    pub(super) fn new(app: &App, caller: &Caller, scope: Option<&str>) -> Result<Self, ApiError> {
        let scope = scope.map(parse).transpose()?;
        match caller {
            Caller::Operator => Self::operator(app, scope.unwrap_or(Scope::Gateway)),
            Caller::Key(row) => {
                let own = Scope::Key(row.key.id);
                if scope.is_some_and(|scope| scope != own) {
                    let message =
                        "a virtual key chooses for itself: only the holder of the master key may name another scope";
                    return Err(ApiError::new(ErrorCode::AdminOnly, message).param("scope"));
                }
                let actor = Actor { kind: ActorKind::Key, id: row.key.id.to_string() };
                Ok(Self { actor, scope: own, key: Some(row.clone()), home: None })
            }
        }
    }

    /// The same for someone who asks for another choice. That a key asked to choose for others is recorded.
    ///
    /// # Errors
    /// As [`Chooser::new`], and a key that may not call models: what it chooses is for its own calls.
    pub(super) fn to_change(app: &App, caller: &Caller, scope: Option<&str>) -> Result<Self, ApiError> {
        let chooser = Self::new(app, caller, scope).inspect_err(|error| match caller {
            Caller::Key(row) if error.code == ErrorCode::AdminOnly.as_str() => app.commands.denied(&row.key, error),
            Caller::Key(_) | Caller::Operator => {}
        })?;
        match &chooser.key {
            Some(row) if !matches!(row.key.kind, KeyKind::Default | KeyKind::LlmApi) => {
                Err(ApiError::new(ErrorCode::KeyKindForbids, "a key that may not call models has nothing to choose"))
            }
            _ => Ok(chooser),
        }
    }

    /// Counts a key's choice as a request without tokens in its rate limits, whatever becomes of it; the operator's counts in
    /// none.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(super) fn count(&self, app: &App) -> Result<(), ApiError> {
        let Some(row) = self.key.as_ref().filter(|_| self.actor.kind == ActorKind::Key) else { return Ok(()) };
        let snapshot = app.pipeline.views.control.snapshot();
        let share = app.pipeline.limits.take(&quotas(&snapshot.control, row), 0);
        // Settled at once: dropped later, it would be given back when the client leaves, and the command go on.
        share.map(|share| share.settle(0)).map_err(|limited| refusal::limited(&limited, &row.key.hash))
    }

    fn operator(app: &App, scope: Scope) -> Result<Self, ApiError> {
        let control = &app.pipeline.views.control;
        let mut home = None;
        let key = match &scope {
            Scope::Gateway => None,
            Scope::User(user) => {
                let snapshot = control.snapshot();
                let user = snapshot.control.user(user).ok_or_else(|| unknown(scope.clone()))?;
                home.clone_from(&user.realm);
                None
            }
            Scope::Realm(realm) if control.snapshot().control.realms.contains(realm) => None,
            Scope::Realm(_) | Scope::Model(..) | Scope::EndUser(_) | Scope::Tag(_) => return Err(unknown(scope)),
            Scope::Agent(_) | Scope::Context(_) => {
                let owner = control.snapshot().control.owner(&scope);
                home = owner.ok_or_else(|| unknown(scope.clone()))?.realm;
                None
            }
            Scope::Key(id) => {
                let row = control.key_by_id(*id).map_err(|error| refusal::views(&error))?;
                let row = row.filter(|row| row.key.revoked.is_none());
                Some(row.ok_or_else(|| unknown(scope.clone()))?)
            }
        };
        Ok(Self { actor: Actor::operator(), scope, key, home })
    }

    /// The realm that the scope belongs to; none for the gateway, and for users of the whole of it.
    pub(super) fn owner(&self) -> Option<RealmId> {
        match self.scope {
            Scope::Gateway | Scope::Model(..) | Scope::EndUser(_) | Scope::Tag(_) => None,
            Scope::User(_) | Scope::Agent(_) | Scope::Context(_) => self.home.clone(),
            Scope::Realm(_) | Scope::Key(_) => Some(self.realm()),
        }
    }

    /// The realm that names are looked up from.
    pub(super) fn realm(&self) -> RealmId {
        match (&self.scope, &self.key) {
            (_, Some(row)) => row.key.realm.clone(),
            (Scope::Realm(realm), None) => realm.clone(),
            (_, None) => self.home.clone().unwrap_or_else(RealmId::default_realm),
        }
    }

    /// The models that may be chosen, by name.
    pub(super) fn callable(&self, control: &Control) -> Vec<Arc<Model>> {
        if let Some(row) = &self.key {
            return admission::callable(control, &row.key).cloned().collect();
        }
        let models = control.callable_models(&self.realm(), &Allowed::All).cloned().collect::<Vec<_>>();
        models.into_iter().filter(|model| control.scope_may_call(&self.scope, &model.name)).collect()
    }

    /// Whether a request for a slot gets the model that was chosen for it.
    pub(super) fn gets(&self, control: &Control, slot: &SlotName, model: &Model) -> bool {
        match &self.key {
            Some(row) => ModelName::new(slot.as_str()).is_ok_and(|name| {
                admission::resolve(control, &row.key, &name).is_ok_and(|permit| permit.model.id == model.id)
            }),
            None => control.scope_may_call(&self.scope, &model.name),
        }
    }

    /// The scopes whose choices hold, nearest first.
    pub(super) fn scopes(&self, control: &Control) -> Vec<Scope> {
        match (&self.scope, &self.key) {
            (_, Some(row)) => admission::choosers(control, &row.key, None).collect(),
            (Scope::Realm(_), None) => self.realms(control, Vec::new()),
            (Scope::User(_) | Scope::Agent(_), None) => self.realms(control, vec![self.scope.clone()]),
            (Scope::Context(conversation), None) => {
                self.realms(control, vec![self.scope.clone(), Scope::Agent(conversation.agent.clone())])
            }
            (_, None) => vec![Scope::Gateway],
        }
    }
}

impl Chooser {
    /// Some scopes, then the realms that they lie in, then the gateway.
    fn realms(&self, control: &Control, nearer: Vec<Scope>) -> Vec<Scope> {
        let own = self.realm();
        let realms = control.chain(&own).map(|realm| Scope::Realm(realm.id.clone()));
        nearer.into_iter().chain(realms).chain([Scope::Gateway]).collect()
    }
}

fn parse(text: &str) -> Result<Scope, ApiError> {
    text.parse()
        .map_err(|error: InvalidId| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("scope"))
}

fn unknown(scope: Scope) -> ApiError {
    let rejection = Rejection::UnknownScope(scope);
    ApiError::coded(rejection.code(), 404, rejection.to_string()).param("scope")
}
