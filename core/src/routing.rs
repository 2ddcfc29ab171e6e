//! Routing: in which order the deployments of a model are tried.

use crate::registry::Deployment;

/// Orders deployments by a shuffle in which each stands first as often as its weight says.
///
/// `random` must be uniform; the same value gives the same order. Deployments of weight zero come last, in their order:
/// they serve when nothing else is left.
#[must_use]
pub fn weighted_order(deployments: &[Deployment], random: u64) -> Vec<&Deployment> {
    let (mut weighted, spare): (Vec<_>, Vec<_>) = deployments.iter().partition(|deployment| deployment.weight > 0);
    let mut order = Vec::with_capacity(deployments.len());
    let mut random = random;
    while let Some(index) = pick(&weighted, random) {
        order.push(weighted.remove(index));
        random = next(random);
    }
    order.extend(spare);
    order
}

/// The index of the deployment that a random number falls on.
fn pick(weighted: &[&Deployment], random: u64) -> Option<usize> {
    let total: u64 = weighted.iter().map(|deployment| u64::from(deployment.weight)).sum();
    let mut point = random.checked_rem(total)?;
    weighted.iter().position(|deployment| {
        let weight = u64::from(deployment.weight);
        let here = point < weight;
        point = point.saturating_sub(weight);
        here
    })
}

/// The next number of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
const fn next(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{next, weighted_order};
    use crate::actor::Actor;
    use crate::aggregate::Mark;
    use crate::id::{DeploymentId, VendorId};
    use crate::json::Json;
    use crate::registry::Deployment;
    use crate::stream::Position;
    use crate::time::Timestamp;

    fn deployment(id: &str, weight: u32) -> Deployment {
        let mark = Mark { position: Position::new(1), at: Timestamp::from_millis(0), by: Actor::operator() };
        Deployment {
            id: DeploymentId::new(id).unwrap(),
            vendor: VendorId::new("openai").unwrap(),
            upstream_model: "m".to_owned(),
            base_url: None,
            credential: None,
            weight,
            max_output_tokens: None,
            price: None,
            info: Json::empty(),
            params: Json::empty(),
            added: mark.clone(),
            changed: mark,
        }
    }

    #[test]
    fn each_stands_first_as_often_as_its_weight_says() {
        let deployments = [deployment("a", 3), deployment("b", 1), deployment("spare", 0)];
        let mut random = 7;
        let mut first = 0_u32;
        for _ in 0..10_000 {
            random = next(random);
            let order = weighted_order(&deployments, random);
            assert_eq!(order.len(), 3);
            assert_eq!(order[2].id.as_str(), "spare");
            first += u32::from(order[0].id.as_str() == "a");
        }
        assert!((7_300..7_700).contains(&first), "{first}");
    }

    #[test]
    fn no_deployment_makes_an_empty_order() {
        assert!(weighted_order(&[], 1).is_empty());
    }
}
