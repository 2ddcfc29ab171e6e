//! A form of a request, as far as the provider looks at it.

use crate::upstream::Recorded;

use super::refusal::Refusal;

/// Its parts by their names, in their order.
pub(super) struct Form(Vec<(String, Vec<u8>)>);

impl Form {
    /// Reads a form: every part has a name, and the form ends.
    pub(super) fn read(request: &Recorded) -> Result<Self, Refusal> {
        let content_type = request.header("content-type").unwrap_or_default();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=");
        let boundary = boundary.ok_or_else(|| Refusal::invalid("content-type", "must be multipart/form-data"))?;
        let delimiter = format!("--{}", boundary.trim_matches('"')).into_bytes();
        let places = places(&request.body, &delimiter);
        let last = places.last().and_then(|last| request.body.get(last + delimiter.len()..));
        if last.is_none_or(|rest| rest.trim_ascii() != b"--") {
            return Err(Refusal::invalid("body", "the form does not end"));
        }
        let part = |pair: &[usize]| part(request.body.get(pair[0] + delimiter.len()..pair[1].saturating_sub(2))?);
        let parts: Option<Vec<(String, Vec<u8>)>> = places.windows(2).map(part).collect();
        parts.map(Self).ok_or_else(|| Refusal::invalid("body", "a part has no name"))
    }

    /// Whether a part is there and not empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| known == name && !value.is_empty())
    }

    /// Refuses a form without a part.
    pub(super) fn required(&self, name: &str) -> Result<(), Refusal> {
        if self.has(name) { Ok(()) } else { Err(Refusal::missing(name)) }
    }

    /// The value of a part.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// A part's name and value.
fn part(part: &[u8]) -> Option<(String, Vec<u8>)> {
    let head_end = *places(part, b"\r\n\r\n").first()?;
    let head = String::from_utf8_lossy(&part[..head_end]).to_lowercase();
    let name = head.split_once("form-data; name=\"")?.1.split('"').next()?.to_owned();
    Some((name, part[head_end + 4..].to_vec()))
}

/// Where something stands in bytes.
fn places(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    bytes.windows(what.len()).enumerate().filter(|(_, window)| *window == what).map(|(at, _)| at).collect()
}
