//! What goldens are made of: files, a target, and what each translation gives.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tallygate_adapters::dialect::bridge::{self, Bridge};
use tallygate_adapters::dialect::metering::Metered;
use tallygate_adapters::dialect::passage::Passage as _;
use tallygate_adapters::dialect::problems;
use tallygate_adapters::dialect::target::{Abilities, Target};
use tallygate_adapters::dialect::wire::{Asked, Dialect, PathSays, Written};
use tallygate_adapters::dialect::{ALL, of_name};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Said;

/// What the client asked for, unless a case says otherwise.
const REQUEST: &str = r#"{"model":"public-model","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}"#;

/// What stands beside a case in `<case>.with.json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct With {
    pub(crate) abilities: Abilities,
    pub(crate) drop_params: bool,
    pub(crate) output_max_tokens: Option<u64>,
    pub(crate) output_cap_tokens: Option<u64>,
    /// The client's request, in `openai_chat`, that an answer or stream is for.
    pub(crate) request: Option<serde_json::Value>,
    /// Whether the path asks for a stream.
    pub(crate) streams: bool,
}

impl With {
    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            model: "upstream-model",
            output_max_tokens: self.output_max_tokens,
            output_cap_tokens: self.output_cap_tokens,
            drop_params: self.drop_params,
            also_drop: &[],
            abilities: &self.abilities,
        }
    }
}

/// One case: an input of one dialect.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) dialect: &'static str,
    pub(crate) name: String,
    pub(crate) input: Vec<u8>,
    pub(crate) with: With,
}

impl Case {
    pub(crate) fn title(&self) -> String {
        format!("{}/{}/{}", self.kind, self.dialect, self.name)
    }

    pub(crate) fn of(&self) -> &'static dyn Dialect {
        of_name(self.dialect).unwrap()
    }

    /// What it is to another dialect.
    pub(crate) fn to(&self, other: &'static dyn Dialect) -> String {
        match self.kind {
            "requests" => self.request(other),
            "answers" => self.answer(other),
            "streams" => self.stream(other, &[&self.input]),
            _ => self.error(other),
        }
    }

    pub(crate) fn path_says(&self) -> PathSays<'static> {
        // Dialects that name the model in the path do not name it in the body.
        let in_path = self.dialect == "gemini_generate";
        PathSays { model: in_path.then_some("public-model"), streams: in_path.then_some(self.with.streams) }
    }

    fn request(&self, target: &'static dyn Dialect) -> String {
        let written = self
            .of()
            .read_request(&self.input, &self.path_says())
            .and_then(|request| target.write_request(&request, &self.with.target()));
        match written {
            Ok(Written { path, body, dropped, output_limit, .. }) => {
                let body = String::from_utf8(body).unwrap();
                // Everything that is written is one JSON text.
                let parsed: serde_json::Value =
                    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
                assert!(parsed.is_object());
                let limit = output_limit.map_or("none".to_owned(), |limit| limit.to_string());
                format!("path {path}\ndropped {}\nlimit {limit}\n{body}\n", dropped.join(", "))
            }
            Err(rejection) => format!("refused {} {}\n{rejection}\n", rejection.code(), rejection.param),
        }
    }

    /// The client's request, and what the upstream was sent.
    pub(crate) fn exchange(&self) -> (Asked, Written) {
        let text = self.with.request.as_ref().map_or_else(|| REQUEST.to_owned(), ToString::to_string);
        let chat = of_name("openai_chat").unwrap();
        let request = chat.read_request(text.as_bytes(), &PathSays::default()).unwrap();
        let written = self.of().write_request(&request, &self.with.target()).unwrap();
        let asked = Asked {
            id: "0199".to_owned(),
            created_s: 1_764_000_000,
            public_model: None,
            sealer: None,
            input_estimate_tokens: 7,
            request: Arc::new(request),
        };
        (asked, written)
    }

    fn answer(&self, client: &'static dyn Dialect) -> String {
        let (asked, written) = self.exchange();
        match bridge::whole(self.of(), client, &written, &asked, &self.input) {
            Ok((body, meter, _)) => {
                let body = String::from_utf8(body).unwrap();
                serde_json::from_str::<serde_json::Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
                format!("{body}\n{}\n", usage_line(&meter.metered(7)))
            }
            Err(failure) => told(client, &failure),
        }
    }

    /// What a client gets of a stream that comes in some pieces.
    pub(crate) fn stream(&self, client: &'static dyn Dialect, pieces: &[&[u8]]) -> String {
        let (asked, written) = self.exchange();
        let mut bridge = Bridge::new(self.of(), client, &written, &asked);
        let mut out = Vec::new();
        let mut end = None;
        for piece in pieces {
            let step = bridge.push(bytes::Bytes::copy_from_slice(piece));
            out.extend_from_slice(&step.forward);
            end = end.or(step.end);
        }
        if end.is_none() {
            let step = bridge.finish();
            out.extend_from_slice(&step.forward);
            end = step.end;
        }
        let end = end.unwrap_or_else(|| panic!("{}: no end", self.title()));
        let how = match &end {
            Ok(()) => "ok".to_owned(),
            Err(failure) => failure.kind.name().to_owned(),
        };
        if let Err(failure) = &end {
            out.extend_from_slice(&bridge.failed(&problems::of_failure(failure)).unwrap());
        }
        format!("{}=== {how}, {}\n", String::from_utf8(out).unwrap(), usage_line(&bridge.metered()))
    }

    fn error(&self, client: &'static dyn Dialect) -> String {
        let (status, body) = split_status(&self.input);
        let said = Said { status, content_type: None, request_id: None, body: bytes::Bytes::copy_from_slice(body) };
        told(client, &self.of().read_error(said, None))
    }
}

