//! The way that a request took: its attempts and how each ended. For people and programs that ask why an answer came from
//! where it did; nothing is decided by it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize, Serializer};

use crate::id::{DeploymentId, ModelName};
use crate::port::provider::failure::{Failure, Kind};

/// The most attempts of one request, and the most that are recorded.
pub const ATTEMPTS_MAX: usize = 20;
/// The longest text of a route, in bytes. What does not fit is counted.
pub const ROUTE_TEXT_MAX_BYTES: usize = 4_096;
/// The longest word for how an attempt ended, in bytes.
const END_MAX_BYTES: usize = 32;

/// The attempts of one request, in order; at most [`ATTEMPTS_MAX`].
///
/// Its text is one line of visible ASCII, fit for a header:
///
/// ```text
/// route   = attempt *( ", " attempt ) [ ", +" number ]      what does not fit is counted
/// attempt = model "/" deployment ":" end [ "(" status ")" ] ";" number "ms"
/// ```
///
/// In names, bytes other than ASCII letters, digits, `-`, `.`, `_` and `~` are written `%XX`. So
/// `gpt-5/dep-1:overloaded(503);3ms, gpt-5/dep-2:ok;120ms` is a route of two attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Attempt>")]
pub struct Route(Vec<Attempt>);

/// One call of one deployment for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Which was called.
    pub deployment: DeploymentId,
    /// The model that it serves.
    pub model: ModelName,
    /// How it ended.
    pub ended: End,
    /// The status of the upstream's answer, if there was one that says more than the end does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// How an attempt ended: `ok`, `left` when the client went away, or the name of a kind of failure. Kinds that later
/// versions know are read as they stand.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct End(Cow<'static, str>);

/// Why something is no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    /// Too many attempts.
    #[error("a route has at most {ATTEMPTS_MAX} attempts")]
    TooLong,
    /// No word.
    #[error("an attempt ends with a word of 1 to {END_MAX_BYTES} small letters, digits and `_`")]
    End,
}

// === impl Route ===

impl Route {
    /// Adds an attempt. One beyond [`ATTEMPTS_MAX`] is left out; no request makes as many.
    pub fn push(&mut self, attempt: Attempt) {
        if self.0.len() < ATTEMPTS_MAX {
            self.0.push(attempt);
        }
    }

    /// The attempts, in order.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a settlement records: nothing of a single attempt, since the settlement itself says where it went and how it
    /// ended.
    #[must_use]
    pub fn recorded(self) -> Self {
        if self.0.len() < 2 { Self::default() } else { self }
    }
}

impl TryFrom<Vec<Attempt>> for Route {
    type Error = InvalidRoute;
    fn try_from(attempts: Vec<Attempt>) -> Result<Self, InvalidRoute> {
        if attempts.len() > ATTEMPTS_MAX { Err(InvalidRoute::TooLong) } else { Ok(Self(attempts)) }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Room for the count of what is left out, `, +20`.
        const ROOM: usize = ROUTE_TEXT_MAX_BYTES - 5;
        // Most have one, whose text fits.
        if let [only] = self.0.as_slice()
            && only.model.as_str().len() + only.deployment.as_str().len() < ROOM / 4
        {
            return only.fmt(f);
        }
        let mut written = 0_usize;
        for (index, attempt) in self.0.iter().enumerate() {
            let text = attempt.to_string();
            let separator = if index == 0 { "" } else { ", " };
            written = written.saturating_add(separator.len() + text.len());
            if written > ROOM {
                return write!(f, "{separator}+{}", self.0.len() - index);
            }
            write!(f, "{separator}{text}")?;
        }
        Ok(())
    }
}

// === impl Attempt ===

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.model.as_str())?;
        f.write_char('/')?;
        write_name(f, self.deployment.as_str())?;
        f.write_char(':')?;
        f.write_str(self.ended.as_str())?;
        if let Some(status) = self.status {
            write!(f, "({status})")?;
        }
        f.write_str(";")?;
        f.write_str(itoa::Buffer::new().format(self.ms))?;
        f.write_str("ms")
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    // Looked up: nearly every name is plain, and the header of every answer has two.
    if name.bytes().fold(true, |is_plain, byte| is_plain & IS_PLAIN[usize::from(byte)]) {
        return f.write_str(name);
    }
    for byte in name.bytes() {
        if IS_PLAIN[usize::from(byte)] { f.write_char(char::from(byte))? } else { write!(f, "%{byte:02X}")? }
    }
    Ok(())
}

