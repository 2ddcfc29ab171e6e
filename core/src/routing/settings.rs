//! How the requests for one model are routed: what an operator may set, and within which limits.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::ModelName;

/// The most fallbacks for one reason: as many hops as a request may make.
pub const FALLBACKS_MAX: usize = 5;
/// The most retries on one model.
pub const RETRIES_MAX: u8 = 10;
/// The most failures in a row that may be allowed before a deployment cools.
pub const ALLOWED_FAILURES_MAX: u32 = 1_000;
/// The longest cooldown that may be set: an hour.
pub const COOLDOWN_MAX_MS: u64 = 3_600_000;

/// The routing of a model. What is left out is the default.
///
/// As bytes of a row it is written without names, so no field may be skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// Which deployment is tried first.
    pub strategy: Strategy,
    /// How often a failed request is tried again on the model, beside the first attempt.
    pub retries: u8,
    /// The models to go to, in this order, when the model has failed.
    pub fallbacks: Vec<ModelName>,
    /// The models to go to when the prompt is too long for the model.
    pub context_window_fallbacks: Vec<ModelName>,
    /// The models to go to when the provider's filter refuses the content.
    pub content_policy_fallbacks: Vec<ModelName>,
    /// When a deployment that fails is left alone, and for how long.
    pub cooldown: Cooldown,
}

/// In which order the deployments of a model that may be called are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// At random, each as often first as its weight says.
    #[default]
    Weighted,
    /// The one with the fewest calls running.
    LeastBusy,
    /// Of two at random, the one that begins to answer sooner.
    LowestLatency,
    /// The one with the lowest price.
    LowestCost,
    /// The one that has used the least part of its requests and tokens a minute. One that has used all is left out.
    Usage,
    /// By the order that operators gave them.
    Ordered,
}

/// When a deployment that fails is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cooldown {
    /// So many failures in a row, and it cools.
    pub allowed_failures: u32,
    /// How long it cools the first time, in milliseconds. Zero: never.
    pub first_ms: u64,
}

