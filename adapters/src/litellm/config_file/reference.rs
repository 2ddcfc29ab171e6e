//! `os.environ/NAME`: a value that stands in a variable of the environment.

use super::{Finding, Node, Value};
use crate::secret::{is_allowed_name, is_own_name};

/// What a reference begins with.
const MARK: &str = "os.environ/";

/// The variable that a text names.
pub(super) fn name_of(text: &str) -> Option<&str> {
    text.strip_prefix(MARK)
}

/// Puts what variables hold in the place of their references, in a value and all that it holds. A variable that is not set
/// is nothing, as in LiteLLM, and named.
pub(super) fn resolve(
    node: &mut Node,
    key: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) {
    match &mut node.value {
        Value::Text(text) => {
            let Some(name) = name_of(text) else { return };
            let value = variable(name);
            if value.is_none() {
                findings.push(Finding::warning(node.line, key, format!("names {name}, which is not set")));
            }
            node.value = value.map_or(Value::Null, Value::Text);
        }
        Value::List(items) => items.iter_mut().for_each(|item| resolve(item, key, variable, findings)),
        Value::Map(entries) => {
            for entry in entries {
                resolve(&mut entry.node, &format!("{key}.{}", entry.key), variable, findings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A provider's key stays a reference, so that the log has the variable's name alone. Where its name is not one of those that
/// the gateway reads when it calls, its value is taken now. The gateway's own secrets are out of reach.
pub(super) fn resolve_key(
    node: &mut Node,
    key: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    findings: &mut Vec<Finding>,
) {
    let Some(name) = node.text().and_then(name_of) else { return };
    if is_own_name(name) {
        let message = format!("names {name}, which may hold a secret of the gateway's own");
        findings.push(Finding::error(node.line, key, message));
    } else if !is_allowed_name(name) {
        resolve(node, key, variable, findings);
    } else if variable(name).is_none() {
        findings.push(Finding::warning(node.line, key, format!("names {name}, which is not set")));
    }
}
