//! What every object is carried over with: the proxy, and the state here.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use tallygate_adapters::litellm::mirror::differences;
use tallygate_adapters::litellm::mirror::proxy::{Proxy, Trouble};
use tallygate_adapters::litellm::mirror::wanted::Wanted;
use tallygate_core::secret::Secret;
use tallygate_core::time::Timestamp;
use tallygate_projections::Snapshot;

use super::outcome::{Outcome, Stuck};
use crate::http::App;

/// See the module. One for each round.
pub(super) struct Hand<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) app: &'a App,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) now: Timestamp,
}

/// How objects of one kind are changed there.
pub(super) struct Routes {
    /// The field that names the object.
    pub(super) id: &'static str,
    /// Where it is read: the path, its parameter, and the part of the answer that the object is.
    pub(super) info: (&'static str, &'static str, &'static str),
    pub(super) new: &'static str,
    pub(super) update: &'static str,
    /// What has its requests refused and let through; none where LiteLLM has no such thing.
    pub(super) block: Option<(&'static str, &'static str)>,
}

impl Hand<'_> {
    /// An object that the proxy has, by a query.
    pub(super) async fn there(&self, route: &str, name: &str, id: &str) -> Result<Option<Value>, Stuck> {
        let path = format!("{route}?{name}={}", utf8_percent_encode(id, NON_ALPHANUMERIC));
        Ok(self.proxy.get(path).await?)
    }

    /// An object of a kind that the proxy has. Some versions answer for what is not there, with nothing in it.
    pub(super) async fn read(&self, routes: &Routes, id: &str) -> Result<Option<Value>, Stuck> {
        let (path, name, part) = routes.info;
        let found = self.there(path, name, id).await?;
        Ok(found.and_then(|found| found.get(part).filter(|part| !part.is_null()).cloned()))
    }

    /// Makes an object that is there what is wanted. What must be refused is refused first, and let through last: at no moment
    /// is more allowed than before or after. One whose change the proxy refuses is blocked, since it may allow more than here.
    pub(super) async fn keep(
        &self,
        routes: &Routes,
        id: &str,
        wanted: &Wanted,
        there: &Value,
        also: Map<String, Value>,
    ) -> Result<Outcome, Stuck> {
        let is_blocked = there.get("blocked") == Some(&Value::Bool(true));
        if wanted.is_to_be_blocked() && !is_blocked {
            self.block(routes, id).await?;
        }
        let mut changes = differences::of(&wanted.fields, there);
        changes.extend(also);
        if !changes.is_empty() {
            changes.insert(routes.id.to_owned(), Value::from(id));
            match self.proxy.post(routes.update, &Value::Object(changes), None).await {
                Ok(_) => {}
                Err(refused @ Trouble::Refused { .. }) => return self.give_up(routes, id, refused.to_string()).await,
                Err(trouble) => return Err(trouble.into()),
            }
            if let Some(passed_over) = self.passed_over(routes, id, wanted).await? {
                return self.give_up(routes, id, passed_over).await;
            }
        }
        if let Some((_, unblock)) = routes.block.filter(|_| !wanted.is_to_be_blocked() && is_blocked) {
            self.proxy.post(unblock, &named(routes, id), None).await?;
        }
        Ok(Outcome::blocked_for(&wanted.unsaid))
    }

    /// Makes an object that is not there.
    pub(super) async fn make(
        &self,
        routes: &Routes,
        id: &str,
        wanted: &Wanted,
        body: Map<String, Value>,
        hidden: Option<&Secret>,
    ) -> Result<Outcome, Stuck> {
        self.proxy.post(routes.new, &Value::Object(body), hidden).await?;
        match self.passed_over(routes, id, wanted).await? {
            Some(passed_over) => self.give_up(routes, id, passed_over).await,
            None => Ok(Outcome::blocked_for(&wanted.unsaid)),
        }
    }

    /// What limits there should be, and are not: a proxy passes over fields that it does not know.
    async fn passed_over(&self, routes: &Routes, id: &str, wanted: &Wanted) -> Result<Option<String>, Stuck> {
        if differences::limits_not_taken(&wanted.fields, &Value::Null).is_empty() {
            return Ok(None);
        }
        let there = self.read(routes, id).await?.unwrap_or_default();
        let passed_over = differences::limits_not_taken(&wanted.fields, &there);
        Ok((!passed_over.is_empty()).then(|| format!("the proxy does not take {}", passed_over.join(", "))))
    }

    /// Blocks what is there and not as it should be.
    async fn give_up(&self, routes: &Routes, id: &str, reason: String) -> Result<Outcome, Stuck> {
        let blocked = if self.block(routes, id).await? { "; it is blocked there" } else { "" };
        Ok(Outcome::NotMirrored(format!("{reason}{blocked}")))
    }

    /// Blocks an object, where LiteLLM has such a thing.
    async fn block(&self, routes: &Routes, id: &str) -> Result<bool, Stuck> {
        let Some((block, _)) = routes.block else { return Ok(false) };
        self.proxy.post(block, &named(routes, id), None).await?;
        Ok(true)
    }
}

fn named(routes: &Routes, id: &str) -> Value {
    Value::Object(Map::from_iter([(routes.id.to_owned(), Value::from(id))]))
}

/// What a new object is made with: what says nothing is left out.
pub(super) fn said(wanted: &Wanted) -> Map<String, Value> {
    wanted
        .fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
