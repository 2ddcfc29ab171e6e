//! What was last seen of a deployment, for people who ask how it is. Nothing is decided by it.

use super::breaker::Counts;
use super::steady::Steady;
use crate::port::provider::failure::Kind;

/// The last words on a deployment, as one gateway heard them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// When it last answered a call, or began to.
    pub answered: Option<Steady>,
    /// Its last failure that says something of it: not one of a request's own.
    pub failed: Option<SeenFailure>,
    /// The last active probe.
    pub probed: Option<SeenProbe>,
    /// Whether the failure is the newest word.
    failing: Option<Failing>,
}

/// A failure of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenFailure {
    /// When.
    pub at: Steady,
    /// With what; whose fault it is follows from that.
    pub kind: Kind,
}

/// An active probe of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenProbe {
    /// When it ended.
    pub at: Steady,
    /// How the deployment was asked.
    pub by: ProbeBy,
    /// With what it failed; none if it did not.
    pub failed: Option<Kind>,
}

/// How a deployment is asked whether it is well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProbeBy {
    /// By the list of its models. It costs nothing, and shows that the host answers and takes the credential.
    #[default]
    List,
    /// By a call of its model, as small as there is. It costs some tokens, and shows that the model answers.
    Call,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failing {
    Calls,
    Lists,
}

impl Seen {
    /// Whether the newest word on the deployment is not a failure. Of one that nobody called nothing is known, so it is.
    #[must_use]
    pub const fn is_well(&self) -> bool {
        self.failing.is_none()
    }

    pub(super) const fn answered(&mut self, now: Steady) {
        self.answered = Some(now);
        self.failing = None;
    }

    pub(super) fn failed(&mut self, now: Steady, kind: Kind) {
        if Counts::of(kind, false) != Counts::Never {
            self.failed = Some(SeenFailure { at: now, kind });
            self.failing = Some(Failing::Calls);
        }
    }

    /// A list that came takes back what an earlier list said, and nothing that a call did.
    pub(super) fn probed(&mut self, probe: SeenProbe) {
        self.probed = Some(probe);
        match (probe.by, probe.failed) {
            (ProbeBy::List, None) if self.failing == Some(Failing::Lists) => self.failing = None,
            (ProbeBy::List, Some(kind)) if is_of_host(kind) => {
                self.failed = Some(SeenFailure { at: probe.at, kind });
                self.failing = self.failing.or(Some(Failing::Lists));
            }
            // A call was noted as such.
            (ProbeBy::List | ProbeBy::Call, _) => {}
        }
    }
}

impl ProbeBy {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Call => "call",
        }
    }

    /// By its word.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::List, Self::Call].into_iter().find(|by| by.name() == name)
    }

    /// Whether a failure of such a probe counts against the deployment. A list may be refused where calls are served: by a
    /// key that may do no more, or by an upstream that has no list.
    #[must_use]
    pub fn counts(self, kind: Kind) -> bool {
        self == Self::Call || is_of_host(kind)
    }
}

fn is_of_host(kind: Kind) -> bool {
    Counts::of(kind, false) == Counts::Towards
}

#[cfg(test)]
mod tests {
    use super::{ProbeBy, Seen, SeenProbe};
    use crate::port::provider::failure::Kind;
    use crate::routing::Steady;

    fn at(millis: u64) -> Steady {
        Steady::from_millis(millis)
    }

    fn list(millis: u64, failed: Option<Kind>) -> SeenProbe {
        SeenProbe { at: at(millis), by: ProbeBy::List, failed }
    }

    #[test]
    fn the_newest_word_says_whether_it_is_well() {
        let mut seen = Seen::default();
        assert!(seen.is_well());
        seen.failed(at(1), Kind::ServerError);
        assert!(!seen.is_well());
        seen.answered(at(1));
        assert!(seen.is_well());
        assert_eq!(seen.failed.unwrap().kind, Kind::ServerError, "it is still told");
    }

    #[test]
    fn the_fault_of_a_request_says_nothing_of_the_deployment() {
        let mut seen = Seen::default();
        for kind in [Kind::InvalidRequest, Kind::ContextTooLong, Kind::ContentFiltered, Kind::TooLarge] {
            seen.failed(at(1), kind);
        }
        assert_eq!(seen, Seen::default());
    }

    #[test]
    fn a_list_takes_back_what_a_list_said_and_nothing_more() {
        let mut seen = Seen::default();
        seen.probed(list(1, Some(Kind::Refused)));
        assert!(!seen.is_well());
        seen.probed(list(2, None));
        assert!(seen.is_well());
        seen.failed(at(3), Kind::ServerError);
        seen.probed(list(4, None));
        assert!(!seen.is_well(), "the host answers, and the model does not");
    }

    #[test]
    fn a_list_that_is_refused_where_calls_may_be_served_counts_nothing() {
        for kind in [Kind::NotFound, Kind::Unauthorized, Kind::InvalidRequest, Kind::RateLimited] {
            let mut seen = Seen::default();
            seen.probed(list(1, Some(kind)));
            assert!(seen.is_well() && !ProbeBy::List.counts(kind) && ProbeBy::Call.counts(kind), "{kind:?}");
        }
        assert!(ProbeBy::List.counts(Kind::ConnectTimeout));
    }

    #[test]
    fn every_way_has_its_word() {
        for by in [ProbeBy::List, ProbeBy::Call] {
            assert_eq!(ProbeBy::of_name(by.name()), Some(by));
        }
        assert_eq!(ProbeBy::of_name("both"), None);
    }
}
