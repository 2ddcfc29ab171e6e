//! The gate for old servers. They ignore headers and stream options that they do not know: a stale append would be
//! stored and an atomic batch torn, without an error. So an old server is refused before anything is written.

use std::fmt;

/// The version of a nats-server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The oldest server that is accepted: atomic batches (2.12.0) and the JetStream authorization fixes of 2.12.7.
pub const OLDEST: Version = Version { major: 2, minor: 12, patch: 7 };

/// A server that may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "nats-server {found} is too old: {OLDEST} or newer is needed, because older ones ignore what keeps the log in order"
)]
pub struct TooOld {
    /// The version as the server says it.
    pub found: String,
}

impl Version {
    /// Reads `2.12.7`, also with a leading `v` or with a pre-release or build behind it. A pre-release counts as older
    /// than its release. Nothing when it is no version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (numbers, is_prerelease) = text.split_once('-').map_or((text, false), |(numbers, _)| (numbers, true));
        let mut numbers = numbers.split('.').map(str::parse::<u32>);
        let version = Self { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()?, patch: numbers.next()?.ok()? };
        if numbers.next().is_some() {
            return None;
        }
        Some(if is_prerelease { version.just_before() } else { version })
    }

    const fn just_before(self) -> Self {
        match (self.patch.checked_sub(1), self.minor.checked_sub(1)) {
            (Some(patch), _) => Self { patch, ..self },
            (None, Some(minor)) => Self { minor, patch: u32::MAX, ..self },
            (None, None) => Self { major: self.major.saturating_sub(1), minor: u32::MAX, patch: u32::MAX },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Lets a server pass by the version it says it has.
///
/// # Errors
/// [`TooOld`] below [`OLDEST`], and for what is no version at all.
pub fn check(version: &str) -> Result<(), TooOld> {
    match Version::parse(version) {
        Some(found) if found >= OLDEST => Ok(()),
        _ => Err(TooOld { found: version.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn servers_from_the_oldest_on_pass() {
        for version in ["2.12.7", "v2.12.7", "2.12.12", "2.14.0", "2.15.1", "2.15.0-RC.1", "3.0.0", "2.12.7+build.1"] {
            assert_eq!(check(version), Ok(()), "{version}");
        }
    }

    #[test]
    fn older_servers_and_what_is_no_version_are_refused_by_name() {
        for version in ["2.9.10", "2.12.6", "2.12.7-RC.2", "2.11.99", "1.99.99", "", "2.12", "2.12.7.1", "two"] {
            let refused = check(version).unwrap_err();
            assert_eq!(refused.found, version);
            assert!(refused.to_string().contains("2.12.7 or newer"), "{refused}");
        }
    }
}
