//! The binary `tallygate-replay`.

fn main() {}
