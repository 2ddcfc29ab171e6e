//! A request that is refused for its form: what is wrong, before a vendor words it.

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// Where it is wrong, as `messages[2].content`.
    pub(super) param: Option<String>,
    /// The word that OpenAI has for it.
    pub(super) code: Option<&'static str>,
}

impl Refusal {
    /// 400: this place is wrong, for this reason.
    pub(super) fn invalid(at: &str, why: &str) -> Self {
        Self::new(400, format!("{at}: {why}"), Some(at), Some("invalid_value"))
    }

    /// 400: a field that there is none of.
    pub(super) fn unknown(at: &str) -> Self {
        Self::new(400, format!("Unknown parameter: '{at}'."), Some(at), Some("unknown_parameter"))
    }

    /// 400: a field that must be there.
    pub(super) fn missing(at: &str) -> Self {
        Self::new(400, format!("{at}: Field required"), Some(at), Some("missing_required_parameter"))
    }

    /// 400: a field of another type.
    pub(super) fn wrong_type(at: &str, expected: &str) -> Self {
        Self::new(400, format!("{at}: expected {expected}"), Some(at), Some("invalid_type"))
    }

    /// 401: no key, or another than the provider's.
    pub(super) fn key() -> Self {
        Self::new(401, "Incorrect API key provided.".to_owned(), None, Some("invalid_api_key"))
    }

    /// 404: no such path or model.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, format!("{what} does not exist"), None, Some("not_found"))
    }

    /// A status as a test planned it.
    pub(super) fn planned(status: u16) -> Self {
        let code = match status {
            429 => Some("rate_limit_exceeded"),
            503 => Some("server_is_overloaded"),
            _ => None,
        };
        Self::new(status, format!("refused with {status} as planned"), None, code)
    }

    fn new(status: u16, message: String, param: Option<&str>, code: Option<&'static str>) -> Self {
        Self { status, message, param: param.map(str::to_owned), code }
    }

    /// The same under the vendor's word.
    pub(super) const fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}
