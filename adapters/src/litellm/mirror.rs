//! A LiteLLM proxy that is kept in step: what it should have, in the words of its management API, and the client that asks it.
//! The translation is pure; when what is asked, and what becomes of a refusal, is decided elsewhere.

pub mod wanted;
pub mod team;
pub mod user;
pub mod key;
pub mod deployment;
pub mod differences;
pub mod proxy;
mod rules;
#[cfg(test)]
mod tests;
