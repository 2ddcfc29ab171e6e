//! The keys of the file: those that have an effect, and those that are LiteLLM's and have none here. Any other is a mistake.

use super::{Finding, Node, Value};

/// The section of deployments.
pub(super) const MODELS: &str = "model_list";
/// The section of variables.
pub(super) const ENVIRONMENT: &str = "environment_variables";
/// Settings of calls.
pub(super) const LITELLM: &str = "litellm_settings";
/// Settings of routing.
pub(super) const ROUTER: &str = "router_settings";
/// Settings of the proxy.
pub(super) const GENERAL: &str = "general_settings";

/// A section's keys.
struct Keys {
    section: &'static str,
    /// Those with an effect.
    used: &'static [&'static str],
    /// LiteLLM's others.
    known: &'static [&'static str],
}

const TOP: Keys = Keys {
    section: "",
    used: &[MODELS, LITELLM, ROUTER, GENERAL, ENVIRONMENT],
    known: &[
        "include",
        "credential_list",
        "guardrails",
        "mcp_servers",
        "mcp_tools",
        "vector_store_registry",
        "search_tools",
        "prompts",
        "teams",
        "files_settings",
        "finetune_settings",
        "callback_settings",
        "assistant_settings",
    ],
};

const SECTIONS: [Keys; 3] = [
    Keys {
        section: LITELLM,
        used: &[
            "allowed_fails",
            "budget_duration",
            "budget_exceeded_status_code",
            "content_policy_fallbacks",
            "context_window_fallbacks",
            "default_fallbacks",
            "drop_params",
            "fallbacks",
            "max_budget",
            "num_retries",
            "request_timeout",
        ],
        known: &[
            "cache",
            "cache_params",
            "callbacks",
            "default_internal_user_params",
            "default_key_generate_params",
            "default_team_settings",
            "failure_callback",
            "force_ipv4",
            "guardrails",
            "include_cost_in_streaming_usage",
            "json_logs",
            "key_generation_settings",
            "max_end_user_budget",
            "max_end_user_budget_id",
            "model_alias_map",
            "modify_params",
            "public_model_groups",
            "redact_user_api_key_info",
            "require_auth_for_metrics_endpoint",
            "service_callback",
            "set_verbose",
            "store_audit_logs",
            "success_callback",
            "telemetry",
            "timezone",
            "turn_off_message_logging",
            "upperbound_key_generate_params",
        ],
    },
    Keys {
        section: ROUTER,
        used: &[
            "allowed_fails",
            "content_policy_fallbacks",
            "context_window_fallbacks",
            "cooldown_time",
            "default_fallbacks",
            "disable_cooldowns",
            "fallbacks",
            "num_retries",
            "routing_strategy",
            "timeout",
        ],
        known: &[
            "allowed_fails_policy",
            "default_max_parallel_requests",
            "enable_pre_call_checks",
            "enable_tag_filtering",
            "max_fallbacks",
            "model_group_alias",
            "model_group_retry_policy",
            "optional_pre_call_checks",
            "polling_interval",
            "provider_budget_config",
            "redis_host",
            "redis_password",
            "redis_port",
            "redis_url",
            "retry_after",
            "retry_policy",
            "routing_strategy_args",
            "stream_timeout",
        ],
    },
    Keys {
        section: GENERAL,
        used: &["master_key", "max_request_size_mb", "store_model_in_db", "user_header_mappings", "user_header_name"],
        known: &[
            "admin_only_routes",
            "alert_to_webhook_url",
            "alert_types",
            "alerting",
            "alerting_args",
            "alerting_threshold",
            "allow_client_side_credentials",
            "allow_requests_on_db_unavailable",
            "allowed_ips",
            "allowed_routes",
            "background_health_checks",
            "completion_model",
            "custom_auth",
            "custom_ui_sso_sign_in_handler",
            "database_connection_pool_limit",
            "database_connection_timeout",
            "database_url",
            "disable_adding_master_key_hash_to_db",
            "disable_error_logs",
            "disable_reset_budget",
            "disable_spend_logs",
            "enable_jwt_auth",
            "enforce_user_param",
            "forward_client_headers_to_llm_api",
            "global_max_parallel_requests",
            "health_check_details",
            "health_check_interval",
            "infer_model_from_keys",
            "key_management_settings",
            "key_management_system",
            "litellm_jwtauth",
            "litellm_key_header_name",
            "max_parallel_requests",
            "max_response_size_mb",
            "maximum_spend_logs_retention_interval",
            "maximum_spend_logs_retention_period",
            "otel",
            "pass_through_endpoints",
            "proxy_batch_write_at",
            "proxy_budget_rescheduler_max_time",
            "proxy_budget_rescheduler_min_time",
            "public_routes",
            "reject_clientside_metadata_tags",
            "store_prompts_in_spend_logs",
            "supported_db_objects",
            "token_rate_limit_type",
            "ui_access_mode",
            "use_redis_transaction_buffer",
            "use_x_forwarded_for",
            "user_api_key_cache_ttl",
        ],
    },
];

/// Names every key that has no effect, unless it says nothing.
pub(super) fn check(root: &Node, findings: &mut Vec<Finding>) {
    check_section(root, &TOP, findings);
    for keys in &SECTIONS {
        let Some(section) = root.get(keys.section) else { continue };
        match section.value {
            Value::Map(_) => check_section(section, keys, findings),
            Value::Null => {}
            _ => findings.push(Finding::error(section.line, keys.section, "is no map")),
        }
    }
}

fn check_section(section: &Node, keys: &Keys, findings: &mut Vec<Finding>) {
    for entry in section.entries() {
        let key = entry.key.as_str();
        let path = if keys.section.is_empty() { key.to_owned() } else { format!("{}.{key}", keys.section) };
        if keys.used.contains(&key) {
            continue;
        }
        if !keys.known.contains(&key) {
            let message = match elsewhere(key, keys.section) {
                Some(section) => format!("is unknown here and has no effect: it belongs into `{section}`"),
                None => "is unknown and has no effect".to_owned(),
            };
            findings.push(Finding::warning(entry.line, path, message));
        } else if !entry.node.says_nothing() {
            findings.push(Finding::warning(entry.line, path, "is known and has no effect here yet"));
        }
    }
}

/// The section that a key belongs into, if it is one of another.
fn elsewhere(key: &str, here: &str) -> Option<&'static str> {
    let others = SECTIONS.iter().filter(|keys| keys.section != here);
    let mut holding = others.filter(|keys| keys.used.contains(&key) || keys.known.contains(&key));
    holding.next().map(|keys| keys.section)
}
