//! What was changed on the way to an upstream and must be changed back in its answer: names of tools, a tool that stands
//! for a form of the answer, tools that take free text.

use std::collections::{BTreeMap, BTreeSet};

use tallygate_core::conversation::{
    Choice, Content, Delta, Ending, Finish, Part, Request, Response, Text, ToolCall, ToolKind,
};

use super::ids::Names;
use super::json::fields::{Fields, Place};

/// The tool that an upstream is made to call where it knows no other way to answer in a given form.
pub const FORM_TOOL: &str = "json_tool_call";
/// The one parameter of a function that stands for a tool of free text.
pub const FREE_PARAMETER: &str = "input";
/// The most of a call of free text that is kept until it is complete, in bytes.
const FREE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What must be changed back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Back {
    /// Names of tools that the target could not be sent.
    pub names: Names,
    /// Whether the answer's form was asked for by [`FORM_TOOL`].
    pub by_form_tool: bool,
    /// Tools of free text that were sent as functions, by the client's name.
    pub free_tools: BTreeSet<String>,
}

impl Back {
    /// Whether there is nothing to change.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// A whole answer as the client's request wants it.
    #[must_use]
    pub fn response(&self, mut response: Response) -> Response {
        if !self.is_nothing() {
            response.choices.iter_mut().for_each(|choice| self.choice(choice));
        }
        response
    }

    fn choice(&self, choice: &mut Choice) {
        for part in &mut choice.parts {
            let Part { content, .. } = part;
            let Content::ToolCall(call) = content else { continue };
            if self.by_form_tool && call.name == FORM_TOOL {
                *content = Content::Text(std::mem::take(&mut call.arguments));
                continue;
            }
            let name = self.names.back(&call.name).to_owned();
            call.name = name;
            if self.free_tools.contains(&call.name) {
                call.arguments = free_text(&call.arguments);
                call.is_free = true;
            }
        }
        let has_calls = choice.parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
        end_without_calls(&mut choice.ending, has_calls);
    }
}

/// An answer that calls no tool but [`FORM_TOOL`] is complete.
fn end_without_calls(ending: &mut Ending, has_calls: bool) {
    if ending.finish == Finish::ToolCalls && !has_calls {
        ending.finish = Finish::Stop;
    }
}

/// The text in the one parameter of a function that stands for a tool of free text; what it was called with where there is
/// no such parameter.
fn free_text(arguments: &Text) -> Text {
    let text = Fields::parse(arguments, &Place::Root).ok().and_then(|mut fields| fields.told_text(FREE_PARAMETER));
    text.map_or_else(|| arguments.clone(), Text::from)
}

/// Changes the events of a stream back.
#[derive(Debug, Default)]
pub struct BackStream {
    back: Back,
    /// Calls that are text: those of [`FORM_TOOL`].
    form_calls: BTreeSet<(u32, u32)>,
    /// Arguments of tools of free text, until they are complete.
    free_calls: BTreeMap<(u32, u32), Text>,
    /// By choice: the number that the next call gets, since some are not told.
    told_calls: BTreeMap<(u32, u32), u32>,
}

impl BackStream {
    /// For the answer to a request.
    #[must_use]
    pub fn new(back: Back) -> Self {
        Self { back, ..Self::default() }
    }

    /// Takes events, and leaves them as the client's request wants them.
    pub fn change(&mut self, events: &mut Vec<Delta>) {
        if self.back.is_nothing() {
            return;
        }
        let taken = std::mem::take(events);
        taken.into_iter().for_each(|event| self.event(event, events));
    }

    fn event(&mut self, event: Delta, out: &mut Vec<Delta>) {
        match event {
            Delta::CallStart { choice, call, name, .. } if self.back.by_form_tool && name == FORM_TOOL => {
                self.form_calls.insert((choice, call));
            }
            Delta::CallStart { choice, call, id, name, is_free, seal } => {
                let name = self.back.names.back(&name).to_owned();
                let is_free = is_free || self.back.free_tools.contains(&name);
                if is_free {
                    self.free_calls.insert((choice, call), Text::default());
                }
                let number = self.told_calls.keys().filter(|known| known.0 == choice).count();
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                self.told_calls.insert((choice, call), number);
                out.push(Delta::CallStart { choice, call: number, id, name, is_free, seal });
            }
            Delta::CallArguments { choice, call, text } => {
                if self.form_calls.contains(&(choice, call)) {
                    out.push(Delta::Text { choice, text, logprobs: None });
                } else if let Some(kept) = self.free_calls.get_mut(&(choice, call)) {
                    if kept.len() + text.len() <= FREE_BYTES_MAX {
                        kept.push_str(&text);
                    }
                } else {
                    out.push(Delta::CallArguments { choice, call: self.number(choice, call), text });
                }
            }
            Delta::CallEnd { choice, call } if self.form_calls.contains(&(choice, call)) => {}
            Delta::CallEnd { choice, call } => {
                let number = self.number(choice, call);
                if let Some(arguments) = self.free_calls.remove(&(choice, call)) {
                    out.push(Delta::CallArguments { choice, call: number, text: free_text(&arguments) });
                }
                out.push(Delta::CallEnd { choice, call: number });
            }
            Delta::Finish { choice, mut ending } => {
                let has_calls = self.told_calls.keys().any(|known| known.0 == choice);
                end_without_calls(&mut ending, has_calls);
                out.push(Delta::Finish { choice, ending });
            }
            other => out.push(other),
        }
    }

    fn number(&self, choice: u32, call: u32) -> u32 {
        self.told_calls.get(&(choice, call)).copied().unwrap_or(call)
    }
}

/// A call as a target is sent it that knows no tools of free text: its arguments as JSON.
#[must_use]
pub fn arguments_as_json(call: &ToolCall) -> Text {
    if !call.is_free {
        return call.arguments.clone();
    }
    super::json::writer::object_text(|object| {
        object.text(FREE_PARAMETER, &call.arguments);
    })
    .into()
}

/// The schema of a function that stands for a tool of free text.
#[must_use]
pub fn free_parameters() -> String {
    super::json::writer::object_text(|schema| {
        schema.text("type", "object").object("properties", |properties| {
            properties.object(FREE_PARAMETER, |property| {
                property.text("type", "string");
            });
        });
        schema.texts("required", [FREE_PARAMETER]);
    })
}

/// The names of a request's tools of free text.
#[must_use]
pub fn free_tools(request: &Request) -> BTreeSet<String> {
    let free = request.tools.iter().filter(|tool| matches!(tool.kind, ToolKind::Free { .. }));
    free.map(|tool| tool.name.clone()).collect()
}
