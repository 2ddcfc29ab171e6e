//! The binary of the benches.

fn main() {}
