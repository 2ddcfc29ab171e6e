//! A client's form: its parts parsed once, strictly, and kept with their places.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use tallygate_core::id::ModelName;

use super::Asked;
use crate::dialect::metering::InputBound;
use crate::dialect::multipart::{self, Boundary, Part};
use crate::dialect::openai_chat::fields::{Fate, fate, folded};
use crate::dialect::openai_chat::{CHOICES_MAX, Operation, RequestError};

/// The formats of a transcript that are no JSON.
const TEXT_FORMATS: [&str; 3] = ["text", "srt", "vtt"];
/// A file counts so much longer in a bound, which knows sound in base64.
const BASE64_OF: (u64, u64) = (4, 3);

/// A client's form, checked. As with JSON, what was read here is what [`Request::rewrite`] forwards: no field stands twice
/// but in lists, and none chooses another upstream.
#[derive(Clone)]
pub struct Request {
    body: Bytes,
    boundary: Boundary,
    parts: Vec<Part>,
    /// By part: whether it stays here.
    kept_back: Vec<bool>,
    asked: Asked,
    model: ModelName,
    streams: bool,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({:?} of {:?}, {} bytes)", self.asked.operation, self.model, self.body.len())
    }
}

impl Request {
    /// Parses a form. `path_model` is the model that the request's path names, if it does; the form may then leave it out,
    /// or must name the same.
    ///
    /// # Errors
    /// [`RequestError`], the first one found. The length of the body is the caller's to limit.
    pub fn parse(
        operation: Operation,
        content_type: Option<&str>,
        body: Bytes,
        path_model: Option<&str>,
    ) -> Result<Self, RequestError> {
        let boundary = Boundary::of(content_type)?;
        let parts = multipart::parts(&body, &boundary)?;
        let kept_back = fates(&body, &parts)?;
        let fields = Fields { body: &body, parts: &parts };
        let model = RequestError::one_model(fields.text("model")?.map(Cow::Borrowed), path_model)?;
        let streams = match fields.text("stream")? {
            None | Some("" | "false" | "False") => false,
            Some("true" | "True") => true,
            Some(_) => return Err(RequestError::Type { param: "stream", expected: "true or false" }),
        };
        let asked = asked(operation, &fields)?;
        Ok(Self { asked, model, streams, kept_back, boundary, parts, body })
    }

    /// The model that the client names.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// Whether the client wants the answer as a stream.
    #[must_use]
    pub const fn streams(&self) -> bool {
        self.streams
    }

    /// What the reading of the answer depends on.
    #[must_use]
    pub const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The text of a field that is no file, kept back or not.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let part = self.parts.iter().find(|part| !part.is_file && part.name(&self.body) == name)?;
        std::str::from_utf8(self.bytes(part.value.clone())).ok()
    }

    /// The content type that the upstream is told.
    #[must_use]
    pub fn content_type(&self) -> String {
        self.boundary.content_type()
    }

    /// The form for the upstream: parts for the gateway are cut out, the model is the upstream's name of it; every other
    /// byte is the client's own. None where the client chose a boundary that stands in that name.
    #[must_use]
    pub fn rewrite(&self, model: &str) -> Option<Bytes> {
        let named = self.boundary.part("model", model)?;
        let place = self.parts.iter().position(|part| !part.is_file && part.name(&self.body) == "model");
        let mut written = Vec::with_capacity(self.body.len() + named.len());
        if place.is_none() {
            written.extend_from_slice(named.as_bytes());
        }
        let mut at = 0;
        for (index, part) in self.parts.iter().enumerate() {
            if place == Some(index) {
                written.extend_from_slice(named.as_bytes());
            } else if self.kept_back.get(index) != Some(&true) {
                written.extend_from_slice(self.bytes(part.span.clone()));
            }
            at = part.span.end;
        }
        written.extend_from_slice(self.bytes(at..self.body.len()));
        Some(written.into())
    }

    fn bytes(&self, at: Range<usize>) -> &[u8] {
        self.body.get(at).unwrap_or_default()
    }
}

/// Parts by their names.
#[derive(Clone, Copy)]
struct Fields<'b> {
    body: &'b [u8],
    parts: &'b [Part],
}

