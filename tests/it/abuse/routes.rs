//! The routes there are, each in exactly one list: a new route fails here until someone says who may use it.

use std::collections::BTreeSet;

use crate::tidy::repository::repository;

/// Only for the operator, and, of what changes keys, teams and users, for keys of users whose role includes it.
pub const ADMIN: [(&str, &str); 115] = [
    ("POST", "/api/commands"),
    ("GET", "/api/state"),
    ("GET", "/api/limits"),
    ("GET", "/api/prices"),
    ("GET", "/api/budgets"),
    ("GET", "/api/suspense"),
    ("POST", "/api/suspense/close"),
    ("POST", "/api/spend/elsewhere"),
    ("POST", "/key/generate"),
    ("POST", "/key/update"),
    ("POST", "/key/regenerate"),
    ("POST", "/key/{key}/regenerate"),
    ("POST", "/key/block"),
    ("POST", "/key/unblock"),
    ("POST", "/key/delete"),
    ("POST", "/model/new"),
    ("POST", "/model/update"),
    ("PATCH", "/model/{id}/update"),
    ("POST", "/model/delete"),
    ("GET", "/global/spend"),
    ("POST", "/key/bulk_update"),
    ("POST", "/key/{key}/reset_spend"),
    ("POST", "/team/new"),
    ("POST", "/team/update"),
    ("POST", "/team/delete"),
    ("POST", "/team/block"),
    ("POST", "/team/unblock"),
    ("POST", "/team/model/add"),
    ("POST", "/team/model/delete"),
    ("POST", "/team/bulk_member_add"),
    ("POST", "/team/permissions_update"),
    ("POST", "/team/member_add"),
    ("POST", "/team/member_update"),
    ("POST", "/team/member_delete"),
    ("POST", "/organization/new"),
    ("PATCH", "/organization/update"),
    ("DELETE", "/organization/delete"),
    ("POST", "/user/new"),
    ("POST", "/user/update"),
    ("POST", "/user/delete"),
    ("POST", "/user/bulk_update"),
    ("POST", "/organization/member_add"),
    ("PATCH", "/organization/member_update"),
    ("DELETE", "/organization/member_delete"),
    ("POST", "/global/spend/end_users"),
    ("POST", "/global/spend/reset"),
    ("GET", "/global/spend/report"),
    ("GET", "/global/spend/tags"),
    ("GET", "/global/spend/all_tag_names"),
    ("GET", "/spend/tags"),
    ("POST", "/budget/new"),
    ("POST", "/budget/update"),
    ("POST", "/budget/delete"),
    ("POST", "/budget/info"),
    ("GET", "/budget/list"),
    ("GET", "/budget/settings"),
    ("POST", "/tag/new"),
    ("POST", "/tag/update"),
    ("POST", "/tag/delete"),
    ("POST", "/customer/new"),
    ("POST", "/customer/update"),
    ("POST", "/customer/delete"),
    ("POST", "/customer/block"),
    ("POST", "/customer/unblock"),
    ("POST", "/end_user/new"),
    ("POST", "/end_user/update"),
    ("POST", "/end_user/delete"),
    ("POST", "/end_user/block"),
    ("POST", "/end_user/unblock"),
    ("GET", "/spend/keys"),
    ("GET", "/spend/users"),
    ("GET", "/global/spend/keys"),
    ("GET", "/global/spend/models"),
    ("GET", "/global/spend/teams"),
    ("GET", "/global/spend/provider"),
    ("GET", "/global/spend/logs"),
    ("GET", "/global/activity"),
    ("GET", "/global/activity/model"),
    ("POST", "/fallback"),
    ("GET", "/fallback/{*model}"),
    ("DELETE", "/fallback/{*model}"),
    ("GET", "/api/mirror"),
    ("GET", "/api/sessions"),
    ("DELETE", "/api/sessions"),
    ("DELETE", "/api/sessions/{session}"),
    ("PUT", "/api/users/{user}/password"),
    ("GET", "/api/models"),
    ("POST", "/api/models"),
    ("GET", "/api/models/{model}"),
    ("PATCH", "/api/models/{model}"),
    ("DELETE", "/api/models/{model}"),
    ("GET", "/api/models/{model}/realms"),
    ("POST", "/api/models/{model}/realms"),
    ("DELETE", "/api/models/{model}/realms/{realm}"),
    ("GET", "/api/realms"),
    ("POST", "/api/realms"),
    ("GET", "/api/realms/{realm}"),
    ("PATCH", "/api/realms/{realm}"),
    ("DELETE", "/api/realms/{realm}"),
    ("POST", "/api/realms/{realm}/suspend"),
    ("POST", "/api/realms/{realm}/resume"),
    ("POST", "/api/realms/{realm}/key"),
    ("GET", "/api/agents"),
    ("POST", "/api/agents"),
    ("GET", "/api/agents/{agent}"),
    ("DELETE", "/api/agents/{agent}"),
    ("POST", "/api/agents/{agent}/token"),
    ("GET", "/api/agents/{agent}/llm-config"),
    ("PUT", "/api/agents/{agent}/llm-config"),
    ("DELETE", "/api/agents/{agent}/llm-config"),
    ("GET", "/api/agents/{agent}/realm-llm"),
    ("GET", "/api/agents/{agent}/realms"),
    ("POST", "/api/agents/{agent}/realms"),
    ("DELETE", "/api/agents/{agent}/realms/{realm}"),
    ("POST", "/api/agents/{agent}/realms/{realm}/key"),
];

