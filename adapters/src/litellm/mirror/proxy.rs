//! The proxy's management API, asked under its master key.
//!
//! What it answers is sorted by what can be done about it: nobody answers, it does not know our key, it fails, or it refuses
//! this one thing. Its words are kept as far as they say why; never what it repeats of a request, which may hold secrets.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tallygate_core::endpoint::{BaseUrl, NetworkPolicy};
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::port::provider::{
    AnswerForm, Auth, Body, Call, Credential, Failure, Provider as _, Timeouts, Upstream,
};
use tallygate_core::secret::Secret;

use crate::provider::client::{HttpProvider, NoClient, Settings};

/// The longest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most characters that are kept of what the proxy says.
const WORDS_MAX_CHARACTERS: usize = 300;

/// A LiteLLM proxy that may be asked. `Debug` shows its origin and nothing of its key.
#[derive(Debug)]
pub struct Proxy {
    upstream: Arc<dyn Upstream>,
}

/// The proxy cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum NoProxy {
    /// No client.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// Its address breaks the network rules, or the key cannot be sent.
    #[error("the proxy at this address may not be called")]
    Refused(#[source] Failure),
}

/// Why the proxy did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody answers, or it says that it is overloaded: nothing else can be asked now.
    #[error("the proxy does not answer: {why}")]
    Away {
        /// What happened.
        why: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// It does not know the key that it is asked under.
    #[error("the proxy does not accept the key (status 401): check --mirror-litellm-key; it says: {0}")]
    Unauthorized(String),
    /// It failed at this: perhaps not at the next thing.
    #[error("the proxy failed (status {status}): {words}")]
    Failed {
        /// Its status: 500 or above.
        status: u16,
        /// What it says.
        words: String,
    },
    /// It refuses just this.
    #[error("the proxy refuses it (status {status}): {words}")]
    Refused {
        /// Its status: 400 to 499.
        status: u16,
        /// What it says.
        words: String,
    },
}

impl Proxy {
    /// A client of the proxy at an address.
    ///
    /// # Errors
    /// [`NoProxy`].
    pub fn new(url: &BaseUrl, master_key: Secret, network: &NetworkPolicy) -> Result<Self, NoProxy> {
        let hosts = Arc::new(std::iter::once(url.origin().authority()).collect());
        let credential = Credential { secret: master_key, auth: Auth::Bearer, hosts };
        let provider = HttpProvider::new(&Settings { network: network.clone(), ..Settings::default() })?;
        let upstream = provider.upstream(url, Some(&credential)).map_err(NoProxy::Refused)?;
        Ok(Self { upstream })
    }

    /// Reads an object; none if it is not there, which LiteLLM says with 404, of models with 400.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn get(&self, path: String) -> Result<Option<Value>, Trouble> {
        match self.send(path.into(), None, None).await {
            Ok(found) => Ok(Some(found)),
            Err(Trouble::Refused { status: 400 | 404, .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Asks for a change. A secret that is sent with it is hidden in what the proxy says.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn post(&self, path: &'static str, body: &Value, hidden: Option<&Secret>) -> Result<Value, Trouble> {
        self.send(path.into(), Some(Bytes::from(body.to_string())), hidden).await
    }

    async fn send(
        &self,
        path: Cow<'static, str>,
        body: Option<Bytes>,
        hidden: Option<&Secret>,
    ) -> Result<Value, Trouble> {
        let answer = AnswerForm::Buffered { limit_bytes: ANSWER_MAX_BYTES };
        let timeouts = Timeouts { first_byte: PATIENCE, idle: PATIENCE, total: Some(PATIENCE), ..Timeouts::default() };
        let call = Call { path, body, content_type: None, headers: Vec::new(), answer, timeouts };
        let answered = self.upstream.call(call).await.map_err(|failure| trouble(&failure, hidden))?;
        let unreadable = || trouble(&Failure::new(Kind::Protocol), None);
        match answered.body {
            Body::Whole(bytes) => serde_json::from_slice(&bytes).map_err(|_| unreadable()),
            Body::Pieces(_) => Err(unreadable()),
        }
    }
}

fn trouble(failure: &Failure, hidden: Option<&Secret>) -> Trouble {
    let away = |why: &dyn fmt::Display| Trouble::Away { why: why.to_string(), retry_after: failure.retry_after };
    let Some(said) = failure.said.as_deref() else { return away(failure) };
    let words = words(&said.body, hidden);
    match said.status {
        401 => Trouble::Unauthorized(words),
        408 | 425 | 429 | 502 | 503 | 504 => away(&format_args!("status {}: {words}", said.status)),
        status @ 400..=499 => Trouble::Refused { status, words },
        status => Trouble::Failed { status, words },
    }
}

/// What an error body says, in LiteLLM's shape or FastAPI's, without what it repeats of the request.
fn words(body: &[u8], hidden: Option<&Secret>) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return "no words that can be read".to_owned() };
    let texts: Vec<&str> = match (body.pointer("/error/message"), body.get("detail")) {
        (Some(Value::String(message)), _) => vec![message],
        (_, Some(Value::String(detail))) => vec![detail],
        (_, Some(Value::Array(details))) => {
            details.iter().filter_map(|detail| detail.get("msg").and_then(Value::as_str)).collect()
        }
        (_, Some(detail)) => detail.get("error").and_then(Value::as_str).into_iter().collect(),
        _ => Vec::new(),
    };
    let mut words = texts.join("; ");
    if let Some(secret) = hidden.filter(|secret| !secret.expose().is_empty()) {
        words = words.replace(secret.expose(), "***");
    }
    words.chars().filter(|letter| !letter.is_control()).take(WORDS_MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tallygate_core::port::provider::Failure;
    use tallygate_core::port::provider::failure::{Kind, Said};
    use tallygate_core::secret::Secret;

    use super::{Trouble, trouble};

    fn of(status: u16, body: &'static str) -> Trouble {
        let said = Said { status, content_type: None, request_id: None, body: Bytes::from_static(body.as_bytes()) };
        trouble(&Failure::told(said, None, None), Some(&Secret::new("sk-canary")))
    }

    #[test]
    fn what_the_proxy_answers_is_sorted_by_what_can_be_done_about_it() {
        assert!(matches!(trouble(&Failure::new(Kind::Refused), None), Trouble::Away { .. }));
        for status in [429, 502, 503] {
            assert!(matches!(of(status, "{}"), Trouble::Away { .. }), "{status}");
        }
        assert!(matches!(of(500, "{}"), Trouble::Failed { status: 500, .. }));
        assert!(matches!(of(401, "{}"), Trouble::Unauthorized(_)));
        for status in [400, 403, 404, 409, 422] {
            assert!(matches!(of(status, "{}"), Trouble::Refused { .. }), "{status}");
        }
    }

    #[test]
    fn its_words_are_kept_in_every_shape_and_no_secret_that_it_repeats() {
        let words = |body| match of(400, body) {
            Trouble::Refused { words, .. } => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(words(r#"{"error":{"message":"no sk-canary here"}}"#), "no *** here");
        assert_eq!(words(r#"{"detail":{"error":"not on the proxy"}}"#), "not on the proxy");
        assert_eq!(
            words(r#"{"detail":[{"msg":"wrong type","input":"sk-canary"},{"msg":"missing"}]}"#),
            "wrong type; missing"
        );
        assert_eq!(words("<html>"), "no words that can be read");
    }
}
