//! What a request is written for: one model at one upstream, and what that one can and cannot do.
//!
//! It is data. A row of vendors and a model's catalog entry fill it; a dialect reads what concerns it and knows no vendor
//! and no model's name.

use serde::Deserialize;
use tallygate_core::conversation::{Effort, Number, Request};

use super::rejection::{Reason, Rejection};

/// One model at one upstream.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The name that the upstream knows the model by.
    pub model: &'a str,
    /// The most tokens that the model can write, where that is known.
    pub output_max_tokens: Option<u64>,
    /// The most tokens that may be written for this request: what was held for. No limit that is written exceeds it.
    pub output_cap_tokens: Option<u64>,
    /// Whether parameters that the target has not are dropped instead of refused.
    pub drop_params: bool,
    /// Further parameters that are dropped for this model.
    pub also_drop: &'a [String],
    /// What it can and cannot do.
    pub abilities: &'a Abilities,
}

/// What a model at an upstream can and cannot do, beyond what its dialect says. The default is what most can.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Abilities {
    /// Which sampling parameters it takes.
    pub sampling: SamplingRule,
    /// Whether it takes stop sequences.
    pub stop: bool,
    /// Whether it takes images.
    pub images: bool,
    /// Whether it answers in a schema that it is given, in JSON without one, or not at all.
    pub structure: Structure,
    /// Whether JSON mode and tools can be used together.
    pub structure_with_tools: bool,
    /// How it wants to be told how much to reason.
    pub reasoning: ReasoningForm,
    /// Whether it can be told not to reason.
    pub reasoning_can_be_off: bool,
    /// The least budget of reasoning that it takes, in tokens.
    pub reasoning_budget_min: u64,
    /// The most effort that it knows.
    pub effort_max: Effort,
    /// Which earlier reasoning it wants back.
    pub reasoning_history: History,
    /// Whether it refuses an earlier call of a tool that has no mark of the reasoning before it.
    pub wants_marks: bool,
    /// Whether it knows tools that take free text.
    pub free_tools: bool,
    /// What it calls the limit of output.
    pub limit_field: super::openai_chat::LimitField,
    /// Whether it knows `developer` as a role.
    pub developer_role: bool,
    /// Whether instructions may stand between other messages.
    pub system_anywhere: bool,
    /// Whether the last message may be the beginning of its answer.
    pub prefill: bool,
    /// Its word for a tool that must be called.
    pub required_word: String,
    /// What it calls the seed of sampling.
    pub seed_field: String,
    /// Whether it takes the name of the end user.
    pub user_field: bool,
    /// Whether the usage of a stream must be asked for.
    pub usage_on_request: bool,
    /// The form of ids of tool calls that it takes.
    pub call_ids: CallIds,
    /// Whether it takes fields that its dialect does not have.
    pub unknown_fields: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self {
            sampling: SamplingRule::All,
            stop: true,
            images: true,
            structure: Structure::Schema,
            structure_with_tools: true,
            reasoning: ReasoningForm::Effort,
            reasoning_can_be_off: true,
            reasoning_budget_min: 1_024,
            effort_max: Effort::Max,
            reasoning_history: History::Strip,
            wants_marks: true,
            free_tools: false,
            limit_field: super::openai_chat::LimitField::MaxTokens,
            developer_role: false,
            system_anywhere: false,
            prefill: true,
            required_word: "required".to_owned(),
            seed_field: "seed".to_owned(),
            user_field: true,
            usage_on_request: true,
            call_ids: CallIds::Short,
            unknown_fields: true,
        }
    }
}

/// Which sampling parameters a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingRule {
    /// All that its dialect has.
    All,
    /// Temperature or `top_p`, not both.
    OneOf,
    /// None: it reasons.
    None,
}

/// How far a model's answer can be given a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Structure {
    /// By a schema.
    Schema,
    /// As JSON; a schema is put into the instructions.
    Json,
    /// Not at all by a parameter: by the call of a tool, or by instructions.
    None,
}

/// How a model wants to be told how much to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningForm {
    /// By a word.
    Effort,
    /// By a number of tokens.
    Budget,
    /// It does not reason, or cannot be told.
    None,
}

/// Which earlier reasoning a model wants back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// None: it refuses messages with any.
    Strip,
    /// That of the current loop of tool calls.
    ToolLoop,
    /// All, and an empty text where there was none.
    Always,
}

