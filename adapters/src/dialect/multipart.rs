//! Forms (`multipart/form-data`), read by their places: every byte that is not changed stays as it came.
//!
//! Stricter than the standard, as what follows must hold for *any* reader of the same bytes: nothing before the first
//! delimiter and behind the last, no delimiter where some would see one and some would not, no folded headers, no header
//! twice, no name that two readers could take for two. Whose parts they are is the caller's business.

mod headers;

use std::ops::Range;

use memchr::memmem;

use headers::Headers;

/// The most parts of a form. Sixteen images and every parameter that there is are about forty.
pub const PARTS_MAX: usize = 64;
/// The longest headers of one part, in bytes.
pub const HEADERS_MAX_BYTES: usize = 4 * 1024;
/// The longest boundary, in bytes: the standard's own limit.
pub const BOUNDARY_MAX_BYTES: usize = 70;
/// The longest name of a part, in bytes.
pub const NAME_MAX_BYTES: usize = 256;

/// Why bytes are not an acceptable form. No text of the form is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The body is not said to be a form.
    #[error("the body must be a form: send it as `multipart/form-data`")]
    NotAForm,
    /// The content type has no boundary that can be one.
    #[error("the content type must name one boundary of 1 to {BOUNDARY_MAX_BYTES} letters, digits and `'()+_,-./:=?`")]
    Boundary,
    /// The form does not begin with its boundary.
    #[error("the form must begin with its boundary")]
    Beginning,
    /// The boundary stands where it ends no part for some readers.
    #[error("the boundary stands in a part, at byte {at}")]
    Stray {
        /// The place.
        at: usize,
    },
    /// There is no last boundary, or something behind it.
    #[error("the form must end with its last boundary, and nothing behind that")]
    End,
    /// More than [`PARTS_MAX`] parts.
    #[error("a form has at most {PARTS_MAX} parts")]
    TooManyParts,
    /// The headers of a part do not end, or are longer than [`HEADERS_MAX_BYTES`].
    #[error("the headers of a part end with an empty line, within {HEADERS_MAX_BYTES} bytes")]
    HeadersEnd,
    /// A header of a part is none, is folded, or stands twice.
    #[error("a part has a header that is none, is folded, or stands twice")]
    Header,
    /// A part does not say once that it is a field of a form, and under which name.
    #[error("each part must have one `content-disposition: form-data` with one `name`, and at most a `filename`")]
    Disposition,
    /// A name that readers take differently: empty, too long, or with quotes, backslashes or control characters.
    #[error("the name of a part must be 1 to {NAME_MAX_BYTES} bytes without quotes and backslashes")]
    Name,
    /// A part in an encoding of its own.
    #[error("a part must not have an encoding of its own: files are sent as they are, and texts as UTF-8")]
    Encoding,
}

impl Fault {
    /// The rule that is broken, as a stable word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAForm => "form_expected",
            Self::Boundary => "form_boundary",
            Self::Beginning => "form_beginning",
            Self::Stray { .. } => "form_stray_boundary",
            Self::End => "form_end",
            Self::TooManyParts => "form_parts",
            Self::HeadersEnd | Self::Header => "form_header",
            Self::Disposition => "form_disposition",
            Self::Name => "form_name",
            Self::Encoding => "form_encoding",
        }
    }
}

/// What parts a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(String);

/// A part of a form, by its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From its delimiter to the next one: what is cut out with it.
    pub span: Range<usize>,
    /// Its value.
    pub value: Range<usize>,
    /// Whether it is a file: it has the name of one.
    pub is_file: bool,
    name: Range<usize>,
}

