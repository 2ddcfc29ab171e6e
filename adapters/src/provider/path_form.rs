//! Paths of vendors that put the model and a version of their API there.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use tallygate_core::endpoint::BaseUrl;
use tallygate_core::port::BoxFuture;
use tallygate_core::port::provider::{Answer, Call, Failure, Upstream};

/// The longest version of an API that is taken for one, in bytes.
const VERSION_MAX_BYTES: usize = 64;

/// How a vendor writes the path of a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathForm {
    /// The path, with `{path}` for what the dialect says, `{model}` for the upstream's name of the model, and `{version}`.
    template: String,
    /// A base URL that ends with this is called as the dialect says.
    plain_under: String,
    /// The version of the API, unless people name another.
    pub api_version: String,
    /// Environment variables that people set for it.
    pub api_version_env: Vec<String>,
}

/// A version of an API is none: it has other characters than letters, digits, `.`, `-` and `_`, or none, or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version of the API is letters, digits, `.`, `-` and `_`, at most {VERSION_MAX_BYTES} of them")]
pub struct InvalidApiVersion;

/// The paths of one model at one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What stands before the dialect's path.
    before: String,
    /// What stands behind it.
    after: String,
}

/// An upstream that is called by paths of its own.
#[derive(Debug)]
struct Formed {
    upstream: Arc<dyn Upstream>,
    paths: Paths,
}

impl PathForm {
    /// The paths of a model; none where they are as the dialect says. `api_version` is what people said, if anything.
    ///
    /// # Errors
    /// [`InvalidApiVersion`].
    pub fn paths(
        &self,
        endpoint: &BaseUrl,
        upstream_model: &str,
        api_version: Option<&str>,
    ) -> Result<Option<Paths>, InvalidApiVersion> {
        if endpoint.path().ends_with(&self.plain_under) {
            return Ok(None);
        }
        let version = api_version.unwrap_or(&self.api_version);
        if !is_version(version) {
            return Err(InvalidApiVersion);
        }
        // The model goes in last: a name may look like a part of the form.
        let fill = |part: &str| part.replace("{version}", version).replace("{model}", &segment(upstream_model));
        let (before, after) = self.template.split_once("{path}").unwrap_or((&self.template, ""));
        Ok(Some(Paths { before: fill(before), after: fill(after) }))
    }

    /// Whether the form has a place for all that it must say.
    pub(super) fn is_complete(&self) -> bool {
        let has_all = ["{path}", "{model}", "{version}"].iter().all(|place| self.template.matches(place).count() == 1);
        has_all && self.template.starts_with('/') && !self.plain_under.is_empty() && is_version(&self.api_version)
    }
}

impl Paths {
    /// What follows the base URL, where the dialect says `path`.
    #[must_use]
    pub fn of(&self, path: &str) -> String {
        [&self.before, path, &self.after].concat()
    }

    /// The upstream, called by these paths.
    #[must_use]
    pub fn calling(self, upstream: Arc<dyn Upstream>) -> Arc<dyn Upstream> {
        Arc::new(Formed { upstream, paths: self })
    }
}

impl Upstream for Formed {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Failure>> {
        let path = self.paths.of(&call.path).into();
        self.upstream.call(Call { path, ..call })
    }
}

