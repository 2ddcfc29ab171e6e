//! What other gateways say, against what this one knows. It decides; it sends and waits for nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tallygate_core::digest::Digest;
use tallygate_core::id::WriterId;
use tallygate_core::stream::{Head, Position};

use super::claim::{Claim, StateClaim};

/// A gateway that was not heard of for so long has no voice.
pub(crate) const VOICE: Duration = Duration::from_secs(10);
/// The most gateways that are listened to.
const PEERS_MAX: usize = 64;
/// How many judgements in a row must be against this gateway: one may have been made before all were heard.
const JUDGEMENTS: u32 = 2;

/// What this gateway knows of the log, to compare claims with.
pub(crate) struct Own<'a> {
    /// The hash of the event at a position, if it is remembered.
    pub(crate) hash_at: &'a dyn Fn(Position) -> Option<Digest>,
    /// Its own last digest.
    pub(crate) state: Option<StateClaim>,
}

/// The other gateways, as far as they were heard of.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    heard: HashMap<WriterId, (Claim, Instant)>,
    outvoted: u32,
}

/// What came of comparing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody says anything else.
    Agreed,
    /// Somebody does, and more gateways say what this one says.
    Contradicted(String),
    /// As many gateways as say what this one says, or more, say something else: it must not serve.
    Diverged(String),
}

impl Peers {
    /// Takes a claim of another gateway.
    pub(crate) fn hear(&mut self, claim: Claim, now: Instant) {
        self.heard.retain(|_, (_, at)| now.saturating_duration_since(*at) <= VOICE);
        if self.heard.len() < PEERS_MAX || self.heard.contains_key(&claim.gateway) {
            self.heard.insert(claim.gateway.clone(), (claim, now));
        }
    }

    /// How many have a voice now.
    pub(crate) fn count(&self, now: Instant) -> usize {
        self.heard.values().filter(|(_, at)| now.saturating_duration_since(*at) <= VOICE).count()
    }

    /// Compares what all say with what this gateway knows.
    pub(crate) fn judge(&mut self, own: &Own<'_>, now: Instant) -> Verdict {
        let voices = self.heard.values().filter(|(_, at)| now.saturating_duration_since(*at) <= VOICE);
        let (mut agree, mut against) = (1_usize, Vec::new());
        for (claim, _) in voices.filter(|(claim, _)| claim.serves) {
            match contradiction(own, claim) {
                Compared::Agrees => agree += 1,
                Compared::Unknown => {}
                Compared::Contradicts(what) => against.push(what),
            }
        }
        let Some(what) = against.first() else {
            self.outvoted = 0;
            return Verdict::Agreed;
        };
        self.outvoted = if against.len() >= agree { self.outvoted + 1 } else { 0 };
        let what = format!("{what}; {} of {} gateways say so", against.len(), against.len() + agree);
        if self.outvoted >= JUDGEMENTS { Verdict::Diverged(what) } else { Verdict::Contradicted(what) }
    }
}

/// A claim beside what is known here.
enum Compared {
    Agrees,
    /// It is of another place than anything that is known here.
    Unknown,
    Contradicts(String),
}

