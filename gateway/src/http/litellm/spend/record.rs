//! A request as a row of LiteLLM's spend logs. Prompts and answers are in no event, so they are in no row.

use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::activity::{Outcome, RequestRefused, RequestSettled};
use tallygate_core::key::Key;
use tallygate_core::money::NanoUsd;
use tallygate_core::time::Timestamp;
use tallygate_projections::{Ending, UsageRecord};

use crate::http::litellm::keys::team;

/// The row of a request. The id is the one in the upstream's answer, which is what the client saw; the call's own id
/// stands beside it.
pub(super) fn row(record: &UsageRecord, key: Option<&Key>) -> Value {
    let mut row = match &record.ending {
        Ending::Settled(settled) => of_settled(settled),
        Ending::Refused(refused) => of_refused(refused, record.at),
    };
    row["api_key"] = json!(key.map(|key| key.hash.to_string()).unwrap_or_default());
    row["team_id"] = json!(record.realm.as_ref().and_then(team));
    row["metadata"]["user_api_key"] = row["api_key"].clone();
    row["metadata"]["user_api_key_alias"] = json!(key.and_then(|key| key.alias.clone()));
    row["metadata"]["user_api_key_user_id"] = json!(key.and_then(|key| key.user.clone()));
    row["metadata"]["user_api_key_team_id"] = row["team_id"].clone();
    row["request_tags"] = match &record.ending {
        Ending::Settled(settled) => json!(settled.tags),
        Ending::Refused(_) => json!([]),
    };
    row
}

fn of_settled(settled: &RequestSettled) -> Value {
    let ended = Timestamp::from_millis(settled.started_at.millis().saturating_add_unsigned(settled.duration_ms));
    let first = settled.first_byte_ms.map(|ms| settled.started_at.millis().saturating_add_unsigned(ms));
    let usage = &settled.usage;
    let status = if settled.outcome == Outcome::Failed { "failure" } else { "success" };
    let call = settled.request.to_string();
    json!({
        "request_id": settled.provider_request.as_ref().unwrap_or(&call),
        "litellm_call_id": call,
        "call_type": settled.endpoint.call_type(),
        "spend": usd(settled.cost_nano_usd.unwrap_or(NanoUsd::ZERO)),
        "total_tokens": usage.total_tokens(),
        "prompt_tokens": usage.prompt_tokens(),
        "completion_tokens": usage.output_tokens,
        "startTime": settled.started_at,
        "endTime": ended,
        "completionStartTime": first.map(Timestamp::from_millis),
        "request_duration_ms": settled.duration_ms,
        "model": settled.upstream_model,
        "model_id": settled.deployment,
        "model_group": settled.model,
        "custom_llm_provider": settled.vendor,
        "api_base": "",
        "user": settled.user.as_ref().map_or("", |user| user.as_str()),
        "end_user": settled.end_user.as_deref().unwrap_or_default(),
        "cache_hit": "False",
        "cache_key": "Cache OFF",
        "organization_id": null,
        "requester_ip_address": null,
        "messages": {},
        "response": {},
        "proxy_server_request": {},
        "session_id": null,
        "mcp_namespaced_tool_name": null,
        "agent_id": null,
        "status": status,
        "metadata": {
            "status": status,
            "usage_object": {
                "prompt_tokens": usage.prompt_tokens(),
                "completion_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens(),
                "prompt_tokens_details": { "cached_tokens": usage.cached_input_tokens, "audio_tokens": usage.audio_input_tokens },
                "completion_tokens_details": {
                    "reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.audio_output_tokens,
                },
            },
            "tallygate": {
                "price_position": settled.price,
                "estimated": settled.estimated,
                "streamed": settled.streamed,
                "status": settled.status,
                "route": settled.route,
                "candidates": settled.candidates,
            },
        },
    })
}

fn of_refused(refused: &RequestRefused, at: Timestamp) -> Value {
    json!({
        "request_id": refused.request,
        "litellm_call_id": refused.request,
        "call_type": refused.endpoint.call_type(),
        "spend": usd(NanoUsd::ZERO),
        "total_tokens": 0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "startTime": at,
        "endTime": at,
        "completionStartTime": null,
        "request_duration_ms": 0,
        "model": refused.requested_model.as_ref().map_or("", |model| model.as_str()),
        "model_id": "",
        "model_group": refused.requested_model,
        "custom_llm_provider": "",
        "api_base": "",
        "user": "",
        "end_user": "",
        "cache_hit": "None",
        "cache_key": "Cache OFF",
        "organization_id": null,
        "requester_ip_address": null,
        "messages": {},
        "response": {},
        "proxy_server_request": {},
        "session_id": null,
        "mcp_namespaced_tool_name": null,
        "agent_id": null,
        "status": "failure",
        "metadata": {
            "status": "failure",
            "error_information": { "error_code": refused.status.to_string(), "error_class": refused.code },
            "tallygate": { "scope": refused.scope, "count": refused.count },
        },
    })
}