impl<'b> Fields<'b> {
    /// The text of a field; none if there is none.
    ///
    /// # Errors
    /// It is a file, or no text.
    fn text(&self, name: &'static str) -> Result<Option<&'b str>, RequestError> {
        let Some(part) = self.parts.iter().find(|part| part.name(self.body) == name) else { return Ok(None) };
        let wrong = RequestError::Type { param: name, expected: "a text, not a file" };
        let text = self.body.get(part.value.clone()).and_then(|value| std::str::from_utf8(value).ok());
        text.filter(|_| !part.is_file).map(Some).ok_or(wrong)
    }

    /// Files, under a name or in a list of that name.
    fn files(&self, name: &str) -> impl Iterator<Item = &'b Part> {
        let body = self.body;
        let is_it = move |part: &&Part| part.is_file && base(part.name(body)) == name;
        self.parts.iter().filter(is_it)
    }
}

/// The name of a field without what says that it is an entry of a list, or of an object.
fn base(name: &str) -> &str {
    name.split_once('[').map_or(name, |(base, _)| base)
}

/// Checks the names of all parts, and says which stay here.
fn fates(body: &[u8], parts: &[Part]) -> Result<Vec<bool>, RequestError> {
    let mut seen: Vec<Cow<'_, str>> = Vec::with_capacity(parts.len());
    let mut kept_back = Vec::with_capacity(parts.len());
    for part in parts {
        let name = part.name(body);
        let folded_name = folded(name);
        let (known, is_kept_back) = match fate(base(&folded_name)) {
            Fate::Refused(param) => return Err(RequestError::NotAllowed(param)),
            Fate::Read(known) => (Some(known), known == "metadata"),
            Fate::KeptBack => (None, true),
            Fate::Forwarded => (None, false),
        };
        if known.is_some_and(|known| known != name && known != "metadata") {
            return Err(RequestError::Misspelled(known.unwrap_or_default()));
        }
        if !name.contains('[') && seen.contains(&folded_name) {
            return Err(RequestError::Duplicate(known));
        }
        kept_back.push(is_kept_back);
        seen.push(folded_name);
    }
    Ok(kept_back)
}

/// What is asked for, with the parts that the operation must have.
fn asked(operation: Operation, fields: &Fields<'_>) -> Result<Asked, RequestError> {
    let of_images = operation.makes_images();
    let needed = if of_images { "image" } else { "file" };
    if fields.files(needed).next().is_none() {
        return Err(RequestError::Missing(needed));
    }
    if operation == Operation::ImageEdits && fields.text("prompt")?.is_none_or(str::is_empty) {
        return Err(RequestError::Missing("prompt"));
    }
    let count = match fields.text("n")? {
        None | Some("") => 1,
        Some(text) => {
            let count = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            count.filter(|count| (1..=CHOICES_MAX).contains(count)).ok_or(RequestError::Choices)?
        }
    };
    let files = || fields.parts.iter().filter(|part| part.is_file);
    let file_bytes: u64 = files().map(|part| part.value.len() as u64).sum();
    let text_bytes = (fields.body.len() as u64).saturating_sub(file_bytes);
    let in_base64 = file_bytes.saturating_mul(BASE64_OF.0).div_ceil(BASE64_OF.1);
    let input = InputBound {
        text_bytes,
        added_bytes: 0,
        images: if of_images { files().count() as u64 } else { 0 },
        audio_bytes: if of_images { 0 } else { in_base64 },
        opaque_parts: 0,
    };
    let wants_text = !of_images && fields.text("response_format")?.is_some_and(|form| TEXT_FORMATS.contains(&form));
    Ok(Asked { operation, count, input, spoken_bytes: 0, file_bytes, wants_text })
}

#[cfg(test)]
mod tests {
    use super::Request;
    use crate::dialect::multipart::Fault;
    use crate::dialect::openai_chat::{Operation, RequestError};
    use bytes::Bytes;

    const TYPE: Option<&str> = Some("multipart/form-data; boundary=B");
    const FILE: &str = "--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\
        content-type: audio/mpeg\r\n\r\n\x00--\r\n\r\n";

