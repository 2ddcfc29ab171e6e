//! The models of a key: LiteLLM's list, in which nothing means everything, and ours, in which nothing means nothing.

use serde_json::{Value, json};
use tallygate_core::id::InvalidId;
use tallygate_core::model_pattern::{Allowed, ModelPattern};

/// Names in LiteLLM's list that stand for every model. `all-team-models` is one of them: what a key's realm may not
/// call, the key may not call either way.
const ALL: [&str; 3] = ["*", "all-proxy-models", "all-team-models"];
/// The name that stands for no model.
const NONE: &str = "no-default-models";

/// What a list means.
///
/// # Errors
/// [`InvalidId`] when a name could not be a model's.
pub fn allowed(names: &[String]) -> Result<Allowed, InvalidId> {
    if names.is_empty() || names.iter().any(|name| ALL.contains(&name.as_str())) {
        return Ok(Allowed::All);
    }
    let patterns = names.iter().filter(|name| *name != NONE).map(ModelPattern::new);
    patterns.collect::<Result<_, _>>().map(Allowed::Only)
}

/// The list that means it.
#[must_use]
pub fn listed(allowed: &Allowed) -> Value {
    match allowed {
        Allowed::All => json!([]),
        Allowed::Only(patterns) if patterns.is_empty() => json!([NONE]),
        Allowed::Only(patterns) => patterns.iter().map(ModelPattern::as_str).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{allowed, listed};
    use serde_json::json;
    use tallygate_core::model_pattern::Allowed;

    fn of(names: &[&str]) -> Allowed {
        allowed(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn an_empty_list_means_all_at_this_api_alone() {
        for names in [&[][..], &["*"], &["all-proxy-models"], &["all-team-models"], &["a", "all-proxy-models"]] {
            assert_eq!(of(names), Allowed::All, "{names:?}");
        }
        assert_eq!(of(&["no-default-models"]), Allowed::none());
        assert_eq!(of(&["no-default-models", "a"]), of(&["a"]));
    }

    #[test]
    fn what_is_listed_means_the_same_again() {
        for names in [&[][..], &["no-default-models"], &["a", "vendor/*"]] {
            assert_eq!(listed(&of(names)), json!(names), "{names:?}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_one_is_refused() {
        assert!(allowed(&[String::new()]).is_err());
        assert!(allowed(&["a\nb".to_owned()]).is_err());
    }
}
