//! Randomness from a seed.

/// A splitmix64 generator.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x5DEE_CE66_D1CE_5EED)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// One of `from..to`.
    pub(super) const fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    pub(super) fn amount(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.next() % to.abs_diff(from).max(1)).unwrap_or(0)
    }

    /// Whether something of this likelihood happens, in thousandths.
    pub(super) const fn chance(&mut self, thousandths: u64) -> bool {
        self.next() % 1_000 < thousandths
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % length.max(1) as u64).unwrap_or(0)
    }
}