    fn field(name: &str, value: &str) -> String {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    fn parse(operation: Operation, parts: &[&str], path_model: Option<&str>) -> Result<Request, RequestError> {
        Request::parse(operation, TYPE, Bytes::from(format!("{}--B--\r\n", parts.concat())), path_model)
    }

    fn transcribe(parts: &[&str]) -> Result<Request, RequestError> {
        parse(Operation::Transcriptions, parts, None)
    }

    #[test]
    fn the_model_is_renamed_what_is_for_the_gateway_is_cut_out_and_the_rest_is_the_clients() {
        let (model, language, tags) = (field("model", "whisper"), field("language", "de"), field("tags", "[\"a\"]"));
        let request = transcribe(&[&tags, FILE, &model, &language]).unwrap();
        assert_eq!((request.model().as_str(), request.streams()), ("whisper", false));
        assert_eq!(request.field("tags"), Some("[\"a\"]"));
        let named = "--B\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nupstream/w\r\n";
        let expected = format!("{FILE}{named}{language}--B--\r\n");
        assert_eq!(request.rewrite("upstream/w").unwrap(), expected);
        let by_path = parse(Operation::Translations, &[FILE], Some("w")).unwrap();
        assert_eq!(by_path.rewrite("upstream/w").unwrap(), format!("{named}{FILE}--B--\r\n"));
        assert_eq!(request.rewrite("a-B"), None, "the client chose the boundary, so it may stand in a name");
    }

    #[test]
    fn what_bounds_a_form_is_its_files_and_its_text() {
        let request = transcribe(&[FILE, &field("model", "w"), &field("response_format", "srt")]).unwrap();
        let asked = request.asked();
        assert_eq!((asked.file_bytes, asked.input.audio_bytes, asked.wants_text), (5, 7, true));
        assert!(asked.input.text_bytes > 100 && asked.input.images == 0);
        let image = |name: &str| FILE.replace("name=\"file\"", &format!("name=\"{name}\""));
        let (first, second, mask) = (image("image[]"), image("image[]"), image("mask"));
        let parts = [field("model", "g"), field("prompt", "a cat"), field("n", "3"), first, second, mask];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let edit = parse(Operation::ImageEdits, &parts, None).unwrap();
        assert_eq!((edit.asked().count, edit.asked().input.images), (3, 3));
    }

    #[test]
    fn a_form_that_could_be_read_in_two_ways_or_chooses_an_upstream_is_refused() {
        let model = field("model", "w");
        for (part, expected) in [
            (field("model", "other"), RequestError::Duplicate(Some("model"))),
            (field("Model", "w"), RequestError::Misspelled("model")),
            (field("model[]", "w"), RequestError::Misspelled("model")),
            (field("language", "de") + &field("Language", "en"), RequestError::Duplicate(None)),
            (field("api_base", "https://x.y"), RequestError::NotAllowed(Some("api_base"))),
            (field("extra_body[model]", "w"), RequestError::NotAllowed(Some("extra_body"))),
            (field("stream", "1"), RequestError::Type { param: "stream", expected: "true or false" }),
            (field("n", "0"), RequestError::Choices),
            (field("n", "+1"), RequestError::Choices),
        ] {
            assert_eq!(transcribe(&[FILE, &model, &part]).unwrap_err(), expected, "{part}");
        }
        let lists = field("timestamp_granularities[]", "word") + &field("timestamp_granularities[]", "segment");
        transcribe(&[FILE, &model, &lists]).unwrap();
    }

    #[test]
    fn a_form_without_what_it_must_have_is_refused_by_that() {
        let model = field("model", "w");
        assert_eq!(transcribe(&[&model]).unwrap_err(), RequestError::Missing("file"));
        assert_eq!(transcribe(&[FILE]).unwrap_err(), RequestError::Missing("model"));
        assert_eq!(transcribe(&[&model, &field("file", "x")]).unwrap_err(), RequestError::Missing("file"));
        let file = FILE.replace("name=\"file\"", "name=\"model\"");
        let wrong = RequestError::Type { param: "model", expected: "a text, not a file" };
        assert_eq!(transcribe(&[FILE, &file]).unwrap_err(), wrong);
        assert_eq!(
            parse(Operation::Transcriptions, &[FILE, &model], Some("v")).unwrap_err(),
            RequestError::ModelMismatch
        );
        let image = FILE.replace("name=\"file\"", "name=\"image\"");
        assert_eq!(parse(Operation::ImageEdits, &[&model, &image], None).unwrap_err(), RequestError::Missing("prompt"));
        parse(Operation::ImageVariations, &[&model, &image], None).unwrap();
        let json = Request::parse(Operation::Transcriptions, Some("application/json"), Bytes::new(), None);
        assert_eq!(json.unwrap_err(), RequestError::Form(Fault::NotAForm));
    }
}
