//! A figure measured in several rounds: the median stands, and the rounds say how far it may be trusted.

use serde::{Serialize, Serializer};

/// What the rounds of one figure gave, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// One round more. What is not a finite number was not measured.
    pub(crate) fn push(&mut self, value: f64) {
        if value.is_finite() {
            self.0.push(value);
        }
    }

    /// The median; none of no rounds.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        if sorted.len() % 2 == 1 {
            return Some(upper);
        }
        sorted.get(middle - 1).map(|lower| f64::midpoint(*lower, upper))
    }

    /// Half the distance between the smallest and the largest round; none of fewer than two.
    pub(crate) fn spread(&self) -> Option<f64> {
        if self.0.len() < 2 {
            return None;
        }
        let smallest = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some((largest - smallest) / 2.0)
    }
}

impl From<f64> for Samples {
    fn from(value: f64) -> Self {
        let mut samples = Self::default();
        samples.push(value);
        samples
    }
}

impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            median: Option<f64>,
            rounds: &'a [f64],
        }
        Wire { median: self.median(), rounds: &self.0 }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::Samples;

    fn of(values: &[f64]) -> Samples {
        let mut samples = Samples::default();
        values.iter().for_each(|value| samples.push(*value));
        samples
    }

    #[test]
    fn the_median_is_the_middle_round_or_between_the_two_middle_ones() {
        assert_eq!(of(&[]).median(), None);
        assert_eq!(of(&[3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
    }

    #[test]
    fn the_spread_is_half_the_range_and_needs_two_rounds() {
        assert_eq!(of(&[1.0]).spread(), None);
        assert_eq!(of(&[1.0, 5.0, 2.0]).spread(), Some(2.0));
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        assert_eq!(of(&[f64::NAN, 1.0, f64::INFINITY]).median(), Some(1.0));
    }
}
