//! How to reach NATS, and how long to wait for it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tallygate_core::envelope::MacKey;

use super::prefix::Prefix;

/// How many servers keep a copy of each stream that is created here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replicas {
    /// Three in a cluster, one on a single server. In a cluster with fewer than three JetStream servers nothing is
    /// created. A stream that exists already is taken with the copies it has.
    #[default]
    Auto,
    /// Just so many, 1 to 5; an existing stream with another number is refused.
    Exactly(usize),
}

/// Whether missing streams are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Setup {
    /// Create what is missing, and verify what is there.
    #[default]
    CreateMissing,
    /// Only verify; a missing stream is an error. For tools that read.
    VerifyOnly,
}

/// How to reach NATS, and how long to wait for it.
#[derive(Clone)]
pub struct Options {
    /// One or more URLs, with commas between: `nats://host:4222`, `tls://host:4222`, `nats://user:password@host`,
    /// `nats://token@host`. The login of the first URL that has one is used for all.
    pub servers: String,
    /// A `.creds` file with a JWT and its seed.
    pub credentials_file: Option<PathBuf>,
    /// PEM file with the certificates that sign the server's, where the system's do not.
    pub root_certificates: Option<PathBuf>,
    /// The name of the connection, for operators to see in `nats server report connections`.
    pub name: String,
    /// The first word of subjects and streams.
    pub prefix: Prefix,
    /// How many copies of a new stream are kept.
    pub replicas: Replicas,
    /// Whether missing streams are created.
    pub setup: Setup,
    /// How long one request to the server may take. 5 s.
    pub request_timeout: Duration,
    /// How long an operation waits for a lost connection to come back, before it fails having sent nothing. 2 s.
    pub reconnect_wait: Duration,
    /// How long an append tries to find out what became of it, before it is ambiguous. 15 s.
    pub resolve_timeout: Duration,
    /// The key that gateways seal lines under. Given, a line of lease or activity that was not sealed under it is in no
    /// chain. Who only reads needs none.
    pub mac_key: Option<MacKey>,
}

impl Options {
    /// Options with the values that are documented at each field.
    #[must_use]
    pub fn new(servers: impl Into<String>) -> Self {
        Self {
            servers: servers.into(),
            credentials_file: None,
            root_certificates: None,
            name: "tallygate".to_owned(),
            prefix: Prefix::default(),
            replicas: Replicas::default(),
            setup: Setup::default(),
            request_timeout: Duration::from_secs(5),
            reconnect_wait: Duration::from_secs(2),
            resolve_timeout: Duration::from_secs(15),
            mac_key: None,
        }
    }
}

impl fmt::Debug for Options {
    /// Leaves out the URLs: they may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("servers", &"***")
            .field("credentials_file", &self.credentials_file)
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn a_password_in_a_url_is_never_shown() {
        let shown = format!("{:?}", Options::new("nats://gateway:hunter2@localhost:4222"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