impl Part {
    /// Its name. `body` is what was read.
    #[must_use]
    pub fn name<'b>(&self, body: &'b [u8]) -> &'b str {
        // Headers were checked to be UTF-8.
        body.get(self.name.clone()).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl Boundary {
    /// The boundary that a content type names.
    ///
    /// # Errors
    /// [`Fault::NotAForm`] and [`Fault::Boundary`].
    pub fn of(content_type: Option<&str>) -> Result<Self, Fault> {
        let (kind, parameters) = content_type.unwrap_or_default().split_once(';').ok_or(Fault::NotAForm)?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err(Fault::NotAForm);
        }
        let mut found = None;
        for parameter in parameters.split(';') {
            let (name, value) = parameter.split_once('=').ok_or(Fault::Boundary)?;
            if !name.trim().eq_ignore_ascii_case("boundary") {
                continue;
            }
            let value = value.trim();
            let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            if found.replace(inner).is_some() {
                return Err(Fault::Boundary);
            }
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
        let found = found.filter(|text| (1..=BOUNDARY_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_plain));
        found.map(|text| Self(text.to_owned())).ok_or(Fault::Boundary)
    }

    /// The content type of a form with this boundary.
    #[must_use]
    pub fn content_type(&self) -> String {
        // Some servers know no quotes, so there are none where they are not needed.
        let is_token = self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"'+_-.".contains(&byte));
        let quote = if is_token { "" } else { "\"" };
        format!("multipart/form-data; boundary={quote}{}{quote}", self.0)
    }

    /// A field as a part, with its delimiter; none where its value has the boundary in it.
    #[must_use]
    pub fn part(&self, name: &str, value: &str) -> Option<String> {
        let Self(boundary) = self;
        let is_clear = !value.contains(boundary.as_str()) && !value.contains(['\r', '\n']);
        is_clear.then(|| format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"))
    }
}

/// Reads a form: its parts in their order.
///
/// # Errors
/// [`Fault`], the first one found.
pub fn parts(body: &[u8], boundary: &Boundary) -> Result<Vec<Part>, Fault> {
    let delimiter = format!("--{}", boundary.0);
    let finder = memmem::Finder::new(&delimiter);
    let mut parts = Vec::new();
    // Where the delimiter of the part that is being read stands, and where its headers begin.
    let mut open: Option<(usize, usize)> = None;
    let mut from = 0;
    while let Some(found) = body.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        let behind = at + delimiter.len();
        match open {
            None if at != 0 => return Err(Fault::Beginning),
            None => {}
            Some((start, headers)) => {
                let end = at.checked_sub(2).filter(|end| body.get(*end..at) == Some(b"\r\n"));
                let end = end.ok_or(Fault::Stray { at })?;
                parts.push(part(body, start..at, headers..end)?);
            }
        }
        match body.get(behind..).unwrap_or_default() {
            [b'-', b'-'] | [b'-', b'-', b'\r', b'\n'] if open.is_some() => return Ok(parts),
            [b'-', b'-', ..] => return Err(Fault::End),
            [b'\r', b'\n', ..] if parts.len() == PARTS_MAX => return Err(Fault::TooManyParts),
            [b'\r', b'\n', ..] => open = Some((at, behind + 2)),
            _ => return Err(Fault::Stray { at }),
        }
        // One byte on: a delimiter may begin within another.
        from = at + 1;
    }
    Err(if open.is_none() { Fault::Beginning } else { Fault::End })
}

/// One part. `inner` is what lies between its delimiter's line and the next one.
fn part(body: &[u8], span: Range<usize>, inner: Range<usize>) -> Result<Part, Fault> {
    let bytes = body.get(inner.clone()).ok_or(Fault::HeadersEnd)?;
    let headers_end = memmem::find(bytes, b"\r\n\r\n").filter(|end| *end <= HEADERS_MAX_BYTES);
    let headers_end = headers_end.ok_or(Fault::HeadersEnd)?;
    let headers = Headers::read(bytes.get(..headers_end).unwrap_or_default())?;
    let name = inner.start + headers.name.start..inner.start + headers.name.end;
    Ok(Part { span, value: inner.start + headers_end + 4..inner.end, is_file: headers.is_file, name })
}

#[cfg(test)]
mod tests;
