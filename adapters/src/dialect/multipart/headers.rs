//! The headers of one part of a form, read strictly.

use std::ops::Range;

use super::{Fault, NAME_MAX_BYTES};

/// Encodings that change no byte.
const PLAIN_ENCODINGS: [&str; 3] = ["binary", "8bit", "7bit"];

/// What every part of a form is.
const KIND: &str = "form-data";

/// What headers say of their part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Headers {
    /// The place of its name, among the headers' bytes.
    pub(super) name: Range<usize>,
    /// Whether it has the name of a file.
    pub(super) is_file: bool,
}

impl Headers {
    /// Reads headers, from the first one's name to before the empty line.
    ///
    /// # Errors
    /// [`Fault`], the first one found.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::Header)?;
        let mut seen: Vec<String> = Vec::new();
        let (mut found, mut at) = (None, 0);
        for line in text.split("\r\n") {
            // A line that begins with white space goes on with the one before, for some readers.
            let (name, value) = line.split_once(':').ok_or(Fault::Header)?;
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if name.is_empty() || !name.bytes().all(is_token) || value.chars().any(char::is_control) {
                return Err(Fault::Header);
            }
            let value_at = at + name.len() + 1;
            at += line.len() + 2;
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "content-disposition" => found = Some(disposition(value, value_at)?),
                "content-transfer-encoding" if !PLAIN_ENCODINGS.contains(&&*value.trim().to_ascii_lowercase()) => {
                    return Err(Fault::Encoding);
                }
                "content-type" if !is_utf8(value) => return Err(Fault::Encoding),
                _ => {}
            }
            if seen.contains(&name) {
                return Err(Fault::Header);
            }
            seen.push(name);
        }
        found.ok_or(Fault::Disposition)
    }
}

/// Whether a content type names no other characters than UTF-8 and its beginning, ASCII.
fn is_utf8(content_type: &str) -> bool {
    let content_type = content_type.to_ascii_lowercase();
    content_type.split(';').skip(1).all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim() == "charset" => {
            ["utf-8", "utf8", "us-ascii"].contains(&value.trim().trim_matches('"'))
        }
        _ => true,
    })
}

/// A `content-disposition`. `value_at` is its place among the headers' bytes.
fn disposition(value: &str, value_at: usize) -> Result<Headers, Fault> {
    let (kind, mut rest) = value.trim_start().split_at_checked(KIND.len()).ok_or(Fault::Disposition)?;
    if !kind.eq_ignore_ascii_case(KIND) {
        return Err(Fault::Disposition);
    }
    let (mut name, mut has_file, mut has_other_file) = (None, false, false);
    while !rest.trim().is_empty() {
        let parameter = rest.trim_start().strip_prefix(';').ok_or(Fault::Disposition)?.trim_start();
        let (key, behind) = parameter.split_once('=').ok_or(Fault::Disposition)?;
        let (text, after) = parameter_value(behind)?;
        let is_again = match key.to_ascii_lowercase().as_str() {
            "name" => {
                let start = value_at + (text.as_ptr() as usize).wrapping_sub(value.as_ptr() as usize);
                check_name(text)?;
                name.replace(start..start + text.len()).is_some()
            }
            "filename" => std::mem::replace(&mut has_file, true),
            "filename*" => std::mem::replace(&mut has_other_file, true),
            _ => return Err(Fault::Disposition),
        };
        if is_again {
            return Err(Fault::Disposition);
        }
        rest = after;
    }
    let name = name.ok_or(Fault::Disposition)?;
    Ok(Headers { name, is_file: has_file || has_other_file })
}

fn check_name(name: &str) -> Result<(), Fault> {
    let is_plain = !name.contains(['"', '\\']) && (1..=NAME_MAX_BYTES).contains(&name.len());
    if is_plain { Ok(()) } else { Err(Fault::Name) }
}

/// A value, in quotes or without, and what follows it. A backslash before a quote ends the value for some readers and not
/// for others.
fn parameter_value(text: &str) -> Result<(&str, &str), Fault> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, after) = quoted.split_once('"').ok_or(Fault::Disposition)?;
        return if value.ends_with('\\') { Err(Fault::Disposition) } else { Ok((value, after)) };
    }
    let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
    let (value, after) = text.split_at(end);
    if value.contains('"') { Err(Fault::Disposition) } else { Ok((value, after)) }
}
