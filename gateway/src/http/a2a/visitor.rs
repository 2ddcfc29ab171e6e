//! Who converses with an agent: the operator, the agent itself by its token, whoever has a key of a realm that the agent is
//! in, and, where the agent is open, anybody on this machine.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HOST};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::admission;
use tallygate_core::agent::{Agent, TokenHash};
use tallygate_core::control::Control;
use tallygate_core::id::RealmId;
use tallygate_core::key::KeyHash;
use tallygate_core::rights;
use tallygate_core::scope::Scope;
use tallygate_core::secret::Secret;
use tallygate_projections::KeyRow;

use crate::http::App;
use crate::http::control_plane::find;
use crate::http::credentials;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::pipeline::authenticated::{min_position, reach};
use crate::pipeline::refusal;

/// See the module.
#[derive(Debug)]
pub(super) struct Visitor {
    /// The agent, in the realms that it answers this visitor as.
    pub(super) agent: Agent,
    /// Who is told in the log to have asked for a change.
    pub(super) actor: Actor,
    /// Whose conversations these are: the key's realm, else the agent's primary one.
    pub(super) realm: Option<RealmId>,
    key: Option<KeyRow>,
    /// Whether nothing but the agent's being open lets them in.
    pub(super) is_open: bool,
}

impl Visitor {
    /// Who asks an agent something, once the position is reached that they demand.
    ///
    /// # Errors
    /// The answer for someone who may not. An agent that is not there, and one that a key has nothing to do with, look alike.
    pub(super) async fn of(app: &App, name: &str, headers: &HeaderMap) -> Result<Self, ApiError> {
        let secret = match credentials::presented(headers) {
            Ok(secret) => Some(secret),
            Err(error) if error.code == ErrorCode::KeyMissing.as_str() => None,
            Err(error) => return Err(error),
        };
        if let Some(position) = min_position(headers)? {
            reach(&app.pipeline, position).await?;
        }
        let snapshot = app.pipeline.views.control.snapshot();
        match secret {
            None => open(app, &snapshot.control, name, headers),
            Some(secret) => known(app, &snapshot.control, name, &secret),
        }
    }

    /// The same for a call. A page of a browser can send some bodies without asking: never to an open agent.
    ///
    /// # Errors
    /// As [`Visitor::of`].
    pub(super) async fn to_call(app: &App, name: &str, headers: &HeaderMap) -> Result<Self, ApiError> {
        let visitor = Self::of(app, name, headers).await?;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_json =
            content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if visitor.is_open && !is_json {
            let message = "a call of an open agent has the content type application/json";
            return Err(ApiError::new(ErrorCode::ContentTypeUnsupported, message));
        }
        Ok(visitor)
    }

    /// Counts a message in the rate limits of the visitor's own key. What the agent is asked then counts for the agent's.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(super) fn count(&self, app: &App) -> Result<(), ApiError> {
        let Some(row) = &self.key else { return Ok(()) };
        let share = app.pipeline.limits.take(&[(Scope::Key(row.key.id), row.key.limits)], 0);
        share.map(|share| share.settle(0)).map_err(|limited| refusal::limited(&limited, &row.key.hash))
    }

    fn of_agent(agent: &Agent, actor: Actor) -> Self {
        let realm = agent.realms.first().map(|primary| primary.realm.clone());
        Self { agent: agent.clone(), actor, realm, key: None, is_open: false }
    }
}

fn itself(agent: &Agent) -> Actor {
    Actor { kind: ActorKind::Agent, id: agent.id.to_string() }
}

fn open(app: &App, control: &Control, name: &str, headers: &HeaderMap) -> Result<Visitor, ApiError> {
    let names = &app.agents.settings().open;
    let is_open = |agent: &Agent| names.iter().any(|open| *open == agent.name.as_str() || *open == agent.id.as_str());
    let agent = find::agent(control, name).ok().filter(|agent| is_open(agent) && is_local(headers));
    match agent {
        Some(agent) => Ok(Visitor { is_open: true, ..Visitor::of_agent(agent, itself(agent)) }),
        None => Err(credentials::missing()),
    }
}

/// What a proxy says of whom it asks for. Beside one a name of this machine says nothing: it may be the proxy's own.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Whether the gateway was reached by a name of this machine, and not for somebody else: another site's page may have its own
/// name lead here.
fn is_local(headers: &HeaderMap) -> bool {
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn known(app: &App, control: &Control, name: &str, secret: &Secret) -> Result<Visitor, ApiError> {
    if app.pipeline.master.matches(secret) {
        return find::agent(control, name).map(|agent| Visitor::of_agent(agent, Actor::operator()));
    }
    if let Some(id) = control.agent_tokens.get(&TokenHash::of_token(secret.expose())) {
        let agent = find::agent(control, name)?;
        let is_it = **id == agent.id;
        return if is_it { Ok(Visitor::of_agent(agent, itself(agent))) } else { Err(find::no_agent(name)) };
    }
    let row = of_key(app, control, secret)?;
    let agent = find::agent(control, name)?;
    if !rights::converses(control, &row.key, &agent.id) {
        return Err(find::no_agent(name));
    }
    let realm = row.key.realm.clone();
    let mut agent = agent.as_ref().clone();
    agent.realms.retain(|joined| joined.realm == realm);
    let actor = Actor { kind: ActorKind::Key, id: row.key.id.to_string() };
    Ok(Visitor { agent, actor, realm: Some(realm), key: Some(row), is_open: false })
}

fn of_key(app: &App, control: &Control, secret: &Secret) -> Result<KeyRow, ApiError> {
    let hash = KeyHash::of_secret(secret.expose());
    let row = app.pipeline.views.control.key_by_hash(&hash).map_err(|error| refusal::views(&error))?;
    let row = row.ok_or_else(|| refusal::unknown_key(secret.expose(), &hash))?;
    admission::authenticate(control, &row.key, &hash, app.pipeline.clock.now())
        .map_err(|refused| refusal::key(&refused, &row.key))?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::HOST;

    use super::{FORWARDED, is_local};

    #[test]
    fn a_name_of_this_machine_is_local_and_no_other() {
        for (host, expected) in [
            ("localhost:4000", true),
            ("LOCALHOST", true),
            ("127.0.0.1:4000", true),
            ("127.8.8.8", true),
            ("[::1]:4000", true),
            ("10.0.0.1:4000", false),
            ("localhost.example:4000", false),
            ("rebound.example", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            assert_eq!(is_local(&headers), expected, "{host}");
        }
        assert!(!is_local(&HeaderMap::new()));
    }

    #[test]
    fn what_a_proxy_of_this_machine_asks_for_others_is_not_local() {
        for name in FORWARDED {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "localhost:4000".parse().unwrap());
            assert!(is_local(&headers));
            headers.insert(name, "203.0.113.7".parse().unwrap());
            assert!(!is_local(&headers), "{name}");
        }
    }
}
