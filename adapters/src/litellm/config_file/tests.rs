//! What a file is read as, and what is found in it.

use super::{ConfigFile, Severity};

const FILE: &str = "\
model_list:
  - model_name: openai/gpt-5
    litellm_params:
      model: openai/gpt-5
      api_key: os.environ/LITELLM_OPENAI_API_KEY
      input_cost_per_token: 0.00000125
  - model_name: local
    litellm_params: {model: openai/llama, api_base: os.environ/LOCAL_BASE, drop_params: false}
litellm_settings:
  drop_params: true
  callbacks: [\"otel\"]
  max_budget: 100.5
  budget_duration: 30d
  fallbacks: [{\"openai/gpt-5\": [\"local\"]}]
router_settings:
  num_retries: 3
  routing_strategy: latency-based-routing
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  store_model_in_db: true
  otel: true
  disable_spend_logs: false
  mastre_key: typo
environment_variables:
  LOCAL_BASE: http://localhost:8000
";

fn read(text: &str) -> ConfigFile {
    ConfigFile::read(text, &|name| match name {
        "LITELLM_MASTER_KEY" => Some("sk-master".to_owned()),
        "LITELLM_OPENAI_API_KEY" | "OPENAI_TOKEN_EU" => Some("sk-canary".to_owned()),
        _ => None,
    })
}

/// The findings, as a reader sees them.
fn findings(text: &str) -> Vec<String> {
    read(text).findings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_declared_has_its_variables_and_defaults_in_place() {
    let file = read(FILE);
    assert!(file.is_usable());
    let bodies: Vec<&str> = file.models.iter().map(|model| model.body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            r#"{"model_name":"openai/gpt-5","litellm_params":{"model":"openai/gpt-5","api_key":"os.environ/LITELLM_OPENAI_API_KEY","input_cost_per_token":0.00000125,"drop_params":true}}"#,
            r#"{"model_name":"local","litellm_params":{"model":"openai/llama","api_base":"http://localhost:8000","drop_params":false}}"#,
        ]
    );
    assert_eq!(file.models[1].line, 7);
    let settings = &file.settings;
    assert_eq!((settings.master_key.as_deref(), settings.store_model_in_db), (Some("sk-master"), true));
    assert_eq!(settings.budget, Some((12, r#"{"max_budget":100.5,"budget_duration":"30d"}"#.to_owned())));
    assert_eq!((settings.routing.retries, settings.routing.strategy), (Some(3), Some("lowest_latency")));
    assert_eq!(settings.routing.fallbacks["openai/gpt-5"], ["local"]);
}

#[test]
fn every_key_without_an_effect_is_named_with_its_line() {
    assert_eq!(
        findings(FILE),
        [
            "line 11: warning: `litellm_settings.callbacks` is known and has no effect here yet",
            "line 21: warning: `general_settings.otel` is known and has no effect here yet",
            "line 23: warning: `general_settings.mastre_key` is unknown and has no effect",
        ]
    );
    let misplaced = findings("litellm_settings:\n  master_key: x\nmodels: []\n");
    assert!(misplaced[0].ends_with("it belongs into `general_settings`"), "{misplaced:?}");
    assert!(misplaced[1].contains("`models` is unknown"), "{misplaced:?}");
}

#[test]
fn headers_of_end_users_are_those_that_are_mapped_and_the_one_that_is_named() {
    let file = read(
        "general_settings:\n  user_header_name: X-User\n  user_header_mappings:\n    - {header_name: X-Customer, litellm_user_role: customer}\n    - {header_name: X-Staff, litellm_user_role: internal_user}\n",
    );
    assert_eq!(file.settings.end_user_headers, ["x-customer", "x-user"]);
    let told: Vec<String> = file.findings.iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].starts_with("line 4: warning: ") && told[0].contains("x-staff"), "{told:?}");
    for wrong in ["user_header_name: a b", "user_header_mappings: [{header_name: a}]", "user_header_mappings: x"] {
        assert!(!read(&format!("general_settings:\n  {wrong}\n")).is_usable(), "{wrong}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "model_list:\n  - litellm_params: {model: a}\n  - {model_name: a, litellm_params: {model: b}}\n  - {model_name: a, litellm_params: {model: b}}\n\
                general_settings:\n  store_model_in_db: perhaps\nrouter_settings:\n  routing_strategy: best\n  fallbacks: [a]\n\
                litellm_settings: [1]\n";
    let file = read(text);
    let errors: Vec<usize> = file
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.line)
        .collect();
    assert_eq!(errors, [2, 4, 6, 8, 9, 10], "{:?}", file.findings);
    assert!(file.findings[1].message.contains("`a` is declared twice"), "{}", file.findings[1]);
    assert!(!read("a: [").is_usable() && !read("- a\n").is_usable() && read("").is_usable());
}

#[test]
fn a_providers_key_stays_a_name_where_it_can_and_the_gateways_own_are_out_of_reach() {
    let of = |name: &str| {
        read(&format!("model_list:\n  - model_name: a\n    litellm_params: {{model: b, api_key: os.environ/{name}}}\n"))
    };
    assert!(of("LITELLM_OPENAI_API_KEY").models[0].body.contains("os.environ/LITELLM_OPENAI_API_KEY"));
    assert!(of("OPENAI_TOKEN_EU").models[0].body.contains("sk-canary"));
    assert!(!format!("{:?}", of("OPENAI_TOKEN_EU")).contains("canary"));
    assert!(!of("LITELLM_MASTER_KEY").is_usable());
    let unset = of("OTHER_API_KEY");
    assert!(unset.is_usable() && unset.findings[0].message.contains("OTHER_API_KEY, which is not set"));
}
