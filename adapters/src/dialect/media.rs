//! Media in requests: data URLs, media types, and what a provider can be sent.

use tallygate_core::conversation::{Content, Source, Text};

use super::json::fields::Value;
use super::rejection::Rejection;

/// The source that an address means: a data URL holds the bytes itself.
#[must_use]
pub(super) fn source(url: &str) -> Source {
    data_url(url).unwrap_or_else(|| Source::Url(url.into()))
}

/// The bytes of a data URL in base64; none for any other address.
fn data_url(url: &str) -> Option<Source> {
    let rest = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).and_then(|_| url.get(5..))?;
    let (head, data) = rest.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let media_type = media_type.split(';').next().unwrap_or_default();
    let media_type = if media_type.is_empty() { "text/plain" } else { media_type };
    Some(Source::Base64 { media_type: media_type.to_ascii_lowercase(), data: data.into() })
}

/// An address for a source: a data URL for bytes; none for ids and plain text.
#[must_use]
pub(super) fn url(source: &Source) -> Option<String> {
    match source {
        Source::Base64 { media_type, data } => Some(format!("data:{media_type};base64,{}", data.as_str())),
        Source::Url(url) => Some(url.as_str().to_owned()),
        Source::Id(_) | Source::Plain(_) => None,
    }
}

/// The media type that an image's bytes say, which clients often get wrong and providers check; else the one it came with.
#[must_use]
pub(super) fn image_type<'a>(media_type: &'a str, data: &Text) -> &'a str {
    let starts = |with: &str| data.as_str().starts_with(with);
    if starts("iVBORw0KGgo") {
        "image/png"
    } else if starts("/9j/") {
        "image/jpeg"
    } else if starts("R0lGOD") {
        "image/gif"
    } else if starts("UklGR") {
        "image/webp"
    } else {
        media_type
    }
}

/// The media type of sound of a format.
fn sound_type(format: &str) -> String {
    let kind = match format {
        "mp3" => "mpeg",
        "pcm16" => "L16",
        other => other,
    };
    format!("audio/{kind}")
}

/// Sound as an object with its `data` and `format`.
///
/// # Errors
/// [`Rejection`] when one of them is missing.
pub(super) fn sound(value: Value<'_, '_>) -> Result<Content, Rejection> {
    let mut fields = value.fields()?;
    let (data, format) = (fields.text("data")?, fields.string("format")?);
    let format = fields.require("format", format)?;
    let data = fields.require("data", data)?;
    Ok(Content::Audio { source: Source::Base64 { media_type: sound_type(&format), data }, format })
}

/// The media type that a file's name says.
#[must_use]
pub(super) fn type_of_name(name: &str) -> &'static str {
    let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "txt" | "md" => "text/plain",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        _ => "application/pdf",
    }
}

#[cfg(test)]
mod tests {
    use super::{image_type, source, url};
    use tallygate_core::conversation::Source;

    #[test]
    fn a_data_url_holds_its_bytes_and_others_are_addresses() {
        let png = "data:image/PNG;charset=x;base64,iVBORw0KGgo=";
        let expected = Source::Base64 { media_type: "image/png".to_owned(), data: "iVBORw0KGgo=".into() };
        assert_eq!(source(png), expected);
        assert_eq!(url(&expected).as_deref(), Some("data:image/png;base64,iVBORw0KGgo="));
        for address in ["https://x.y/z.png", "data:image/png,raw", "data:", "dat", "", "ä"] {
            assert_eq!(source(address), Source::Url(address.into()));
        }
    }

    #[test]
    fn an_image_is_what_its_bytes_say() {
        assert_eq!(image_type("image/png", &"/9j/4AAQ".into()), "image/jpeg");
        assert_eq!(image_type("image/heic", &"AAAA".into()), "image/heic");
    }
}
