//! From the parser's events to values.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Entry, Node, Value, scalar};

/// The longest file, in bytes.
pub const TEXT_MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most values of one file, those counted again that aliases repeat.
pub const NODES_MAX: usize = 100_000;
/// How deep values nest at most.
const DEPTH_MAX: usize = 64;
/// The key whose map is merged into the one that it stands in.
const MERGE: &str = "<<";

/// Why a text is no file that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct InvalidYaml {
    /// Where, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// Reads the one document of a text. An empty text is nothing.
///
/// # Errors
/// [`InvalidYaml`].
pub fn parse(text: &str) -> Result<Node, InvalidYaml> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(invalid(1, format!("the file is longer than {TEXT_MAX_BYTES} bytes")));
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| invalid(error.marker().line(), error.info()))?;
        builder.take(event, span.start.line())?;
    }
    Ok(builder.root.unwrap_or(Node { value: Value::Null, line: 1 }))
}

fn invalid(line: usize, why: impl Into<String>) -> InvalidYaml {
    InvalidYaml { line, why: why.into() }
}

/// What is being read.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

/// A list or map whose end has not come.
struct Open {
    line: usize,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, merged: Vec<Entry>, key: Option<(String, usize)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), InvalidYaml> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = value(&text, style, tag.as_deref(), line)?;
                self.put(Node { value, line }, anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| invalid(line, "the alias stands within what it names"))?;
                self.put(node, 0)
            }
            Event::SequenceStart(anchor, tag) => self.open(Kind::List(Vec::new()), anchor, tag.as_deref(), line),
            Event::MappingStart(anchor, tag) => {
                let kind = Kind::Map { entries: Vec::new(), merged: Vec::new(), key: None };
                self.open(kind, anchor, tag.as_deref(), line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(invalid(line, "a second document begins: a file has one"))
            }
            Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {
                Ok(())
            }
        }
    }

    fn open(&mut self, kind: Kind, anchor: usize, tag: Option<&Tag>, line: usize) -> Result<(), InvalidYaml> {
        if let Some(tag) = tag {
            return Err(invalid(line, format!("the tag {tag} is not read")));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(invalid(line, format!("values nest more than {DEPTH_MAX} deep")));
        }
        if matches!(self.open.last(), Some(Open { kind: Kind::Map { key: None, .. }, .. })) {
            return Err(invalid(line, "a key must be a text"));
        }
        self.open.push(Open { line, anchor, kind });
        Ok(())
    }

    fn close(&mut self) -> Result<(), InvalidYaml> {
        let Some(Open { line, anchor, kind }) = self.open.pop() else { return Ok(()) };
        let value = match kind {
            Kind::List(items) => Value::List(items),
            Kind::Map { mut entries, merged, .. } => {
                // A map's own keys go before those that are merged into it.
                for entry in merged {
                    if !entries.iter().any(|own| own.key == entry.key) {
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        self.put(Node { value, line }, anchor)
    }

    /// Puts a whole value where it belongs: into what is open, as a key or a value, or as the document.
    fn put(&mut self, node: Node, anchor: usize) -> Result<(), InvalidYaml> {
        self.nodes += size(&node);
        if self.nodes > NODES_MAX {
            return Err(invalid(node.line, format!("the file has more than {NODES_MAX} values")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Map { entries, merged, key }) => match key.take() {
                None => *key = Some((key_text(&node)?, node.line)),
                Some((name, _)) if name == MERGE => merged.extend(merge(node)?),
                Some((name, line)) => {
                    if let Some(first) = entries.iter().find(|entry| entry.key == name) {
                        return Err(invalid(line, format!("`{name}` stands here and in line {}", first.line)));
                    }
                    entries.push(Entry { key: name, line, node });
                }
            },
        }
        Ok(())
    }
}

/// How many values a value has. It is counted again with each value that holds it, which costs no file its place and stops
/// one whose aliases would grow it.
fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.node)).sum::<usize>(),
        _ => 1,
    }
}

fn key_text(node: &Node) -> Result<String, InvalidYaml> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(invalid(node.line, "a key must be a text")),
    }
}

/// The entries that a merged map, or a list of them, brings.
fn merge(node: Node) -> Result<Vec<Entry>, InvalidYaml> {
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::List(items) => {
            let mut entries: Vec<Entry> = Vec::new();
            for item in items {
                entries.extend(merge(item)?);
            }
            Ok(entries)
        }
        _ => Err(invalid(node.line, "only maps can be merged")),
    }
}

fn value(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Value, InvalidYaml> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Value::Text(text.to_owned())),
        Some(tag) => Err(invalid(line, format!("the tag {tag} is not read"))),
        None if style == ScalarStyle::Plain => Ok(scalar::plain(text)),
        None => Ok(Value::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{NODES_MAX, parse};

    #[test]
    fn values_know_their_lines_and_become_json() {
        let text = "# a file\nmodel_list:\n  - model_name: a/b\n    litellm_params: {rpm: 1_0, api_key: 'no'}\n\nother: |\n  x\n";
        let root = parse(text).unwrap();
        let list = root.get("model_list").unwrap();
        assert_eq!((list.line, root.get("other").unwrap().text()), (3, Some("x\n")));
        assert_eq!(list.to_json(), r#"[{"model_name":"a/b","litellm_params":{"rpm":10,"api_key":"no"}}]"#);
        assert_eq!(root.entries()[1].line, 6);
        assert_eq!(parse("").unwrap().to_json(), "null");
    }

    #[test]
    fn aliases_and_merged_maps_are_written_out() {
        let text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: [*a]\n";
        assert_eq!(parse(text).unwrap().to_json(), r#"{"a":{"x":1,"y":2},"b":{"y":3,"x":1},"c":[{"x":1,"y":2}]}"#);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused_by_its_line() {
        for (text, line, why) in [
            ("a: 1\nb: 2\na: 3\n", 3, "`a` stands here and in line 1"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: !!python/object:os.system x\n", 1, "tag"),
            ("a: [1\nb: 2\n", 2, ""),
            ("? [a]\n: 1\n", 1, "key must be a text"),
            ("a: &a\n  b: *a\n", 2, "alias stands within"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.line == line && error.why.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn no_file_grows_beyond_its_limits_by_aliases_or_depth() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for at in 1..8 {
            let before = format!("*a{}", at - 1);
            bomb.push_str(&format!("a{at}: &a{at} [{}]\n", vec![before; 10].join(", ")));
        }
        assert!(parse(&bomb).unwrap_err().why.contains(&NODES_MAX.to_string()));
        let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
        assert!(parse(&deep).unwrap_err().why.contains("deep"));
    }
}