/// The same as the ones above, by another word for a realm: `tests/it/control_plane/realms.rs` asks them.
const SYNONYMS: [&str; 10] = [
    "/api/workspaces",
    "/api/workspaces/{realm}",
    "/api/workspaces/{realm}/suspend",
    "/api/workspaces/{realm}/resume",
    "/api/workspaces/{realm}/key",
    "/api/models/{model}/workspaces",
    "/api/models/{model}/workspaces/{realm}",
    "/api/agents/{agent}/workspaces",
    "/api/agents/{agent}/workspaces/{realm}",
    "/api/agents/{agent}/workspaces/{realm}/key",
];

/// For agents, by their tokens.
const AGENTS: [&str; 1] = ["/api/agents/ws"];

/// For an agent by its token, any key of a realm that the agent is in, and, where the agent is open, this machine: see
/// `control_plane::a2a_refusals`.
const CONVERSATIONS: [&str; 3] =
    ["/a2a/{agent}", "/a2a/{agent}/.well-known/agent-card.json", "/a2a/{agent}/.well-known/agent.json"];

/// For any key, which reads and chooses what is its own.
pub const OWN: [(&str, &str); 37] = [
    ("GET", "/key/list"),
    ("GET", "/key/info"),
    ("POST", "/v2/key/info"),
    ("GET", "/model/info"),
    ("GET", "/v1/model/info"),
    ("GET", "/model_group/info"),
    ("GET", "/spend/logs"),
    ("GET", "/health"),
    ("GET", "/models/list"),
    ("GET", "/models/providers"),
    ("GET", "/models/current"),
    ("POST", "/models/select"),
    ("POST", "/models/undo"),
    ("GET", "/models/history"),
    ("GET", "/models/presets"),
    ("POST", "/models/presets"),
    ("DELETE", "/models/presets"),
    ("GET", "/team/info"),
    ("GET", "/team/permissions_list"),
    ("GET", "/team/available"),
    ("GET", "/team/list"),
    ("GET", "/v2/team/list"),
    ("GET", "/team/daily/activity"),
    ("GET", "/organization/info"),
    ("GET", "/organization/list"),
    ("GET", "/user/info"),
    ("GET", "/user/list"),
    ("GET", "/customer/info"),
    ("GET", "/customer/list"),
    ("GET", "/end_user/info"),
    ("GET", "/end_user/list"),
    ("GET", "/user/daily/activity"),
    ("GET", "/tag/daily/activity"),
    ("POST", "/tag/info"),
    ("GET", "/tag/list"),
    ("GET", "/customer/daily/activity"),
    ("GET", "/end_user/daily/activity"),
];

/// For any key, whatever it may call: it tells nothing of anybody.
const ANY_KEY: [&str; 3] = ["/utils/token_counter", "/api/route/explain", "/spend/calculate"];

/// For any key that may call the model.
const INFERENCE: [&str; 37] = [
    "/api/compare",
    "/chat/completions",
    "/v1/chat/completions",
    "/embeddings",
    "/v1/embeddings",
    "{prefix}/models",
    "{prefix}/models/{{*id}}",
    "/engines/{*rest}",
    "/openai/deployments/{*rest}",
    "/v1/moderations",
    "/moderations",
    "/v1/images/generations",
    "/images/generations",
    "/v1/images/edits",
    "/images/edits",
    "/v1/images/variations",
    "/images/variations",
    "/v1/audio/speech",
    "/audio/speech",
    "/v1/audio/transcriptions",
    "/audio/transcriptions",
    "/v1/audio/translations",
    "/audio/translations",
    "/v1/completions",
    "/completions",
    "/v1/messages",
    "/anthropic/v1/messages",
    "/v1/messages/count_tokens",
    "/anthropic/v1/messages/count_tokens",
    "/v1/responses",
    "/responses",
    "/v1beta/models",
    "/v1beta/models/{*rest}",
    "/gemini/v1beta/models/{*rest}",
    "/api/chat",
    "/api/embed",
    "/api/embeddings",
];

/// For everybody.
pub const OPEN: [&str; 4] = ["/health/liveliness", "/health/liveness", "/health/readiness", "/metrics"];

/// For everybody: what this version can do, and nothing of an installation but where it is.
const DOCUMENT: [&str; 3] =
    ["/openapi.json", "/.well-known/litellm-ui-config", "/litellm/.well-known/litellm-ui-config"];

/// For whoever has something to sign in with, as `POST /api/sessions`: see `sessions::signing_in`.
const SIGN_IN: [&str; 2] = ["/login", "/v2/login"];

/// For everybody, and nothing comes of them.
const QUIET: [&str; 3] = ["/", "/api/hello", "/api/event_logging/batch"];

/// Where the paths stand by which clients of each vendor call.
const DOORS: &str = "adapters/src/provider/doors.rs";

#[test]
fn every_route_is_in_one_list_of_who_may_use_it() {
    let mut found = BTreeSet::new();
    for (_, text) in repository().texts.iter().filter(|(path, _)| path.starts_with("gateway/src/http")) {
        for piece in text.split("route(").skip(1) {
            let piece = piece.trim_start().trim_start_matches("&format!(");
            found.extend(piece.strip_prefix('"').and_then(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    for (_, text) in repository().texts.iter().filter(|(path, _)| *path == DOORS) {
        found.extend(text.split('"').skip(1).step_by(2).filter(|literal| literal.starts_with('/')).map(str::to_owned));
    }
    let managed = ADMIN.iter().chain(&OWN).map(|(_, path)| *path);
    let known = managed
        .chain(SYNONYMS)
        .chain(AGENTS)
        .chain(CONVERSATIONS)
        .chain(ANY_KEY)
        .chain(INFERENCE)
        .chain(OPEN)
        .chain(DOCUMENT)
        .chain(SIGN_IN)
        .chain(QUIET)
        .map(str::to_owned)
        .collect::<BTreeSet<_>>();
    assert_eq!(found, known);
}
