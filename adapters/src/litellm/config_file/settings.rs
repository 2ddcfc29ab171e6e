//! The settings of the file that have an effect.

use std::collections::BTreeMap;

use http::HeaderName;

use super::keys::{ENVIRONMENT, GENERAL, LITELLM, ROUTER};
use super::reference;
use super::{Finding, Node, Value};

/// What of the file has an effect beside its deployments. It holds secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `general_settings.master_key`.
    pub master_key: Option<String>,
    /// `general_settings.store_model_in_db`: whether what is declared may be changed by others too.
    pub store_model_in_db: bool,
    /// `general_settings.max_request_size_mb`, in bytes.
    pub body_max_bytes: Option<usize>,
    /// `general_settings.user_header_name`, and those of `user_header_mappings` that name customers.
    pub end_user_headers: Vec<HeaderName>,
    /// `litellm_settings.budget_exceeded_status_code`.
    pub budget_exceeded_status: Option<u16>,
    /// `litellm_settings.request_timeout` or `router_settings.timeout`, in milliseconds.
    pub request_timeout_ms: Option<u64>,
    /// `litellm_settings.drop_params`.
    pub drop_params: Option<bool>,
    /// `litellm_settings.max_budget` and `budget_duration`, as JSON of the fields that `/key/generate` takes, with their line.
    pub budget: Option<(usize, String)>,
    /// What the file says of routing.
    pub routing: FileRouting,
    /// `environment_variables`.
    pub environment: Vec<(String, String)>,
}

/// What a file says of routing. What it does not say is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRouting {
    /// `routing_strategy`, in the words of a command.
    pub strategy: Option<&'static str>,
    /// `num_retries`.
    pub retries: Option<u64>,
    /// `allowed_fails`.
    pub allowed_failures: Option<u64>,
    /// `cooldown_time` in milliseconds; zero for `disable_cooldowns`.
    pub cooldown_ms: Option<u64>,
    /// `fallbacks`, by model; `*` for every model that has none of its own.
    pub fallbacks: BTreeMap<String, Vec<String>>,
    /// `context_window_fallbacks`.
    pub context_window_fallbacks: BTreeMap<String, Vec<String>>,
    /// `content_policy_fallbacks`.
    pub content_policy_fallbacks: BTreeMap<String, Vec<String>>,
    /// The first line that says something of routing, from 1.
    pub line: usize,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("routing", &self.routing).finish_non_exhaustive()
    }
}

impl FileRouting {
    /// Whether the file says nothing of routing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { line: self.line, ..Self::default() }
    }
}

/// LiteLLM's strategies, and what they are called in commands.
const STRATEGIES: [(&str, &str); 6] = [
    ("simple-shuffle", "weighted"),
    ("least-busy", "least_busy"),
    ("usage-based-routing", "usage"),
    ("usage-based-routing-v2", "usage"),
    ("latency-based-routing", "lowest_latency"),
    ("cost-based-routing", "lowest_cost"),
];

/// Variables of the file, with what they refer to in their place.
pub(super) fn environment(
    section: Option<&Node>,
    variable: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for entry in section.map(Node::entries).unwrap_or_default() {
        let place = format!("{ENVIRONMENT}.{}", entry.key);
        let mut node = entry.node.clone();
        reference::resolve(&mut node, &place, variable, findings);
        match node.value {
            Value::Text(text) | Value::Number(text) => variables.push((entry.key.clone(), text)),
            Value::Bool(value) => variables.push((entry.key.clone(), value.to_string())),
            Value::Null => {}
            Value::List(_) | Value::Map(_) => findings.push(Finding::error(entry.line, place, "is no text")),
        }
    }
    variables
}

/// A section while it is read.
struct Section<'a> {
    name: &'static str,
    node: Option<&'a Node>,
}

impl Section<'_> {
    /// A value that is read by `read`; none if it is not there, or nothing.
    fn get<T>(
        &self,
        key: &str,
        wanted: &str,
        findings: &mut Vec<Finding>,
        read: impl FnOnce(&Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.node?.get(key).filter(|node| node.value != Value::Null)?;
        let value = read(node);
        if value.is_none() {
            findings.push(Finding::error(node.line, format!("{}.{key}", self.name), format!("is no {wanted}")));
        }
        value
    }

    fn line(&self, keys: &[&str]) -> Option<usize> {
        keys.iter().filter_map(|key| Some(self.node?.get(key)?.line)).min()
    }
}

/// Reads all of them.
pub(super) fn read(settings: &mut Settings, root: &Node, findings: &mut Vec<Finding>) {
    let section = |name| Section { name, node: root.get(name) };
    let (general, litellm, router) = (section(GENERAL), section(LITELLM), section(ROUTER));
    settings.master_key = general.get("master_key", "text", findings, |node| node.text().map(str::to_owned));
    settings.store_model_in_db =
        general.get("store_model_in_db", "boolean", findings, flag).unwrap_or(settings.store_model_in_db);
    let megabytes = general.get("max_request_size_mb", "whole number above 0", findings, whole);
    settings.body_max_bytes =
        megabytes.and_then(|mb| usize::try_from(mb).ok()).map(|mb| mb.saturating_mul(1024 * 1024));
    settings.end_user_headers = end_user_headers(&general, findings);
    settings.budget_exceeded_status =
        litellm.get("budget_exceeded_status_code", "status from 400 to 499", findings, |node| {
            whole(node).and_then(|status| u16::try_from(status).ok()).filter(|status| (400..500).contains(status))
        });
    settings.drop_params = litellm.get("drop_params", "boolean", findings, flag);
    let timeout = litellm.get("request_timeout", "number of seconds above 0", findings, milliseconds);
    settings.request_timeout_ms =
        router.get("timeout", "number of seconds above 0", findings, milliseconds).or(timeout);
    settings.budget = budget(&litellm, findings);
    settings.routing = routing(&litellm, &router, findings);
}

