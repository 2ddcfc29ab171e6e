//! Decisions about a request that depend on each other: reasoning, sampling, the form of the answer, the choice of tools.

use tallygate_core::conversation::{Effort, Format, Number, Request, Switch, ToolChoice, ToolKind};

use crate::dialect::efforts;
use crate::dialect::rejection::Rejection;
use crate::dialect::target::{Drops, ReasoningForm, SamplingRule, Structure, Target, output_limit};
use crate::dialect::turns::Script;

/// What is written where neither the client nor the catalog says how long an answer may be. LiteLLM does the same.
const OUTPUT_TOKENS: u64 = 4_096;
/// What is left for the answer beside its reasoning, at least.
const ANSWER_TOKENS_MIN: u64 = 1;

/// How the model shall reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Not said.
    Unsaid,
    Disabled,
    Adaptive,
    Budget(u64),
}

/// How the answer gets its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Any,
    /// By a schema that the model is given.
    Schema(String),
    /// By a tool that it must call, with this schema.
    Tool(String),
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) max_tokens: u64,
    pub(super) thinking: Thinking,
    pub(super) effort: Option<Effort>,
    pub(super) temperature: Option<Number>,
    pub(super) top_p: Option<Number>,
    pub(super) top_k: Option<u64>,
    pub(super) form: Form,
    pub(super) choice: Option<ToolChoice>,
}

impl Settings {
    pub(super) fn of(
        request: &Request,
        target: &Target<'_>,
        script: &Script<'_>,
        drops: &mut Drops<'_>,
    ) -> Result<Self, Rejection> {
        let asked = request.max_output_tokens;
        let limit = output_limit(target, asked, target.output_max_tokens.or(Some(OUTPUT_TOKENS)));
        let mut settings = Self {
            max_tokens: limit.unwrap_or(OUTPUT_TOKENS),
            thinking: Thinking::Unsaid,
            effort: None,
            temperature: request.sampling.temperature.as_ref().map(at_most_one),
            top_p: request.sampling.top_p.clone(),
            top_k: request.sampling.top_k,
            form: form(request, target),
            choice: request.tool_choice.clone(),
        };
        settings.reason(request, target);
        // A turn that goes on with a loop of calls must begin with the reasoning that led to them.
        if settings.thinks() && script.is_in_tool_loop() && !script.has_sealed_thought_in_loop() {
            settings.thinking = Thinking::Disabled;
            settings.effort = None;
            drops.note("reasoning_effort");
        }
        settings.sample(request, target, drops)?;
        settings.choose(request, drops)?;
        Ok(settings)
    }

    pub(super) const fn thinks(&self) -> bool {
        matches!(self.thinking, Thinking::Adaptive | Thinking::Budget(_))
    }

    fn reason(&mut self, request: &Request, target: &Target<'_>) {
        let reasoning = &request.reasoning;
        let abilities = target.abilities;
        let effort = reasoning.effort.map(|effort| effort.min(abilities.effort_max));
        match abilities.reasoning {
            ReasoningForm::None => {}
            ReasoningForm::Effort => {
                self.thinking = match (reasoning.switch, effort) {
                    (Some(Switch::Off), _) | (None, Some(Effort::None)) => Thinking::Disabled,
                    (Some(_), _) | (None, Some(_)) => Thinking::Adaptive,
                    (None, None) => Thinking::Unsaid,
                };
                let by_budget = match reasoning.switch {
                    Some(Switch::Budget(tokens)) => Some(efforts::of_budget(tokens)),
                    _ => None,
                };
                self.effort = effort.or(by_budget).filter(|_| self.thinks() || reasoning.switch.is_none());
                self.effort = self.effort.map(|effort| effort.max(Effort::Low)).filter(|_| self.thinks());
            }
            ReasoningForm::Budget => {
                let budget = match (reasoning.switch, effort) {
                    (Some(Switch::Off), _) | (None, Some(Effort::None)) => {
                        self.thinking = Thinking::Disabled;
                        None
                    }
                    (Some(Switch::Budget(tokens)), _) => Some((tokens, false)),
                    (_, Some(effort)) => efforts::to_budget(effort).map(|tokens| (tokens, true)),
                    (Some(Switch::Auto), None) => efforts::to_budget(Effort::Medium).map(|tokens| (tokens, true)),
                    (None, None) => None,
                };
                if let Some((tokens, is_beside)) = budget {
                    self.budget(tokens.max(abilities.reasoning_budget_min), is_beside, target);
                }
            }
        }
    }

