//! `model_list`: the deployments that a file declares, each as the body that `/model/new` takes.

use super::reference;
use super::{Entry, Finding, Node, Value};

/// The keys of an entry.
const ENTRY: [&str; 3] = ["model_name", "litellm_params", "model_info"];

/// A deployment that a file declares.
#[derive(Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// Where it begins, from 1.
    pub line: usize,
    /// `model_name`.
    pub name: String,
    /// The entry as JSON: what `/model/new` takes. It may hold a secret.
    pub body: String,
}

impl std::fmt::Debug for ModelEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModelEntry({} in line {})", self.name, self.line)
    }
}

/// Puts what variables hold in the place of their references. Providers' keys stay references where they can.
pub(super) fn resolve(list: &mut Node, variable: &dyn Fn(&str) -> Option<String>, findings: &mut Vec<Finding>) {
    let Value::List(items) = &mut list.value else { return };
    for (at, item) in items.iter_mut().enumerate() {
        let Value::Map(entries) = &mut item.value else { continue };
        for entry in entries {
            let place = format!("model_list[{at}].{}", entry.key);
            match &mut entry.node.value {
                Value::Map(params) if entry.key == "litellm_params" => {
                    for param in params {
                        let place = format!("{place}.{}", param.key);
                        if param.key == "api_key" {
                            reference::resolve_key(&mut param.node, &place, variable, findings);
                        } else {
                            reference::resolve(&mut param.node, &place, variable, findings);
                        }
                    }
                }
                _ => reference::resolve(&mut entry.node, &place, variable, findings),
            }
        }
    }
}

/// The entries of the list. One that stands there twice to the letter is a mistake: it would be one deployment.
pub(super) fn read(list: Option<&Node>, drops: Option<bool>, findings: &mut Vec<Finding>) -> Vec<ModelEntry> {
    let Some(list) = list else { return Vec::new() };
    let items = match &list.value {
        Value::List(items) => items.as_slice(),
        Value::Null => &[],
        _ => {
            findings.push(Finding::error(list.line, "model_list", "is no list"));
            &[]
        }
    };
    let mut models: Vec<ModelEntry> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let Some(entry) = read_entry(item, &format!("model_list[{at}]"), drops, findings) else { continue };
        match models.iter().find(|other| other.body == entry.body) {
            Some(other) => {
                let message = format!("is the same as in line {}: `{}` is declared twice", other.line, entry.name);
                findings.push(Finding::error(entry.line, format!("model_list[{at}]"), message));
            }
            None => models.push(entry),
        }
    }
    models
}

fn read_entry(item: &Node, place: &str, drops: Option<bool>, findings: &mut Vec<Finding>) -> Option<ModelEntry> {
    let Value::Map(entries) = &item.value else {
        findings.push(Finding::error(item.line, place, "is no map"));
        return None;
    };
    for entry in entries.iter().filter(|entry| !ENTRY.contains(&entry.key.as_str())) {
        let place = format!("{place}.{}", entry.key);
        findings.push(Finding::warning(entry.line, place, "is unknown and has no effect"));
    }
    let Some(name) = item.get("model_name").and_then(Node::text) else {
        findings.push(Finding::error(item.line, format!("{place}.model_name"), "is missing, or no text"));
        return None;
    };
    let mut kept: Vec<Entry> = entries.iter().filter(|entry| ENTRY.contains(&entry.key.as_str())).cloned().collect();
    if let Some(drops) = drops {
        set_default(&mut kept, drops);
    }
    let line = item.line;
    let body = Node { value: Value::Map(kept), line }.to_json();
    Some(ModelEntry { line, name: name.to_owned(), body })
}

/// `litellm_settings.drop_params` holds for every deployment that says nothing of its own.
fn set_default(entries: &mut [Entry], drops: bool) {
    let params = entries.iter_mut().find(|entry| entry.key == "litellm_params");
    let Some(Entry { line, node: Node { value: Value::Map(params), .. }, .. }) = params else { return };
    if params.iter().all(|param| param.key != "drop_params") {
        let line = *line;
        params.push(Entry { key: "drop_params".to_owned(), line, node: Node { value: Value::Bool(drops), line } });
    }
}
