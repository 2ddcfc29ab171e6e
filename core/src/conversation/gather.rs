//! From a stream to a whole answer and back: for clients that want the other form than their upstream gives.

use super::{Choice, Content, Delta, Part, Response, Seal, SealForm, Text, Thought, ToolCall};

/// An answer that is longer than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is longer than {limit_bytes} bytes")]
pub struct TooLong {
    /// The limit.
    pub limit_bytes: usize,
}

/// Gathers a stream into a whole answer.
#[derive(Debug)]
pub struct Gather {
    response: Response,
    /// By choice and call: the place of the call among the choice's parts.
    calls: Vec<(u32, u32, usize)>,
    left_bytes: usize,
    limit_bytes: usize,
}

/// What an event costs beside its text.
const EVENT_BYTES: usize = 64;
/// Choices beyond this are not kept.
const CHOICES_MAX: u32 = super::LIMITS.choices as u32;

impl Gather {
    /// Gathers at most so many bytes.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self { response: Response::default(), calls: Vec::new(), left_bytes: limit_bytes, limit_bytes }
    }

    /// Takes one event. Text that follows text of the same kind is one part.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn push(&mut self, delta: Delta) -> Result<(), TooLong> {
        match delta {
            Delta::Start { id, model } => {
                self.response.id = id.or(self.response.id.take());
                self.response.model = model.or(self.response.model.take());
                Ok(())
            }
            Delta::Text { choice, text, .. } => self.append(choice, Content::Text(text)),
            Delta::Refusal { choice, text } => self.append(choice, Content::Refusal(text)),
            Delta::Thought { choice, text } => self.append(choice, Content::Thought(Thought { text, seal: None })),
            Delta::Seal { choice, seal } => self.seal(choice, seal),
            Delta::CallStart { choice, call, id, name, is_free, seal } => {
                let place = self.choice(choice).parts.len();
                self.calls.push((choice, call, place));
                let call = ToolCall { id, name, arguments: Text::default(), is_free, seal };
                self.append(choice, Content::ToolCall(call))
            }
            Delta::CallArguments { choice, call, text } => self.arguments(choice, call, &text),
            Delta::CallEnd { .. } | Delta::End => Ok(()),
            Delta::Finish { choice, ending } => {
                self.choice(choice).ending = ending;
                Ok(())
            }
            Delta::Usage(used) => {
                self.response.used = Some(used);
                Ok(())
            }
        }
    }

    /// The answer so far.
    #[must_use]
    pub fn finish(self) -> Response {
        self.response
    }

    fn choice(&mut self, choice: u32) -> &mut Choice {
        let index = choice.min(CHOICES_MAX - 1) as usize;
        if self.response.choices.len() <= index {
            self.response.choices.resize_with(index + 1, Choice::default);
        }
        &mut self.response.choices[index]
    }

    fn spend(&mut self, bytes: usize) -> Result<(), TooLong> {
        let left = self.left_bytes.checked_sub(bytes.saturating_add(EVENT_BYTES));
        self.left_bytes = left.ok_or(TooLong { limit_bytes: self.limit_bytes })?;
        Ok(())
    }

    fn append(&mut self, choice: u32, content: Content) -> Result<(), TooLong> {
        self.spend(length(&content))?;
        let parts = &mut self.choice(choice).parts;
        match (parts.last_mut().map(|part| &mut part.content), content) {
            (Some(Content::Text(text)), Content::Text(more))
            | (Some(Content::Refusal(text)), Content::Refusal(more))
            | (
                Some(Content::Thought(Thought { text, seal: None })),
                Content::Thought(Thought { text: more, seal: None }),
            ) => text.push_str(&more),
            (_, content) => parts.push(Part::from(content)),
        }
        Ok(())
    }

    fn seal(&mut self, choice: u32, seal: Seal) -> Result<(), TooLong> {
        self.spend(seal.data.len())?;
        let parts = &mut self.choice(choice).parts;
        match parts.last_mut().map(|part| &mut part.content) {
            Some(Content::Thought(thought)) if thought.seal.is_none() && seal.form != SealForm::Redacted => {
                thought.seal = Some(seal);
            }
            _ => parts.push(Content::Thought(Thought { text: Text::default(), seal: Some(seal) }).into()),
        }
        Ok(())
    }

    fn arguments(&mut self, choice: u32, call: u32, more: &str) -> Result<(), TooLong> {
        self.spend(more.len())?;
        let place = self.calls.iter().find(|known| (known.0, known.1) == (choice, call)).map(|known| known.2);
        let part = place.and_then(|place| self.choice(choice).parts.get_mut(place));
        if let Some(Part { content: Content::ToolCall(call), .. }) = part {
            call.arguments.push_str(more);
        }
        Ok(())
    }
}

fn length(content: &Content) -> usize {
    match content {
        Content::Text(text) | Content::Refusal(text) => text.len(),
        Content::Thought(thought) => thought.text.len(),
        Content::ToolCall(call) => call.id.len() + call.name.len(),
        _ => 0,
    }
}

/// A whole answer as the events of a stream.
#[must_use]
pub fn deltas(response: Response) -> Vec<Delta> {
    let mut out = vec![Delta::Start { id: response.id, model: response.model }];
    for (choice, answer) in (0..).zip(response.choices) {
        let mut call = 0;
        let mut logprobs = answer.logprobs;
        for part in answer.parts {
            match part.content {
                Content::Text(text) => out.push(Delta::Text { choice, text, logprobs: logprobs.take() }),
                Content::Refusal(text) => out.push(Delta::Refusal { choice, text }),
                Content::Thought(Thought { text, seal }) => {
                    if !text.is_empty() {
                        out.push(Delta::Thought { choice, text });
                    }
                    out.extend(seal.map(|seal| Delta::Seal { choice, seal }));
                }
                Content::ToolCall(ToolCall { id, name, arguments: text, is_free, seal }) => {
                    out.push(Delta::CallStart { choice, call, id, name, is_free, seal });
                    out.push(Delta::CallArguments { choice, call, text });
                    out.push(Delta::CallEnd { choice, call });
                    call += 1;
                }
                // No answer holds any of these in a form that a stream of another dialect could carry.
                Content::Image { .. }
                | Content::Audio { .. }
                | Content::File { .. }
                | Content::ToolResult(_)
                | Content::Other { .. } => {}
            }
        }
        out.push(Delta::Finish { choice, ending: answer.ending });
    }
    out.extend(response.used.map(Delta::Usage));
    out.push(Delta::End);
    out
}
