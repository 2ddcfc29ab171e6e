//! A shuffle in which each stands first as often as its weight says.

/// The order of so many weights. `random` must be uniform; the same value gives the same order. Weights of zero come
/// last, in their order.
pub(super) fn shuffled(weights: &[u32], random: u64) -> Vec<usize> {
    let (mut weighted, spare): (Vec<usize>, Vec<usize>) = (0..weights.len()).partition(|index| weights[*index] > 0);
    let mut order = Vec::with_capacity(weights.len());
    let mut random = random;
    while let Some(at) = pick(&weighted, weights, random) {
        order.push(weighted.remove(at));
        random = next(random);
    }
    order.extend(spare);
    order
}

/// The place among the weighted ones that a random number falls on.
fn pick(weighted: &[usize], weights: &[u32], random: u64) -> Option<usize> {
    let weight = |index: &usize| u64::from(weights[*index]);
    let mut point = random.checked_rem(weighted.iter().map(weight).sum())?;
    weighted.iter().position(|index| {
        let here = point < weight(index);
        point = point.saturating_sub(weight(index));
        here
    })
}

/// The next number of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(super) const fn next(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{next, shuffled};

    #[test]
    fn each_stands_first_as_often_as_its_weight_says() {
        let mut random = 7;
        let mut first = 0_u32;
        for _ in 0..10_000 {
            random = next(random);
            let order = shuffled(&[3, 1, 0], random);
            assert_eq!(order.len(), 3);
            assert_eq!(order[2], 2);
            first += u32::from(order[0] == 0);
        }
        assert!((7_300..7_700).contains(&first), "{first}");
    }

    #[test]
    fn nothing_is_shuffled_to_nothing() {
        assert!(shuffled(&[], 1).is_empty());
    }
}
