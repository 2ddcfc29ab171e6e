//! What holds for every sequence of commands: folds agree, streams count up, and no key calls what it may not.

mod archive;
pub(crate) mod asked;
mod folding;
mod oracle;
mod reach;
