//! What a file says of routing, as the routing of one model.

use tallygate_adapters::litellm::config_file::FileRouting;
use tallygate_core::id::ModelName;
use tallygate_core::routing::{Cooldown, Routing, Strategy};

/// The models that a list without a model of its own is for.
const EVERY: &str = "*";

/// The routing of a model, over what holds where nothing is said; none where the file says nothing else.
///
/// # Errors
/// A sentence: what cannot be.
pub(super) fn of(said: &FileRouting, base: &Routing, model: &ModelName) -> Result<Option<Routing>, String> {
    if said.is_empty() {
        return Ok(None);
    }
    let strategy = match said.strategy {
        Some(name) => serde_json::from_value::<Strategy>(name.into()).map_err(|error| error.to_string())?,
        None => base.strategy,
    };
    let retries = match said.retries {
        Some(retries) => u8::try_from(retries).map_err(|_| "`num_retries` is too large".to_owned())?,
        None => base.retries,
    };
    // LiteLLM counts the failures that are allowed; here it is said with which one cooling begins.
    let allowed_failures = match said.allowed_failures {
        Some(allowed) => u32::try_from(allowed.saturating_add(1)).unwrap_or(u32::MAX),
        None => base.cooldown.allowed_failures,
    };
    let first_ms = said.cooldown_ms.unwrap_or(base.cooldown.first_ms);
    let list = |lists: &std::collections::BTreeMap<String, Vec<String>>| names(lists, model);
    let routing = Routing {
        strategy,
        retries,
        fallbacks: list(&said.fallbacks)?,
        context_window_fallbacks: list(&said.context_window_fallbacks)?,
        content_policy_fallbacks: list(&said.content_policy_fallbacks)?,
        cooldown: Cooldown { allowed_failures, first_ms },
    };
    routing.check(model).map_err(|error| error.to_string())?;
    Ok((routing != *base).then_some(routing))
}

/// The models of a list: the model's own, or those for every model but itself.
fn names(lists: &std::collections::BTreeMap<String, Vec<String>>, model: &ModelName) -> Result<Vec<ModelName>, String> {
    let parse = |name: &String| ModelName::new(name).map_err(|error| format!("the fallback `{name}`: {error}"));
    match (lists.get(model.as_str()), lists.get(EVERY)) {
        (Some(own), _) => own.iter().map(parse).collect(),
        (None, Some(every)) => every.iter().filter(|name| *name != model.as_str()).map(parse).collect(),
        (None, None) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::of;
    use tallygate_adapters::litellm::config_file::FileRouting;
    use tallygate_core::id::ModelName;
    use tallygate_core::routing::{Routing, Strategy};

    fn said() -> FileRouting {
        let lists = |pairs: &[(&str, &[&str])]| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            pairs.iter().map(|(model, names)| ((*model).to_owned(), list(names))).collect::<BTreeMap<_, _>>()
        };
        FileRouting {
            strategy: Some("least_busy"),
            retries: Some(1),
            allowed_failures: Some(0),
            fallbacks: lists(&[("a", &["b"]), ("*", &["c", "d"])]),
            ..FileRouting::default()
        }
    }

    #[test]
    fn a_model_has_its_own_fallbacks_or_those_for_every_model() {
        let of = |model: &str| of(&said(), &Routing::default(), &ModelName::new(model).unwrap()).unwrap().unwrap();
        let names = |routing: &Routing| routing.fallbacks.iter().map(ModelName::to_string).collect::<Vec<_>>();
        assert_eq!(
            (names(&of("a")), names(&of("c")), names(&of("x"))),
            (vec!["b".into()], vec!["d".into()], vec!["c".into(), "d".into()])
        );
        let routing = of("a");
        assert_eq!((routing.strategy, routing.retries, routing.cooldown.allowed_failures), (Strategy::LeastBusy, 1, 1));
    }

    #[test]
    fn nothing_said_is_no_routing_and_what_cannot_be_is_told() {
        let model = ModelName::new("b").unwrap();
        assert_eq!(of(&FileRouting::default(), &Routing::default(), &model), Ok(None));
        let said = FileRouting { retries: Some(11), ..FileRouting::default() };
        assert!(of(&said, &Routing::default(), &model).unwrap_err().contains("retries"));
        let itself =
            FileRouting { fallbacks: [("b".to_owned(), vec!["b".to_owned()])].into(), ..FileRouting::default() };
        assert!(of(&itself, &Routing::default(), &model).unwrap_err().contains("itself"));
    }
}
