//! A conversation as dialects want it that know two speakers, who take turns.
//!
//! Instructions are taken out of the turns or made part of the user's; messages of one speaker that follow each other
//! become one turn; the results of a turn's calls stand together in the turn after it, before anything else. A result
//! whose call nobody made is left out, and a call without a result gets one that says so: providers refuse both.

use tallygate_core::conversation::{Content, Message, Part, Role, ToolCall, ToolResult};

/// A conversation in turns.
#[derive(Debug, Default)]
pub(super) struct Script<'m> {
    /// The instructions.
    pub(super) system: Vec<&'m Part>,
    /// The turns.
    pub(super) turns: Vec<Turn<'m>>,
    /// Results that were left out, by their place among the messages.
    pub(super) orphans: Vec<usize>,
}

/// What one speaker says before the other does.
#[derive(Debug)]
pub(super) struct Turn<'m> {
    /// Whether the model speaks.
    pub(super) is_model: bool,
    /// Results of the calls of the turn before, in the order in which they came.
    pub(super) results: Vec<Outcome<'m>>,
    /// Everything else.
    pub(super) parts: Vec<&'m Part>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'m> {
    /// Its result.
    Told(&'m ToolCall, &'m ToolResult),
    /// Nothing: the client sent none.
    Missing(&'m ToolCall),
}

impl<'m> Outcome<'m> {
    /// The call.
    #[must_use]
    pub(super) const fn call(&self) -> &'m ToolCall {
        match self {
            Self::Told(call, _) | Self::Missing(call) => call,
        }
    }
}

/// Where instructions go that stand between other messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// To the other instructions.
    Hoisted,
    /// Into the user's turn.
    SaidByUser,
}

impl Turn<'_> {
    const fn new(is_model: bool) -> Self {
        Self { is_model, results: Vec::new(), parts: Vec::new() }
    }
}

/// Puts messages into turns.
#[must_use]
pub(super) fn script(messages: &[Message], late: Late) -> Script<'_> {
    let mut script = Script::default();
    let mut open: Vec<&ToolCall> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        match message.role {
            Role::System | Role::Developer if script.turns.is_empty() || late == Late::Hoisted => {
                script.system.extend(&message.parts);
            }
            Role::System | Role::Developer | Role::User => {
                script.turn(false).parts.extend(&message.parts);
            }
            Role::Assistant => {
                // Calls of one turn may come in messages of their own: they are open while the model speaks.
                if script.turns.last().is_some_and(|turn| !turn.is_model) {
                    script.close(&mut open);
                }
                open.extend(message.calls());
                script.turn(true).parts.extend(&message.parts);
            }
            Role::Tool => {
                for result in message.results() {
                    match open.iter().position(|call| call.id == result.call_id) {
                        Some(at) => {
                            let call = open.remove(at);
                            script.turn(false).results.push(Outcome::Told(call, result));
                        }
                        None => script.orphans.push(index),
                    }
                }
            }
        }
    }
    script.close(&mut open);
    script
}

impl<'m> Script<'m> {
    fn turn(&mut self, is_model: bool) -> &mut Turn<'m> {
        if self.turns.last().is_none_or(|turn| turn.is_model != is_model) {
            self.turns.push(Turn::new(is_model));
        }
        let last = self.turns.len() - 1;
        &mut self.turns[last]
    }

    /// Says of calls that are still open that they have no result.
    fn close(&mut self, open: &mut Vec<&'m ToolCall>) {
        if !open.is_empty() {
            self.turn(false).results.extend(open.drain(..).map(Outcome::Missing));
        }
    }

    /// Whether the last turn brings results: the model is in the middle of a loop of calls.
    #[must_use]
    pub(super) fn is_in_tool_loop(&self) -> bool {
        self.turns.last().is_some_and(|turn| !turn.results.is_empty())
    }

    /// Whether the turn that made the calls whose results come last has reasoning that a provider knows again.
    #[must_use]
    pub(super) fn has_sealed_thought_in_loop(&self) -> bool {
        let caller = self.turns.iter().rev().find(|turn| turn.is_model);
        let is_sealed = |part: &&Part| matches!(&part.content, Content::Thought(thought) if thought.seal.is_some());
        caller.is_some_and(|turn| turn.parts.iter().any(is_sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::{Late, Outcome, script};
    use tallygate_core::conversation::{Content, Message, Role, ToolCall, ToolResult};

    fn call(id: &str) -> Content {
        Content::ToolCall(ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments: "{}".into(),
            is_free: false,
            seal: None,
        })
    }

    fn result(id: &str) -> Message {
        let result = ToolResult { call_id: id.to_owned(), name: None, parts: Vec::new(), is_error: false };
        Message::new(Role::Tool, [Content::ToolResult(result)])
    }

    fn say(role: Role, text: &str) -> Message {
        Message::new(role, [Content::Text(text.into())])
    }

    /// `s2 u1 m2 u1+b+a!`: two instructions, a user's turn of one part, a model's of two, results and a missing one.
    fn sketch(messages: &[Message], late: Late) -> String {
        let script = script(messages, late);
        let turn = |turn: &super::Turn<'_>| {
            let outcome = |outcome: &Outcome<'_>| match outcome {
                Outcome::Told(call, _) => format!("+{}", call.id),
                Outcome::Missing(call) => format!("+{}!", call.id),
            };
            let speaker = if turn.is_model { "m" } else { "u" };
            let results: String = turn.results.iter().map(outcome).collect();
            format!(" {speaker}{}{results}", turn.parts.len())
        };
        let turns: String = script.turns.iter().map(turn).collect();
        format!("s{}{turns} lost{:?}", script.system.len(), script.orphans)
    }

    #[test]
    fn speakers_take_turns_and_results_stand_together() {
        let messages = [
            say(Role::System, "a"),
            say(Role::Developer, "b"),
            say(Role::User, "c"),
            say(Role::User, "d"),
            Message::new(Role::Assistant, [call("1"), call("2")]),
            result("2"),
            result("1"),
            say(Role::User, "e"),
            say(Role::System, "late"),
        ];
        assert_eq!(sketch(&messages, Late::Hoisted), "s3 u2 m2 u1+2+1 lost[]");
        assert_eq!(sketch(&messages, Late::SaidByUser), "s2 u2 m2 u2+2+1 lost[]");
    }

    #[test]
    fn a_call_without_result_gets_one_and_a_result_without_call_is_left_out() {
        let messages = [
            say(Role::User, "a"),
            result("nobody"),
            Message::new(Role::Assistant, [call("1"), call("2")]),
            result("2"),
            result("2"),
            say(Role::Assistant, "b"),
            Message::new(Role::Assistant, [call("3")]),
        ];
        assert_eq!(sketch(&messages, Late::Hoisted), "s0 u1 m2 u0+2+1! m2 u0+3! lost[1, 4]");
    }
}