/// The form of ids of tool calls that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallIds {
    /// Any text up to 40 characters.
    Short,
    /// Exactly nine letters and digits.
    Nine,
}

/// Collects what of a request is left out, and refuses what must not be.
#[derive(Debug)]
pub struct Drops<'t> {
    drop_params: bool,
    also_drop: &'t [String],
    names: Vec<String>,
}

impl<'t> Drops<'t> {
    /// For a target.
    #[must_use]
    pub const fn new(target: &Target<'t>) -> Self {
        Self { drop_params: target.drop_params, also_drop: target.also_drop, names: Vec::new() }
    }

    /// Leaves a field out, whatever the policy: it changes nothing that the client could miss.
    pub fn note(&mut self, param: &str) {
        if !self.names.iter().any(|name| name == param) {
            self.names.push(param.to_owned());
        }
    }

    /// A field that the target has not.
    ///
    /// # Errors
    /// It must not be left out.
    pub fn unsupported(&mut self, param: &str) -> Result<(), Rejection> {
        if self.drop_params || self.also_drop.iter().any(|name| name == param) {
            self.note(param);
            return Ok(());
        }
        Err(Rejection::of(param, Reason::Unsupported))
    }

    /// A number that the target has not. One that means what the target does anyway is left out without a word: many
    /// clients send it with every call.
    ///
    /// # Errors
    /// It must not be left out.
    pub fn number(&mut self, param: &str, value: Option<&Number>, neutral: Option<f64>) -> Result<(), Rejection> {
        match value {
            Some(value) if neutral.is_none_or(|neutral| value.as_f64() != Some(neutral)) => self.unsupported(param),
            _ => Ok(()),
        }
    }

    /// Parameters of sampling that the target has not, by their names.
    ///
    /// # Errors
    /// One of them must not be left out.
    pub fn sampling(&mut self, request: &Request, params: &[&str]) -> Result<(), Rejection> {
        let sampling = &request.sampling;
        for param in params {
            match *param {
                "temperature" => self.number(param, sampling.temperature.as_ref(), Some(1.0))?,
                "top_p" => self.number(param, sampling.top_p.as_ref(), Some(1.0))?,
                "min_p" => self.number(param, sampling.min_p.as_ref(), Some(0.0))?,
                "seed" => self.number(param, sampling.seed.as_ref(), None)?,
                "frequency_penalty" => self.number(param, sampling.frequency_penalty.as_ref(), Some(0.0))?,
                "presence_penalty" => self.number(param, sampling.presence_penalty.as_ref(), Some(0.0))?,
                "top_k" if sampling.top_k.is_some() => self.unsupported(param)?,
                "logit_bias" if sampling.logit_bias.as_ref().is_some_and(|bias| bias.as_str() != "{}") => {
                    self.unsupported(param)?;
                }
                "logprobs" if sampling.logprobs == Some(true) => self.unsupported(param)?,
                "top_logprobs" if sampling.top_logprobs.is_some_and(|count| count > 0) => self.unsupported(param)?,
                "n" if request.choices.is_some_and(|choices| choices != 1) => self.unsupported(param)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Fields without a canonical form that the target has not. `refused` are those that change the answer so much that
    /// they are not left out without `drop_params`.
    ///
    /// # Errors
    /// One of them must not be left out.
    pub fn extras(&mut self, request: &Request, refused: &[&str]) -> Result<(), Rejection> {
        for extra in &request.extras.fields {
            let is_nothing = matches!(extra.value.as_str(), "null" | "[]" | "{}" | "false");
            if refused.contains(&extra.name.as_str()) && !is_nothing {
                self.unsupported(&extra.name)?;
            } else {
                self.note(&extra.name);
            }
        }
        Ok(())
    }

    /// What was left out, in the order in which it was found.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        self.names
    }
}

/// The limit of output to write: the client's, else `otherwise`, and never more than the model can or was held for.
#[must_use]
pub fn output_limit(target: &Target<'_>, asked: Option<u64>, otherwise: Option<u64>) -> Option<u64> {
    let most = [target.output_max_tokens, target.output_cap_tokens].into_iter().flatten().min();
    match asked.or(otherwise) {
        Some(limit) => Some(most.map_or(limit, |most| limit.min(most))),
        None => target.output_cap_tokens.and(most),
    }
}
