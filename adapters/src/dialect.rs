//! Dialects: the wire formats that clients and upstreams speak. Pure: bytes in, bytes out, no I/O and no clock.
//!
//! Where client and upstream speak the same dialect, the client's own bytes are forwarded. So a body is parsed once,
//! strictly, and what was read is what is sent: only the spans that must change are rewritten. A dialect knows nothing
//! of keys, budgets or prices; it tells how much a request can use at most, and what an answer did use.

pub mod json;
pub mod metering;
pub mod openai_chat;
