//! The way between two sides of one dialect: the client's own bytes go to the upstream, and the upstream's own bytes come
//! back. Only the spans that must change are rewritten. (`openai_chat` has a way of its own, which looks no closer at a
//! stream than it must.)
//!
//! A request goes through [`request()`] after its dialect has read and so checked it; a whole answer through [`answer()`], a
//! stream through a [`Tap`]. None of them knows a dialect: each dialect says where it has what may change, in its
//! [`Places`].

mod places;
mod setting;
mod defaults;
mod request;
mod answer;
mod tap;

pub use answer::{Answered, answer};
pub use defaults::defaults;
pub use places::{Places, Retold};
pub use request::{Change, request};
pub use tap::{HELD_BYTES_MAX, Tap};