/// Which bytes of a name stand as they are.
static IS_PLAIN: [bool; 256] = {
    let (mut is_plain, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        is_plain[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    is_plain
};

// === impl End ===

impl End {
    /// The answer came whole.
    pub const OK: Self = Self(Cow::Borrowed("ok"));
    /// The client went away.
    pub const LEFT: Self = Self(Cow::Borrowed("left"));

    /// By a failure of this kind.
    #[must_use]
    pub const fn failed(kind: Kind) -> Self {
        Self(Cow::Borrowed(kind.name()))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for End {
    type Error = InvalidRoute;
    fn try_from(word: String) -> Result<Self, InvalidRoute> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_word = (1..=END_MAX_BYTES).contains(&word.len()) && word.bytes().all(is_letter);
        if is_word { Ok(Self(Cow::Owned(word))) } else { Err(InvalidRoute::End) }
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "End({})", self.0)
    }
}

impl Attempt {
    /// An attempt that failed.
    #[must_use]
    pub fn failed(deployment: DeploymentId, model: ModelName, failure: &Failure, ms: u64) -> Self {
        let status = failure.said.as_ref().map(|said| said.status);
        Self { deployment, model, ended: End::failed(failure.kind), status, ms }
    }
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS_MAX, Attempt, End, ROUTE_TEXT_MAX_BYTES, Route};
    use crate::id::{DeploymentId, ModelName};
    use crate::port::provider::failure::Kind;

    fn attempt(model: &str, deployment: &str, ended: End, status: Option<u16>, ms: u64) -> Attempt {
        let (deployment, model) = (DeploymentId::new(deployment).unwrap(), ModelName::new(model).unwrap());
        Attempt { deployment, model, ended, status, ms }
    }

    fn route(attempts: impl IntoIterator<Item = Attempt>) -> Route {
        let mut route = Route::default();
        attempts.into_iter().for_each(|attempt| route.push(attempt));
        route
    }

    #[test]
    fn its_text_says_where_it_went_and_how_each_ended() {
        let failed = attempt("gpt-5", "dep-1", End::failed(Kind::Overloaded), Some(503), 3);
        let route = route([failed, attempt("openai/gpt-5", "a, b", End::OK, None, 120)]);
        assert_eq!(route.to_string(), "gpt-5/dep-1:overloaded(503);3ms, openai%2Fgpt-5/a%2C%20b:ok;120ms");
    }

    #[test]
    fn as_json_it_is_its_attempts_and_reads_back() {
        let failed = attempt("m", "d", End::failed(Kind::RateLimited), Some(429), 3);
        let route = route([failed, attempt("m", "e", End::LEFT, None, 1)]);
        let text = serde_json::to_string(&route).unwrap();
        let expected = r#"[{"deployment":"d","model":"m","ended":"rate_limited","status":429,"ms":3},{"deployment":"e","model":"m","ended":"left","ms":1}]"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Route>(&text).unwrap(), route);
        let later = text.replace("rate_limited", "kind_of_a_later_version");
        assert!(serde_json::from_str::<Route>(&later).is_ok());
        for word in ["", "Ok", "a b", &"a".repeat(33)] {
            assert!(serde_json::from_str::<Route>(&text.replace("rate_limited", word)).is_err(), "{word}");
        }
    }

    #[test]
    fn it_is_no_longer_than_its_limits() {
        let long = "\u{00E4}".repeat(128);
        let attempt = || attempt(&long, &long, End::failed(Kind::FirstByteTimeout), Some(504), u64::MAX);
        let route = route((0..=ATTEMPTS_MAX).map(|_| attempt()));
        assert_eq!(route.attempts().len(), ATTEMPTS_MAX);
        let text = route.to_string();
        assert!(text.len() <= ROUTE_TEXT_MAX_BYTES && text.ends_with(", +18"), "{} {text}", text.len());
        let more: Vec<Attempt> = (0..=ATTEMPTS_MAX).map(|_| attempt()).collect();
        assert!(serde_json::from_str::<Route>(&serde_json::to_string(&more).unwrap()).is_err());
    }

    #[test]
    fn a_single_attempt_is_not_recorded() {
        let one = || attempt("m", "d", End::OK, None, 1);
        assert!(route([one()]).recorded().is_empty());
        assert_eq!(route([one(), one()]).recorded().attempts().len(), 2);
    }
}
