//! Base URLs and origins.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::host::{Host, NetworkPolicy, Reach};

/// The longest base URL, in bytes.
pub const URL_MAX_BYTES: usize = 1024;
/// Ports where something else listens than an HTTP API: mail, shells, databases, brokers, container daemons. A request
/// to one of them is an attack or a mistake.
const BLOCKED_PORTS: [u16; 22] = [
    0, 21, 22, 23, 25, 110, 111, 143, 389, 465, 587, 2375, 2376, 2379, 3306, 4222, 5432, 6222, 6379, 8222, 11211, 27017,
];

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain: allowed to this machine and private networks only.
    Http,
    /// Under TLS.
    Https,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is not a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// More than [`URL_MAX_BYTES`] bytes.
    #[error("a base URL has at most {URL_MAX_BYTES} bytes, this one has {bytes}")]
    TooLong {
        /// How long the text is.
        bytes: usize,
    },
    /// Neither `http://` nor `https://`, in lower case.
    #[error("a base URL begins with https:// or http://")]
    Scheme,
    /// A user name or password. The text is not repeated, since it holds a secret.
    #[error("a base URL must not hold a user name or password: store the key as the credential")]
    UserInfo,
    /// The host is no name and no address, or one that programs read in different ways.
    #[error(
        "`{host}` is not a host: a name in ASCII, four decimal numbers, or an IPv6 address in brackets is expected"
    )]
    Host {
        /// The text, cut to 80 characters.
        host: String,
    },
    /// The port is not a number from 1 to 65535, or has a leading zero.
    #[error("`{port}` is not a port")]
    Port {
        /// The text, cut to 16 characters.
        port: String,
    },
    /// A query or fragment.
    #[error("a base URL has neither a query nor a fragment")]
    Tail,
    /// The path holds an empty or dot segment, a back slash, white space, or a character that must be encoded.
    #[error("the path of a base URL is made of plain segments: no `//`, `.`, `..`, back slash or white space")]
    Path,
    /// An origin was expected, and a path follows it.
    #[error("an origin has no path")]
    NotAnOrigin,
}

/// Why a well-formed URL may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointRefused {
    /// A metadata service, or an address where no upstream can be.
    #[error("the host {host} may never be called: it is a metadata service or an address of special purpose")]
    Forbidden {
        /// The host.
        host: String,
    },
    /// Something else than an HTTP API listens there.
    #[error("port {port} may not be called: it belongs to another protocol")]
    BlockedPort {
        /// The port.
        port: u16,
    },
    /// A key must not cross the internet in the clear.
    #[error("{host} must be called with https: http is for this machine and private networks")]
    Plain {
        /// The host.
        host: String,
    },
}

/// Scheme, host and port. Text form `https://api.example.com`, with the port only where
/// it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

impl Origin {
    /// How bytes travel.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What a credential is bound to: `api.example.com`, or `llm:11434` where the port is not the scheme's own. The
    /// scheme is left out; [`BaseUrl::check`] already keeps plain `http` off the internet.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Reads `scheme://host[:port]` and hands back what follows.
    fn parse_start(text: &str) -> Result<(Self, &str), InvalidUrl> {
        if text.len() > URL_MAX_BYTES {
            return Err(InvalidUrl::TooLong { bytes: text.len() });
        }
        let (scheme, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (Scheme::Https, rest),
            (None, Some(rest)) => (Scheme::Http, rest),
            (None, None) => return Err(InvalidUrl::Scheme),
        };
        // A back slash ends the authority in some parsers and not in others.
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority[after_bracket..].find(':') {
            None => (authority, scheme.default_port()),
            Some(at) => (&authority[..after_bracket + at], parse_port(&authority[after_bracket + at + 1..])?),
        };
        Ok((Self { scheme, host: Host::parse(host)?, port }, tail))
    }
}

fn parse_port(text: &str) -> Result<u16, InvalidUrl> {
    let invalid = || InvalidUrl::Port { port: text.chars().take(16).collect() };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
        return Err(invalid());
    }
    text.parse().map_err(|_| invalid())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

impl FromStr for Origin {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        match Self::parse_start(text)? {
            (origin, "" | "/") => Ok(origin),
            _ => Err(InvalidUrl::NotAnOrigin),
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidUrl;
    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

/// The URL that an API's paths are appended to: an origin and perhaps a path, `https://api.example.com/v1`. One spelling:
/// lower-case host, no port that goes without saying, no slash at the end. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaseUrl(Arc<Parts>);

#[derive(PartialEq, Eq, Hash)]
struct Parts {
    origin: Origin,
    text: Box<str>,
    path_at: usize,
}

impl BaseUrl {
    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The whole URL, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The path: empty, or with a slash at its beginning and none at its end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.text[self.0.path_at..]
    }

    /// The same, with a path where it has none.
    ///
    /// # Errors
    /// [`InvalidUrl`] when the path is not one.
    pub fn or_path(&self, path: &str) -> Result<Self, InvalidUrl> {
        if self.path().is_empty() { Self::from_parts(self.0.origin.clone(), path) } else { Ok(self.clone()) }
    }

    /// Whether a text is a base URL that some gateway may call: what no policy allows need not be stored.
    #[must_use]
    pub fn is_callable_anywhere(text: &str) -> bool {
        let Ok(url) = text.parse::<Self>() else { return false };
        // The one rule that a policy lifts, by the names that it says are private.
        matches!(url.check(&NetworkPolicy::default()), Ok(_) | Err(EndpointRefused::Plain { .. }))
    }

    /// Whether a gateway may call this URL. Called when a URL is stored and again before it is used.
    ///
    /// # Errors
    /// [`EndpointRefused`], by the rule that was broken.
    pub fn check(&self, policy: &NetworkPolicy) -> Result<Reach, EndpointRefused> {
        let origin = self.origin();
        let host = || origin.host.to_string();
        let reach = Reach::of(&origin.host, policy).ok_or_else(|| EndpointRefused::Forbidden { host: host() })?;
        if BLOCKED_PORTS.contains(&origin.port) {
            return Err(EndpointRefused::BlockedPort { port: origin.port });
        }
        if origin.scheme == Scheme::Http && reach == Reach::Public {
            return Err(EndpointRefused::Plain { host: host() });
        }
        Ok(reach)
    }

    fn from_parts(origin: Origin, path: &str) -> Result<Self, InvalidUrl> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let is_plain = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte))
        };
        if !path.is_empty() && !path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_plain)) {
            return Err(InvalidUrl::Path);
        }
        let start = origin.to_string();
        let path_at = start.len();
        Ok(Self(Arc::new(Parts { origin, text: (start + path).into(), path_at })))
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let (origin, path) = Origin::parse_start(text)?;
        if path.contains(['?', '#']) {
            return Err(InvalidUrl::Tail);
        }
        Self::from_parts(origin, path)
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = InvalidUrl;
    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl From<BaseUrl> for String {
    fn from(url: BaseUrl) -> Self {
        url.as_str().to_owned()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

#[cfg(test)]
mod tests;
