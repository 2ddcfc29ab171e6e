//! A client's request in this dialect.

use tallygate_core::conversation::{
    Content, LIMITS, Message, Part, Raw, Request, Role, Seal, SealForm, Source, Text, Thought, ToolCall, ToolResult,
};

use super::read_settings;
use crate::dialect::bodies;
use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::rejection::{Reason, Rejection};
use crate::dialect::wire::PathSays;

/// Under which name libraries put the text of a tool's result.
const RESULT_NAMES: [&str; 3] = ["result", "output", "content"];

pub(super) fn read(body: &[u8], path: &PathSays<'_>) -> Result<Request, Rejection> {
    let mut fields = Fields::parse(bodies::strict(body)?, &Place::Root)?.in_two_spellings();
    let model = bodies::model(&mut fields, path)?;
    let mut messages = Vec::new();
    let mut ids = Ids::default();
    let system = fields.with("systemInstruction", |value| content(value, &mut Ids::default()))?;
    messages.extend(system.into_iter().flatten().map(|message| Message { role: Role::System, ..message }));
    let contents = fields.with("contents", |value| {
        if value.is_list() {
            value.list(LIMITS.messages, |item| content(item, &mut ids))
        } else {
            content(value, &mut ids).map(|one| vec![one])
        }
    })?;
    messages.extend(fields.require("contents", contents)?.into_iter().flatten());
    let mut request = Request {
        model,
        messages,
        streams: path.streams.unwrap_or_default(),
        asks_for_usage: true,
        service_tier: fields.string("serviceTier")?,
        ..Request::default()
    };
    read_settings::tools(&mut fields, &mut request)?;
    let mut more = read_settings::generation(&mut fields, &mut request)?;
    request.extras = bodies::carried(fields, super::NAME)?;
    request.extras.fields.append(&mut more);
    Ok(request)
}

/// Ids for calls, which mostly have none: by their number in the conversation.
#[derive(Default)]
struct Ids {
    count: usize,
    /// Calls without a result: id and name.
    open: Vec<(String, String)>,
}

impl Ids {
    fn call(&mut self, told: Option<String>, name: &str) -> String {
        let id = told.unwrap_or_else(|| format!("call_{}", self.count));
        self.count += 1;
        self.open.push((id.clone(), name.to_owned()));
        id
    }

    /// The call that a result is of: by its id, else the first open one of that name.
    fn result(&mut self, told: Option<String>, name: &str) -> String {
        let is_it = |call: &(String, String)| told.as_ref().map_or(call.1 == name, |id| call.0 == *id);
        match self.open.iter().position(is_it) {
            Some(at) => self.open.remove(at).0,
            None => told.unwrap_or_else(|| format!("result_{name}")),
        }
    }
}

/// A content as messages: results of tools are a message of their own.
fn content(value: Value<'_, '_>, ids: &mut Ids) -> Result<Vec<Message>, Rejection> {
    if value.is_text() {
        return Ok(vec![Message::new(Role::User, [Content::Text(value.text()?)])]);
    }
    let mut fields = value.fields()?.in_two_spellings();
    let role = match fields.string("role")?.as_deref() {
        Some("model") => Role::Assistant,
        None | Some("user" | "function" | "system") => Role::User,
        Some(_) => return Err(fields.reject("role", Reason::Value("must be `user` or `model`"))),
    };
    let parts = fields.with("parts", |value| {
        if value.is_list() { value.list(LIMITS.parts, |item| part(item, ids)) } else { Ok(vec![part(value, ids)?]) }
    })?;
    let parts: Vec<Part> = parts.unwrap_or_default().into_iter().flatten().map(Part::from).collect();
    let (results, rest): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| matches!(part.content, Content::ToolResult(_)));
    let mut messages = Vec::new();
    if !results.is_empty() {
        messages.push(Message { role: Role::Tool, name: None, parts: results });
    }
    if messages.is_empty() || !rest.is_empty() {
        messages.push(Message { role, name: None, parts: rest });
    }
    Ok(messages)
}