    /// Sets a budget of reasoning. It counts against the limit of output, so that one grows by it as far as it may; what
    /// does not fit is taken from the budget.
    fn budget(&mut self, tokens: u64, is_beside: bool, target: &Target<'_>) {
        let most = [target.output_max_tokens, target.output_cap_tokens].into_iter().flatten().min();
        if is_beside || self.max_tokens <= tokens {
            let wanted = self.max_tokens.saturating_add(tokens);
            self.max_tokens = most.map_or(wanted, |most| wanted.min(most));
        }
        let tokens = tokens.min(self.max_tokens.saturating_sub(ANSWER_TOKENS_MIN));
        if tokens >= target.abilities.reasoning_budget_min {
            self.thinking = Thinking::Budget(tokens);
        }
    }

    fn sample(&mut self, request: &Request, target: &Target<'_>, drops: &mut Drops<'_>) -> Result<(), Rejection> {
        let missing =
            ["min_p", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "n"];
        drops.sampling(request, &missing)?;
        match target.abilities.sampling {
            SamplingRule::None => {
                drops.sampling(request, &["temperature", "top_p", "top_k"])?;
                (self.temperature, self.top_p, self.top_k) = (None, None, None);
            }
            SamplingRule::OneOf if self.temperature.is_some() && self.top_p.is_some() => {
                self.top_p = None;
                drops.note("top_p");
            }
            SamplingRule::OneOf | SamplingRule::All => {}
        }
        // While it reasons a model samples as it was trained to.
        if self.thinks() {
            if self.temperature.take().is_some_and(|value| value.as_f64() != Some(1.0)) {
                drops.note("temperature");
            }
            if self.top_k.take().is_some() {
                drops.note("top_k");
            }
            if self.top_p.as_ref().and_then(Number::as_f64).is_some_and(|share| share < 0.95) {
                self.top_p = None;
                drops.note("top_p");
            }
        }
        Ok(())
    }

    fn choose(&mut self, request: &Request, drops: &mut Drops<'_>) -> Result<(), Rejection> {
        if let Some(ToolChoice::Among { required, .. }) = &self.choice {
            let required = *required;
            drops.unsupported("tool_choice")?;
            self.choice = Some(if required { ToolChoice::Required } else { ToolChoice::Auto });
        }
        let is_forced = matches!(self.choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        if self.thinks() && is_forced {
            self.choice = Some(ToolChoice::Auto);
            drops.note("tool_choice");
        }
        if self.thinks() && matches!(self.form, Form::Tool(_)) {
            // The tool cannot be forced; it is offered, and what is said instead is text.
            self.choice = Some(ToolChoice::Auto);
        } else if matches!(self.form, Form::Tool(_)) {
            // With other tools at hand the model must call one of them or this one.
            let has_others = request.tools.iter().any(|tool| !matches!(tool.kind, ToolKind::Hosted { .. }));
            let named = ToolChoice::Named(crate::dialect::back::FORM_TOOL.to_owned());
            self.choice = Some(if has_others { ToolChoice::Required } else { named });
        }
        Ok(())
    }
}

/// Temperatures end at one here.
fn at_most_one(value: &Number) -> Number {
    match value.as_f64() {
        Some(temperature) if temperature > 1.0 => Number::from_f64(1.0).unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

fn form(request: &Request, target: &Target<'_>) -> Form {
    const ANY_OBJECT: &str = r#"{"type":"object","additionalProperties":true}"#;
    match &request.format {
        None | Some(Format::Text) => Form::Any,
        Some(Format::Json) => Form::Tool(ANY_OBJECT.to_owned()),
        Some(Format::Schema(schema)) if target.abilities.structure == Structure::Schema => {
            Form::Schema(super::schema::of_answer(&schema.schema))
        }
        Some(Format::Schema(schema)) => Form::Tool(super::schema::of_input(Some(&schema.schema))),
    }
}