fn is_version(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (1..=VERSION_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

/// A text as one segment of a path: nothing in it can end the segment, or mean another one.
fn segment(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    let is_safe = |byte: u8| is_plain(byte) || byte == b'.';
    if text.bytes().all(is_safe) && !text.bytes().all(|byte| byte == b'.') {
        return Cow::Borrowed(text);
    }
    let quote = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Cow::Owned(text.bytes().map(quote).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{InvalidApiVersion, PathForm, segment};
    use crate::provider::vendors::Vendors;
    use tallygate_core::port::BoxFuture;
    use tallygate_core::port::provider::{Answer, AnswerForm, AnswerHead, Body, Call, Failure, Timeouts, Upstream};

    fn form() -> PathForm {
        Vendors::builtin().unwrap().get("azure").unwrap().path_form.clone().unwrap()
    }

    /// Where a chat is called.
    fn chat(base: &str, model: &str, version: Option<&str>) -> Result<String, InvalidApiVersion> {
        let path = "/chat/completions";
        let paths = form().paths(&base.parse().unwrap(), model, version)?;
        Ok(paths.map_or_else(|| path.to_owned(), |paths| paths.of(path)))
    }

    #[test]
    fn the_model_and_the_version_stand_in_the_path() {
        let base = "https://x.openai.azure.com";
        let dated = "/openai/deployments/my-gpt.4/chat/completions?api-version=";
        assert_eq!(chat(base, "my-gpt.4", None).unwrap(), format!("{dated}2024-10-21"));
        assert_eq!(chat(base, "my-gpt.4", Some("2025-04-01-preview")).unwrap(), format!("{dated}2025-04-01-preview"));
        let paths = form().paths(&base.parse().unwrap(), "e", None).unwrap().unwrap();
        assert_eq!(paths.of("/embeddings"), "/openai/deployments/e/embeddings?api-version=2024-10-21");
    }

    #[test]
    fn a_base_url_of_the_new_form_is_called_as_the_dialect_says() {
        assert_eq!(
            chat("https://x.openai.azure.com/openai/v1", "m", Some("no version!")).unwrap(),
            "/chat/completions"
        );
    }

    #[test]
    fn nothing_that_people_name_leads_to_another_path() {
        let base = "https://x.openai.azure.com";
        for version in ["", "a&b=c", "a/../b", "a b", "{model}", &"1".repeat(65)] {
            assert_eq!(chat(base, "m", Some(version)), Err(InvalidApiVersion), "{version}");
        }
        for (model, written) in [
            ("../../x?y#z", "%2E%2E%2F%2E%2E%2Fx%3Fy%23z"),
            ("{path}{version}", "%7Bpath%7D%7Bversion%7D"),
            ("..", "%2E%2E"),
        ] {
            let path = chat(base, model, None).unwrap();
            assert_eq!(path, format!("/openai/deployments/{written}/chat/completions?api-version=2024-10-21"));
        }
        assert_eq!((segment("a.b"), segment("\u{e4}")), ("a.b".into(), "%C3%A4".into()));
    }

    /// Tells the path that it is called by.
    #[derive(Debug)]
    struct Echo;

    impl Upstream for Echo {
        fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Failure>> {
            let head = AnswerHead::default();
            let body = Body::Whole(call.path.into_owned().into());
            Box::pin(std::future::ready(Ok(Answer { status: 200, head, body })))
        }
    }

    #[tokio::test]
    async fn an_upstream_is_called_by_its_own_paths() {
        let base = "https://x.openai.azure.com".parse().unwrap();
        let upstream = form().paths(&base, "m", None).unwrap().unwrap().calling(Arc::new(Echo));
        let timeouts = Timeouts::default();
        let answer = AnswerForm::Buffered { limit_bytes: 9 };
        let call = Call {
            path: "/chat/completions".into(),
            body: None,
            content_type: None,
            headers: Vec::new(),
            answer,
            timeouts,
        };
        let Body::Whole(path) = upstream.call(call).await.unwrap().body else { panic!("not whole") };
        assert_eq!(path, "/openai/deployments/m/chat/completions?api-version=2024-10-21");
    }

    #[test]
    fn a_form_without_a_place_for_something_is_not_complete() {
        assert!(form().is_complete());
        for template in
            ["/x{path}?v={version}", "/{model}{path}", "/{model}?v={version}", "x/{model}{path}?v={version}"]
        {
            assert!(!PathForm { template: template.to_owned(), ..form() }.is_complete(), "{template}");
        }
        assert!(!PathForm { api_version: String::new(), ..form() }.is_complete());
        assert!(!PathForm { plain_under: String::new(), ..form() }.is_complete());
    }
}