/// A part, and the mark on it as a part of its own where it is not on a call.
fn part(value: Value<'_, '_>, ids: &mut Ids) -> Result<Vec<Content>, Rejection> {
    let mut fields = value.fields()?.in_two_spellings();
    let mark = fields.with("thoughtSignature", |value| value.text())?;
    let mark = mark.map(|data| Seal { form: SealForm::Mark, data });
    let is_thought = fields.flag("thought")?.unwrap_or_default();
    if let Some(text) = fields.text("text")? {
        if is_thought {
            return Ok(vec![Content::Thought(Thought { text, seal: mark })]);
        }
        let mark = mark.map(|seal| Content::Thought(Thought { text: Text::default(), seal: Some(seal) }));
        // An empty text is there for the mark alone.
        let text = Some(text).filter(|text| mark.is_none() || !text.is_empty()).map(Content::Text);
        return Ok(text.into_iter().chain(mark).collect());
    }
    if let Some(call) = fields.with("functionCall", |value| {
        let mut fields = value.fields()?.in_two_spellings();
        let name = fields.string("name")?;
        let name = fields.require("name", name)?;
        let args = fields.with("args", |value| value.raw_object())?;
        let id = ids.call(fields.string("id")?, &name);
        let arguments = args.map_or_else(|| "{}".into(), |args| args.as_str().into());
        Ok(ToolCall { id, name, arguments, is_free: false, seal: mark.clone() })
    })? {
        return Ok(vec![Content::ToolCall(call)]);
    }
    if let Some(result) = fields.with("functionResponse", |value| {
        let mut fields = value.fields()?.in_two_spellings();
        let name = fields.string("name")?;
        let name = fields.require("name", name)?;
        let call_id = ids.result(fields.string("id")?, &name);
        let response = fields.with("response", |value| value.raw_object())?;
        let text = response.map_or_else(|| "{}".into(), |response| said(&response));
        Ok(ToolResult { call_id, name: Some(name), parts: vec![Content::Text(text).into()], is_error: false })
    })? {
        return Ok(vec![Content::ToolResult(result)]);
    }
    if let Some(source) = fields.with("inlineData", |value| {
        let mut fields = value.fields()?.in_two_spellings();
        let data = fields.text("data")?;
        let media_type = fields.with("mimeType", |value| value.string())?;
        let data = fields.require("data", data)?;
        Ok(Source::Base64 { media_type: fields.require("mimeType", media_type)?, data })
    })? {
        return Ok(vec![media(source, None)]);
    }
    if let Some((source, media_type)) = fields.with("fileData", |value| {
        let mut fields = value.fields()?.in_two_spellings();
        let uri = fields.with("fileUri", |value| value.text())?;
        let media_type = fields.with("mimeType", |value| value.string())?;
        Ok((Source::Url(fields.require("fileUri", uri)?), media_type))
    })? {
        return Ok(vec![media(source, media_type)]);
    }
    Ok(vec![Content::Other { dialect: super::NAME, kind: "part".to_owned(), raw: value.raw() }])
}

/// What a tool said. Results are objects here, so clients put a text into one, under a name that their libraries agree on.
fn said(response: &Raw) -> Text {
    let alone = Fields::parse(response.as_str(), &Place::Root).ok().and_then(|mut fields| {
        let text = RESULT_NAMES.iter().find_map(|name| fields.told_text(name))?;
        fields.rest().is_empty().then_some(text)
    });
    alone.map_or_else(|| Text::from(response.as_str()), Text::from)
}

fn media(source: Source, told_type: Option<String>) -> Content {
    let media_type = match &source {
        Source::Base64 { media_type, .. } => media_type.clone(),
        _ => told_type.unwrap_or_default(),
    };
    match media_type.split_once('/') {
        Some(("image", _)) => Content::Image { source, detail: None },
        Some(("audio", format)) => {
            let format = if format == "mpeg" { "mp3" } else { format };
            Content::Audio { format: format.to_owned(), source }
        }
        _ => Content::File { source, name: None },
    }
}
