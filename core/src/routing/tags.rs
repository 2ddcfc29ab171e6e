//! Tags: which deployments are for which requests.

use super::rank::Candidate;

/// The tag of deployments that serve what no other one is for.
pub const DEFAULT: &str = "default";

/// No deployment is for a request of these tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no deployment of the model has one of the request's tags, and none is for requests of other tags")]
pub struct NoneWithTags;

/// The candidates that are for a request. With tags: those that have one of them; where there is none, those that are
/// tagged [`DEFAULT`]. Without tags: those without any, and those tagged [`DEFAULT`].
///
/// Where no candidate has a tag, tags do not route: clients send them to have their spend told apart too.
pub(super) fn eligible(tags: &[String], candidates: &[Candidate<'_>]) -> Result<Vec<usize>, NoneWithTags> {
    let those = |is_for: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<usize> {
        (0..).zip(candidates).filter(|(_, candidate)| is_for(candidate)).map(|(index, _)| index).collect()
    };
    if candidates.iter().all(|candidate| candidate.tags.is_empty()) {
        return Ok((0..candidates.len()).collect());
    }
    let is_default = |candidate: &Candidate<'_>| candidate.tags.iter().any(|tag| tag == DEFAULT);
    let mut found = if tags.is_empty() {
        those(&|candidate| candidate.tags.is_empty() || is_default(candidate))
    } else {
        those(&|candidate| candidate.tags.iter().any(|tag| tags.contains(tag)))
    };
    if found.is_empty() {
        found = those(&is_default);
    }
    if found.is_empty() { Err(NoneWithTags) } else { Ok(found) }
}