/// The first line of an error's file is its status.
pub(crate) fn split_status(input: &[u8]) -> (u16, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let status = std::str::from_utf8(&input[..end]).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(500);
    (status, input.get(end + 1..).unwrap_or_default())
}

fn told(client: &'static dyn Dialect, failure: &Failure) -> String {
    let problem = problems::of_failure(failure);
    let answer = client.write_problem(&problem, "req-1");
    let wait = problem.retry_after.map_or(String::new(), |wait| format!(", after {} ms", wait.as_millis()));
    let body = String::from_utf8(answer.body).unwrap();
    serde_json::from_str::<serde_json::Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    format!("status {} for {}, {:?}{wait}\n{body}\n", answer.status, failure.kind.name(), failure.retry())
}

fn usage_line(metered: &Metered) -> String {
    let usage = metered.usage;
    let how = if metered.estimated { " estimated" } else { "" };
    format!(
        "input {} cached {} written {} output {} reasoning {}{how}",
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens
    )
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/dialects")
}

pub(crate) const KINDS: [&str; 4] = ["requests", "answers", "streams", "errors"];

/// Every case, and every other file beside them, by its path.
pub(crate) fn cases() -> (Vec<Case>, BTreeMap<String, String>) {
    let (mut cases, mut others) = (Vec::new(), BTreeMap::new());
    for kind in KINDS {
        for dialect in ALL.iter().map(|dialect| dialect.name()) {
            let folder = folder().join(kind).join(dialect);
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let bytes = std::fs::read(&path).unwrap();
                let stem =
                    ["json", "sse", "ndjson", "error"].iter().find_map(|end| name.strip_suffix(&format!(".{end}")));
                match stem.filter(|stem| !stem.contains('.')) {
                    Some(stem) => {
                        let with = std::fs::read(folder.join(format!("{stem}.with.json")));
                        let with = with.map_or_else(
                            |_| With::default(),
                            |with| {
                                serde_json::from_slice(&with)
                                    .unwrap_or_else(|error| panic!("{kind}/{dialect}/{stem}: {error}"))
                            },
                        );
                        cases.push(Case { kind, dialect, name: stem.to_owned(), input: bytes, with });
                    }
                    None if name.ends_with(".with.json") => {}
                    None => {
                        others.insert(format!("{kind}/{dialect}/{name}"), String::from_utf8(bytes).unwrap());
                    }
                }
            }
        }
    }
    cases.sort_by_key(Case::title);
    (cases, others)
}