fn contradiction(own: &Own<'_>, claim: &Claim) -> Compared {
    let Head { position, hash } = claim.head;
    let head = (own.hash_at)(position);
    if head.is_some_and(|known| known != hash) {
        return Compared::Contradicts(format!("gateway {} has another event at position {position}", claim.gateway));
    }
    let comparable =
        |state: &StateClaim, mine: &StateClaim| (state.position, state.layout) == (mine.position, mine.layout);
    let states = claim.state.as_ref().zip(own.state.as_ref()).filter(|(theirs, mine)| comparable(theirs, mine));
    match states {
        Some((theirs, mine)) if theirs.digest != mine.digest => {
            Compared::Contradicts(format!("gateway {} has other state at position {}", claim.gateway, theirs.position))
        }
        Some(_) => Compared::Agrees,
        None if head.is_some() => Compared::Agrees,
        None => Compared::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tallygate_core::digest::Digest;
    use tallygate_core::id::WriterId;
    use tallygate_core::stream::{Head, Position};

    use super::super::claim::{Claim, StateClaim};
    use super::{Own, PEERS_MAX, Peers, VOICE, Verdict};

    fn line(branch: &str, position: Position) -> Digest {
        Digest::of(format!("{branch} {position}").as_bytes())
    }

    fn says(gateway: &str, branch: &str, position: u64) -> Claim {
        let position = Position::new(position);
        let head = Head { position, hash: line(branch, position) };
        Claim { gateway: WriterId::new(gateway).unwrap(), head, state: None, serves: true }
    }

    fn state(rows: &str, layout: &str) -> Option<StateClaim> {
        Some(StateClaim {
            position: Position::new(5),
            digest: Digest::of(rows.as_bytes()),
            layout: Digest::of(layout.as_bytes()),
        })
    }

    /// This gateway is on the branch `main`, and remembers positions up to 10.
    fn judge(peers: &mut Peers, state: Option<StateClaim>, now: Instant) -> Verdict {
        let hash_at = |position: Position| (position.get() <= 10).then(|| line("main", position));
        peers.judge(&Own { hash_at: &hash_at, state }, now)
    }

    fn kind(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Agreed => "agreed",
            Verdict::Contradicted(_) => "contradicted",
            Verdict::Diverged(_) => "diverged",
        }
    }

    #[test]
    fn who_is_in_the_majority_goes_on_and_who_is_not_stops_at_the_second_look() {
        let now = Instant::now();
        for (claims, expected) in [
            (vec![says("a", "main", 9), says("b", "main", 10)], ["agreed", "agreed"]),
            (vec![says("a", "main", 9), says("b", "other", 10)], ["contradicted", "contradicted"]),
            (vec![says("a", "other", 9), says("b", "other", 10)], ["contradicted", "diverged"]),
            // Of two nobody can tell which is right.
            (vec![says("a", "other", 9)], ["contradicted", "diverged"]),
            // What is not known here says nothing.
            (vec![says("a", "other", 11)], ["agreed", "agreed"]),
            (vec![Claim { serves: false, ..says("a", "other", 9) }], ["agreed", "agreed"]),
        ] {
            let mut peers = Peers::default();
            claims.iter().for_each(|claim| peers.hear(claim.clone(), now));
            let verdicts = [judge(&mut peers, None, now), judge(&mut peers, None, now)];
            assert_eq!(verdicts.each_ref().map(kind), expected, "{claims:?}");
        }
    }

    #[test]
    fn other_rows_at_one_position_are_a_contradiction_if_they_are_made_of_the_same_events() {
        let now = Instant::now();
        for (theirs, expected) in [
            (state("rows", "1"), "agreed"),
            (state("other rows", "1"), "contradicted"),
            (state("other rows", "2"), "agreed"),
            (None, "agreed"),
        ] {
            let mut peers = Peers::default();
            peers.hear(Claim { state: theirs, ..says("a", "main", 9) }, now);
            assert_eq!(kind(&judge(&mut peers, state("rows", "1"), now)), expected, "{theirs:?}");
        }
    }

    #[test]
    fn who_was_not_heard_of_for_long_has_no_voice_and_there_is_a_limit_to_them() {
        let (mut peers, begun) = (Peers::default(), Instant::now());
        for number in 0..=PEERS_MAX {
            peers.hear(says(&format!("g{number}"), "other", 9), begun);
        }
        assert_eq!(peers.count(begun), PEERS_MAX);
        let later = begun + VOICE + Duration::from_secs(1);
        assert_eq!(kind(&judge(&mut peers, None, later)), "agreed");
        peers.hear(says("late", "main", 9), later);
        assert_eq!((peers.count(later), peers.heard.len()), (1, 1));
    }
}
