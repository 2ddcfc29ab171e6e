//! The events of a streamed response, in the vendor's order and numbered from 0.

use serde_json::{Value, json};

use super::super::format::named_event;
use super::super::scenario::{Answer, Finish};
use super::super::seen::Seen;
use super::{output, response};

/// Every event, as it is on the wire.
pub(super) fn of(seen: &Seen, answer: &Answer) -> Vec<String> {
    let mut begun = response(seen, answer, &[]);
    begun["status"] = json!("in_progress");
    begun["usage"] = Value::Null;
    begun["incomplete_details"] = Value::Null;
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    let items = output(answer);
    for (index, item) in items.iter().enumerate() {
        let began = events.len();
        match item["type"].as_str() {
            Some("reasoning") => reasoning(item, &mut events),
            Some("message") => message(item, answer, &mut events),
            _ => call(item, answer, &mut events),
        }
        for event in &mut events[began..] {
            event["output_index"] = json!(index);
        }
    }
    let ended = if answer.finish == Finish::Length { "response.incomplete" } else { "response.completed" };
    events.push(json!({"type": ended, "response": response(seen, answer, &items)}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(named_event).collect()
}

fn added(item: &Value, changes: &[(&str, Value)]) -> Value {
    let mut begun = item.clone();
    for (name, value) in changes {
        begun[*name] = value.clone();
    }
    json!({"type": "response.output_item.added", "item": begun})
}

fn done(item: &Value) -> Value {
    json!({"type": "response.output_item.done", "item": item})
}

fn reasoning(item: &Value, events: &mut Vec<Value>) {
    let (id, summary) = (&item["id"], &item["summary"][0]);
    let text = &summary["text"];
    let empty = json!({"type": "summary_text", "text": ""});
    events.push(added(item, &[("summary", json!([]))]));
    for (kind, field, value) in [
        ("part.added", "part", &empty),
        ("text.delta", "delta", text),
        ("text.done", "text", text),
        ("part.done", "part", summary),
    ] {
        let mut event = json!({"item_id": id, "summary_index": 0});
        event["type"] = json!(format!("response.reasoning_summary_{kind}"));
        event[field] = value.clone();
        events.push(event);
    }
    events.push(done(item));
}

fn message(item: &Value, answer: &Answer, events: &mut Vec<Value>) {
    let (id, part) = (&item["id"], &item["content"][0]);
    let empty = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
    events.push(added(item, &[("content", json!([])), ("status", json!("in_progress"))]));
    events.push(json!({"type": "response.content_part.added", "item_id": id, "content_index": 0, "part": empty}));
    let delta = |piece| json!({"type": "response.output_text.delta", "item_id": id, "content_index": 0, "delta": piece, "logprobs": []});
    events.extend(answer.pieces().map(delta));
    events.push(json!({"type": "response.output_text.done", "item_id": id, "content_index": 0, "text": answer.text,
        "logprobs": []}));
    events.push(json!({"type": "response.content_part.done", "item_id": id, "content_index": 0, "part": part}));
    events.push(done(item));
}

fn call(item: &Value, answer: &Answer, events: &mut Vec<Value>) {
    let id = &item["id"];
    events.push(added(item, &[("arguments", json!("")), ("status", json!("in_progress"))]));
    let made = answer.calls.iter().find(|call| item["call_id"] == *call.id);
    let pieces = made.map(super::super::scenario::Call::argument_pieces).unwrap_or_default();
    let delta =
        |piece: &String| json!({"type": "response.function_call_arguments.delta", "item_id": id, "delta": piece});
    events.extend(pieces.iter().map(delta));
    events.push(json!({"type": "response.function_call_arguments.done", "item_id": id, "name": item["name"],
        "arguments": item["arguments"]}));
    events.push(done(item));
}
