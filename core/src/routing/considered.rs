//! Where a request could have gone: the deployments of its model in the order in which they were tried, and why. For people
//! who ask why it went where it did; nothing is decided by it.

use serde::{Deserialize, Serialize};

use super::breaker::Readiness;
use super::rank::Ranked;
use super::settings::Strategy;
use crate::id::DeploymentId;

/// The most candidates that are recorded. Those behind them are counted.
pub const CONSIDERED_MAX: usize = 16;

/// The candidates of a request, best first.
///
/// As JSON a candidate says what is not as usual: one that is ready and whose minute is not used up has its name and its
/// score alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Considered {
    /// By which the scores are: [`super::score`] says what they mean.
    pub strategy: Strategy,
    /// The first of them, at most [`CONSIDERED_MAX`].
    pub ranked: Vec<Place>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
}

/// A candidate in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Which.
    pub deployment: DeploymentId,
    /// What the strategy made of it.
    pub score: u64,
    /// How it was.
    #[serde(default, skip_serializing_if = "Stands::is_ready")]
    pub stands: Stands,
    /// Whether its requests or tokens of the minute were used up.
    #[serde(default, skip_serializing_if = "is_false")]
    pub used_up: bool,
}

/// How a candidate was: a [`Readiness`] without its moment, which means nothing outside the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// A call could go there.
    #[default]
    Ready,
    /// It had cooled, and was to be tried by one request.
    Probe,
    /// It cooled.
    Cooling,
}

impl Considered {
    /// Of a ranking. `name` names the candidate of an index; what it cannot name was removed meanwhile, and is left out.
    #[must_use]
    pub fn of<'a>(strategy: Strategy, ranked: &[Ranked], name: impl Fn(usize) -> Option<&'a DeploymentId>) -> Self {
        let place = |ranked: &Ranked| {
            let deployment = name(ranked.index)?.clone();
            let (score, used_up) = (ranked.score, ranked.used_up);
            Some(Place { deployment, score, stands: ranked.readiness.into(), used_up })
        };
        let more = u32::try_from(ranked.len().saturating_sub(CONSIDERED_MAX)).unwrap_or(u32::MAX);
        Self { strategy, ranked: ranked.iter().take(CONSIDERED_MAX).filter_map(place).collect(), more }
    }
}

impl Stands {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}

impl From<Readiness> for Stands {
    fn from(readiness: Readiness) -> Self {
        match readiness {
            Readiness::Ready => Self::Ready,
            Readiness::Probe => Self::Probe,
            Readiness::Cooling { .. } => Self::Cooling,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::{CONSIDERED_MAX, Considered};
    use crate::id::DeploymentId;
    use crate::routing::{Ranked, Readiness, Steady, Strategy};

    fn ranked(index: usize, readiness: Readiness) -> Ranked {
        Ranked { index, score: 7, readiness, used_up: index == 1 }
    }

    #[test]
    fn as_json_it_says_what_is_not_as_usual_and_reads_back() {
        let names: Vec<DeploymentId> = ["a", "b"].map(|name| DeploymentId::new(name).unwrap()).into();
        let cooling = Readiness::Cooling { until: Steady::from_millis(9) };
        let order = [ranked(0, Readiness::Ready), ranked(1, cooling), ranked(2, Readiness::Probe)];
        let considered = Considered::of(Strategy::LeastBusy, &order, |index| names.get(index));
        let text = serde_json::to_string(&considered).unwrap();
        let expected = r#"{"strategy":"least_busy","ranked":[{"deployment":"a","score":7},{"deployment":"b","score":7,"stands":"cooling","used_up":true}]}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Considered>(&text).unwrap(), considered);
    }

    #[test]
    fn what_is_behind_the_limit_is_counted() {
        let name = DeploymentId::new("d").unwrap();
        let order: Vec<Ranked> = (0..100).map(|index| ranked(index, Readiness::Ready)).collect();
        let considered = Considered::of(Strategy::Weighted, &order, |_| Some(&name));
        assert_eq!((considered.ranked.len(), considered.more), (CONSIDERED_MAX, 84));
        assert!(serde_json::to_string(&considered).unwrap().len() < 1_024);
    }
}