/// The headers that name end users: those that are mapped first, as LiteLLM looks for them.
fn end_user_headers(general: &Section<'_>, findings: &mut Vec<Finding>) -> Vec<HeaderName> {
    const WANTED: &str =
        "list of maps with `header_name`, and `litellm_user_role` that is `customer` or `internal_user`";
    let mapped = general.get("user_header_mappings", WANTED, findings, |node| match &node.value {
        Value::List(items) => items.iter().map(mapping).collect::<Option<Vec<_>>>(),
        Value::Map(_) => mapping(node).map(|one| vec![one]),
        _ => None,
    });
    let mapped: Vec<(HeaderName, bool)> = mapped.unwrap_or_default();
    if let Some((name, _)) = mapped.iter().find(|(_, is_customer)| !is_customer) {
        let line = general.line(&["user_header_mappings"]).unwrap_or(1);
        let place = format!("{GENERAL}.user_header_mappings");
        let message = format!("`{name}` names an internal user, which has no effect here: a key has its user");
        findings.push(Finding::warning(line, place, message));
    }
    let one = general.get("user_header_name", "name of a header", findings, header);
    mapped.into_iter().filter(|(_, is_customer)| *is_customer).map(|(name, _)| name).chain(one).collect()
}

/// A header, and whether it names a customer.
fn mapping(node: &Node) -> Option<(HeaderName, bool)> {
    let is_customer = match node.get("litellm_user_role")?.text()? {
        "customer" => true,
        "internal_user" => false,
        _ => return None,
    };
    Some((header(node.get("header_name")?)?, is_customer))
}

fn header(node: &Node) -> Option<HeaderName> {
    node.text()?.parse().ok()
}

fn budget(litellm: &Section<'_>, findings: &mut Vec<Finding>) -> Option<(usize, String)> {
    let max = litellm.get("max_budget", "number of dollars", findings, |node| match &node.value {
        Value::Number(number) | Value::Text(number) => Some(number.clone()),
        _ => None,
    })?;
    let line = litellm.line(&["max_budget"]).unwrap_or(1);
    let duration = litellm.get("budget_duration", "text", findings, |node| node.text().map(str::to_owned));
    let duration = duration.map_or(serde_json::Value::Null, serde_json::Value::from);
    Some((line, format!("{{\"max_budget\":{max},\"budget_duration\":{duration}}}")))
}

fn routing(litellm: &Section<'_>, router: &Section<'_>, findings: &mut Vec<Finding>) -> FileRouting {
    let strategy = |node: &Node| {
        let text = node.text()?;
        STRATEGIES.iter().find(|(name, _)| *name == text).map(|(_, strategy)| *strategy)
    };
    let of_either = |key: &str, wanted: &str, findings: &mut Vec<Finding>, read: fn(&Node) -> Option<u64>| {
        let general = litellm.get(key, wanted, findings, read);
        router.get(key, wanted, findings, read).or(general)
    };
    let mut routing = FileRouting {
        strategy: router.get("routing_strategy", "strategy that is known here", findings, strategy),
        retries: of_either("num_retries", "whole number", findings, count),
        allowed_failures: of_either("allowed_fails", "whole number", findings, count),
        cooldown_ms: router.get("cooldown_time", "number of seconds", findings, |node| {
            if count(node) == Some(0) { Some(0) } else { milliseconds(node) }
        }),
        ..FileRouting::default()
    };
    if router.get("disable_cooldowns", "boolean", findings, flag) == Some(true) {
        routing.cooldown_ms = Some(0);
    }
    for section in [litellm, router] {
        let mut add = |key: &str, lists: &mut BTreeMap<String, Vec<String>>| {
            lists.extend(
                section
                    .get(key, "list of maps from a model to a list of models", findings, fallbacks)
                    .unwrap_or_default(),
            );
        };
        add("fallbacks", &mut routing.fallbacks);
        add("context_window_fallbacks", &mut routing.context_window_fallbacks);
        add("content_policy_fallbacks", &mut routing.content_policy_fallbacks);
        if let Some(models) = section.get("default_fallbacks", "list of models", findings, names) {
            routing.fallbacks.insert("*".to_owned(), models);
        }
    }
    let keys = ["routing_strategy", "num_retries", "allowed_fails", "cooldown_time", "fallbacks", "default_fallbacks"];
    routing.line = router.line(&keys).or_else(|| litellm.line(&keys)).unwrap_or(1);
    routing
}

fn flag(node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(value) => Some(*value),
        // A variable of the environment is always a text.
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn digits(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Number(text) | Value::Text(text) => Some(text),
        _ => None,
    }
}

fn count(node: &Node) -> Option<u64> {
    digits(node)?.parse().ok()
}

fn whole(node: &Node) -> Option<u64> {
    count(node).filter(|number| *number > 0)
}

fn milliseconds(node: &Node) -> Option<u64> {
    let seconds: f64 = digits(node)?.parse().ok()?;
    let duration = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(duration.as_millis()).ok().filter(|ms| *ms > 0)
}

fn names(node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// `[{"a": ["b", "c"]}]`, or one such map.
fn fallbacks(node: &Node) -> Option<BTreeMap<String, Vec<String>>> {
    match &node.value {
        Value::List(items) => {
            let maps: Option<Vec<_>> = items.iter().map(fallbacks).collect();
            Some(maps?.into_iter().flatten().collect())
        }
        Value::Map(entries) => entries.iter().map(|entry| Some((entry.key.clone(), names(&entry.node)?))).collect(),
        _ => None,
    }
}