/// Why settings of routing are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRouting {
    /// More retries than [`RETRIES_MAX`].
    #[error("`retries` is at most {RETRIES_MAX}")]
    Retries,
    /// More fallbacks than hops.
    #[error("`{0}` has at most {FALLBACKS_MAX} models")]
    TooManyFallbacks(&'static str),
    /// A model stands twice in one list.
    #[error("`{model}` stands twice in `{list}`")]
    Twice {
        /// Which list.
        list: &'static str,
        /// Which model.
        model: ModelName,
    },
    /// The model is its own fallback.
    #[error("`{0}` names the model itself")]
    Itself(&'static str),
    /// No failure allowed is none to cool for; more than [`ALLOWED_FAILURES_MAX`] are a mistake.
    #[error("`allowed_failures` is between 1 and {ALLOWED_FAILURES_MAX}")]
    AllowedFailures,
    /// Longer than [`COOLDOWN_MAX_MS`].
    #[error("`first_ms` is at most {COOLDOWN_MAX_MS}")]
    Cooldown,
}

impl Default for Routing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Default for Cooldown {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Cooldown {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self { allowed_failures: 3, first_ms: 5_000 };
    /// No deployment ever cools.
    pub const NEVER: Self = Self { allowed_failures: 3, first_ms: 0 };

    /// How long a deployment cools the first time; none if it never does.
    #[must_use]
    pub const fn first(&self) -> Option<Duration> {
        if self.first_ms == 0 { None } else { Some(Duration::from_millis(self.first_ms)) }
    }
}

impl Routing {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        strategy: Strategy::Weighted,
        retries: 2,
        fallbacks: Vec::new(),
        context_window_fallbacks: Vec::new(),
        content_policy_fallbacks: Vec::new(),
        cooldown: Cooldown::DEFAULT,
    };

    /// Whether these settings can be those of a model of that name. Fallbacks need not exist: names come and go, and
    /// each is resolved and admitted when a request gets there.
    ///
    /// # Errors
    /// [`InvalidRouting`], the first that is found.
    pub fn check(&self, model: &ModelName) -> Result<(), InvalidRouting> {
        if self.retries > RETRIES_MAX {
            return Err(InvalidRouting::Retries);
        }
        if !(1..=ALLOWED_FAILURES_MAX).contains(&self.cooldown.allowed_failures) {
            return Err(InvalidRouting::AllowedFailures);
        }
        if self.cooldown.first_ms > COOLDOWN_MAX_MS {
            return Err(InvalidRouting::Cooldown);
        }
        for (list, models) in [
            ("fallbacks", &self.fallbacks),
            ("context_window_fallbacks", &self.context_window_fallbacks),
            ("content_policy_fallbacks", &self.content_policy_fallbacks),
        ] {
            check_list(list, models, model)?;
        }
        Ok(())
    }
}

fn check_list(list: &'static str, models: &[ModelName], own: &ModelName) -> Result<(), InvalidRouting> {
    if models.len() > FALLBACKS_MAX {
        return Err(InvalidRouting::TooManyFallbacks(list));
    }
    let mut seen = BTreeSet::new();
    for model in models {
        if model == own {
            return Err(InvalidRouting::Itself(list));
        }
        if !seen.insert(model) {
            return Err(InvalidRouting::Twice { list, model: model.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Cooldown, FALLBACKS_MAX, InvalidRouting, Routing, Strategy};
    use crate::id::ModelName;

    fn name(text: &str) -> ModelName {
        ModelName::new(text).unwrap()
    }

    fn checked(routing: &Routing) -> Result<(), InvalidRouting> {
        routing.check(&name("own"))
    }

    #[test]
    fn what_is_left_out_is_the_default_and_what_is_unknown_is_refused() {
        let routing: Routing = serde_json::from_str(r#"{"strategy":"least_busy","cooldown":{"first_ms":0}}"#).unwrap();
        let cooldown = Cooldown { first_ms: 0, ..Cooldown::default() };
        assert_eq!(routing, Routing { strategy: Strategy::LeastBusy, cooldown, ..Routing::default() });
        assert_eq!(routing.cooldown.first(), None);
        assert!(serde_json::from_str::<Routing>(r#"{"retry":2}"#).is_err());
        assert!(serde_json::from_str::<Routing>(r#"{"cooldown":{"seconds":2}}"#).is_err());
        assert_eq!(checked(&Routing::default()), Ok(()));
    }

    #[test]
    fn a_list_of_fallbacks_has_no_more_than_a_request_has_hops() {
        let most: Vec<ModelName> = (0..FALLBACKS_MAX).map(|number| name(&format!("m-{number}"))).collect();
        assert_eq!(checked(&Routing { fallbacks: most.clone(), ..Routing::default() }), Ok(()));
        let more = [most, vec![name("one-more")]].concat();
        let refused = checked(&Routing { context_window_fallbacks: more, ..Routing::default() });
        assert_eq!(refused, Err(InvalidRouting::TooManyFallbacks("context_window_fallbacks")));
    }

    #[test]
    fn no_model_falls_back_to_itself_or_twice_to_the_same() {
        let itself = Routing { fallbacks: vec![name("a"), name("own")], ..Routing::default() };
        assert_eq!(checked(&itself), Err(InvalidRouting::Itself("fallbacks")));
        let twice = Routing { content_policy_fallbacks: vec![name("a"), name("a")], ..Routing::default() };
        assert_eq!(checked(&twice), Err(InvalidRouting::Twice { list: "content_policy_fallbacks", model: name("a") }));
    }

    #[test]
    fn retries_and_cooldowns_have_their_limits() {
        assert_eq!(checked(&Routing { retries: 11, ..Routing::default() }), Err(InvalidRouting::Retries));
        let cooled = |allowed_failures, first_ms| {
            checked(&Routing { cooldown: Cooldown { allowed_failures, first_ms }, ..Routing::default() })
        };
        assert_eq!(cooled(0, 5_000), Err(InvalidRouting::AllowedFailures));
        assert_eq!(cooled(1_001, 5_000), Err(InvalidRouting::AllowedFailures));
        assert_eq!(cooled(1, 3_600_001), Err(InvalidRouting::Cooldown));
        assert_eq!(cooled(1_000, 3_600_000), Ok(()));
    }
}
