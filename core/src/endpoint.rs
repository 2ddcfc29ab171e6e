//! Where an upstream is: base URLs and origins, parsed strictly, and the rules for hosts that may be called.
//!
//! Parsing says what a URL *is*; [`BaseUrl::check`] says whether this gateway may call it. The two are apart because the
//! rules may change after a URL was stored. The rules hold twice: when a URL is stored, on its text, and at connect, on
//! the addresses that its name resolves to ([`Reach::allows`]); a name that resolved well yesterday proves nothing today.

mod address;
mod host;
mod url;

pub use address::AddressKind;
pub use host::{Host, NetworkPolicy, Reach};
pub use url::{BaseUrl, EndpointRefused, InvalidUrl, Origin, Scheme, URL_MAX_BYTES};
