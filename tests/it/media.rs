//! Images and sound through a gateway: what passes, what it costs, and what is refused. The client library that has these
//! calls makes them in `dialects`.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tallygate_tests::client::Client;
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::provider::{KEY, Provider, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::scene::{KeyTerms, Scene, command, issue, uuid};

const FORM: &str = "multipart/form-data; boundary=edge";

/// A gateway, and a provider with a model for everything: a dollar a million tokens of text, 2 of a prompt's sound and
/// images, 10 of an answer's.
struct Studio {
    scene: Scene,
    provider: Provider,
}

impl Studio {
    async fn start() -> Result<Self> {
        Self::with(Setup::new()).await
    }

    async fn with(setup: Setup) -> Result<Self> {
        let (scene, provider) = (Scene::with(setup).await?, Provider::start().await?);
        let studio = Self { scene, provider };
        let address = format!("{}/v1", studio.provider.url());
        studio.register("studio", &address, true).await?;
        studio.register("unpriced", &address, false).await?;
        Ok(studio)
    }

    async fn register(&self, name: &str, address: &str, is_priced: bool) -> Result<()> {
        let mut params = json!({ "model": "openai/simulated", "api_base": address, "api_key": KEY });
        if is_priced {
            params["input_cost_per_token"] = json!(1e-6);
            params["output_cost_per_token"] = json!(1e-6);
            params["input_cost_per_audio_token"] = json!(2e-6);
            params["input_cost_per_image_token"] = json!(2e-6);
            params["output_cost_per_audio_token"] = json!(1e-5);
            params["output_cost_per_image_token"] = json!(1e-5);
        }
        let body = json!({ "model_name": name, "litellm_params": params });
        self.gateway().operator()?.post("/model/new", &body).await?.expect(200)?;
        Ok(())
    }

    const fn gateway(&self) -> &Gateway {
        &self.scene.gateway
    }

    async fn caller(&self) -> Result<Client> {
        self.scene.caller().await
    }

    /// A caller with a budget.
    async fn with_budget(&self, nano_usd: i64) -> Result<Client> {
        let key = issue(self.gateway(), KeyTerms { budget_nano_usd: Some(nano_usd), ..KeyTerms::default() }).await?;
        self.gateway().caller(&key.secret)
    }

    /// The settlement of the only request.
    async fn settled(&self) -> Result<Value> {
        Ok(self.scene.activity("request.settled", 1).await?.remove(0))
    }
}

fn field(name: &str, value: &str) -> String {
    format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(name: &str, bytes: usize) -> String {
    let sound = "s".repeat(bytes);
    format!(
        "--edge\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n{sound}\r\n"
    )
}

fn form(parts: &[String]) -> String {
    format!("{}--edge--\r\n", parts.concat())
}

#[tokio::test]
async fn images_pass_and_cost_what_their_tokens_cost() -> Result<()> {
    let studio = Studio::start().await?;
    let caller = studio.with_budget(10_000_000_000).await?;
    let mut body = json!({ "model": "studio", "prompt": "A cat.", "n": 2, "size": "1024x1024", "tags": ["a"] });
    let answer = caller.post("/v1/images/generations", &body).await?.expect(200)?;
    assert_eq!(answer.at("/data/1/b64_json")?.as_str().map(str::len), Some(96));
    // 9 tokens of text at 1, 544 of images at 10 micro-dollars.
    assert_eq!(answer.header("x-litellm-response-cost"), Some("0.005449"));
    let sent = studio.provider.requests().remove(0).json()?;
    assert_eq!(sent, json!({ "model": "simulated", "prompt": "A cat.", "n": 2, "size": "1024x1024" }));
    let settled = studio.settled().await?;
    assert_eq!((&settled["endpoint"], &settled["cost_nano_usd"]), (&json!("images"), &json!(5_449_000)));
    assert_eq!(settled["usage"], json!({ "input_tokens": 9, "output_tokens": 544, "image_output_tokens": 544 }));
    body["model"] = Value::Null;
    for path in
        ["/images/generations", "/openai/deployments/studio/images/generations", "/engines/studio/images/generations"]
    {
        body["model"] = if path.starts_with("/images") { json!("studio") } else { Value::Null };
        caller.post(path, &body).await?.expect(200).context(path)?;
    }
    Ok(())
}

#[tokio::test]
async fn images_in_a_stream_pass_event_by_event_and_are_metered() -> Result<()> {
    let studio = Studio::start().await?;
    let events = "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"AA==\"}\n\n\
        event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"AA==\",\"usage\":{\"input_tokens\":9,\"output_tokens\":372}}\n\n";
    studio.provider.next(Reply::raw(200, "text/event-stream", events));
    let body = json!({ "model": "studio", "prompt": "A cat.", "stream": true, "partial_images": 1 });
    let answer = studio.caller().await?.post("/v1/images/generations", &body).await?.expect(200)?;
    assert_eq!((answer.text().as_str(), answer.header("content-type")), (events, Some("text/event-stream")));
    let settled = studio.settled().await?;
    assert_eq!((&settled["usage"]["image_output_tokens"], settled.get("estimated")), (&json!(372), None));
    assert!(!String::from_utf8_lossy(&studio.provider.requests()[0].body).contains("stream_options"));
    Ok(())
}

#[tokio::test]
async fn what_images_may_cost_is_held_before_they_are_asked_for() -> Result<()> {
    let studio = Studio::start().await?;
    let body = json!({ "model": "studio", "prompt": "A cat.", "n": 2 });
    // Two images of at most 16,384 tokens at 10 micro-dollars are 328 milli-dollars.
    let poor = studio.with_budget(327_000_000).await?.post("/v1/images/generations", &body).await?.expect(422)?;
    let asked = poor.at("/error/tallygate/details/asked_nano_usd")?.as_i64().context("no amount")?;
    assert!((327_680_000..330_000_000).contains(&asked), "{asked}");
    studio.with_budget(330_000_000).await?.post("/v1/images/generations", &body).await?.expect(200)?;
    assert_eq!(studio.provider.requests().len(), 1, "nothing was sent for the one that could not pay");
    Ok(())
}

#[tokio::test]
async fn a_budget_refuses_images_and_sound_of_models_without_a_price() -> Result<()> {
    let studio = Studio::start().await?;
    let caller = studio.with_budget(1_000_000_000).await?;
    let drawn = json!({ "model": "unpriced", "prompt": "A cat." });
    let spoken = json!({ "model": "unpriced", "input": "A cat.", "voice": "alloy" });
    for (path, body) in [("/v1/images/generations", &drawn), ("/v1/audio/speech", &spoken)] {
        let answer = caller.post(path, body).await?.expect(400)?;
        assert_eq!(answer.at("/error/tallygate/code")?, "unpriced", "{path}");
        assert!(answer.at("/error/message")?.as_str().is_some_and(|text| text.contains("`unpriced`")), "{path}");
    }
    let heard = form(&[field("model", "unpriced"), file("file", 9)]);
    let answer = caller.post_bytes("/v1/audio/transcriptions", FORM, heard).await?.expect(400)?;
    assert_eq!(answer.at("/error/tallygate/code")?, "unpriced");
    assert_eq!(studio.provider.requests().len(), 0);
    let per_image = json!({ "model_name": "per-image", "litellm_params": { "model": "openai/dall-e-3", "output_cost_per_image": 0.04 } });
    let refused = studio.gateway().operator()?.post("/model/new", &per_image).await?.expect(400)?;
    assert!(refused.text().contains("output_cost_per_image"), "{}", refused.text());
    studio.caller().await?.post("/v1/images/generations", &drawn).await?.expect(200)?;
    assert_eq!(studio.settled().await?["cost_nano_usd"], Value::Null, "unpriced is not free");
    Ok(())
}

#[tokio::test]
async fn a_body_without_a_limit_of_output_gets_none_from_a_budget() -> Result<()> {
    let studio = Studio::start().await?;
    let caller = studio.with_budget(1_000_000_000).await?;
    let body = json!({ "model": "studio", "input": ["a"] });
    let answer = caller.post("/v1/embeddings", &body).await?.expect(200)?;
    assert_eq!(answer.header("x-tallygate-max-output-tokens"), None);
    assert_eq!(studio.provider.requests()[0].json()?, json!({ "model": "simulated", "input": ["a"] }));
    Ok(())
}

#[tokio::test]
async fn speech_is_sound_of_the_upstreams_type_and_is_charged_by_its_text() -> Result<()> {
    let studio = Studio::start().await?;
    let caller = studio.with_budget(1_000_000_000).await?;
    let body = json!({ "model": "studio", "input": "A cat sat on a mat.", "voice": "alloy" });
    let answer = caller.post("/v1/audio/speech", &body).await?.expect(200)?;
    assert_eq!((answer.header("content-type"), &answer.body[..3]), (Some("audio/mpeg"), &b"ID3"[..]));
    let sent = studio.provider.requests().remove(0);
    assert_eq!(sent.header("accept"), Some("*/*"));
    let settled = studio.settled().await?;
    // 21 bytes of JSON text, a token and a half each.
    assert_eq!((&settled["usage"]["audio_output_tokens"], &settled["estimated"]), (&json!(32), &json!(true)));
    assert_eq!(settled["endpoint"], "speech");
    // 512 tokens, and 16 for a byte, at 10 micro-dollars; and the prompt.
    let poor = studio.with_budget(8_000_000).await?.post("/v1/audio/speech", &body).await?.expect(422)?;
    let asked = poor.at("/error/tallygate/details/asked_nano_usd")?.as_i64().context("no amount")?;
    assert!((8_480_000..10_500_000).contains(&asked), "{asked}");
    for (wrong, param) in
        [(json!({ "model": "studio", "voice": "a" }), "input"), (json!({ "model": "studio", "input": [] }), "input")]
    {
        let answer = caller.post("/v1/audio/speech", &wrong).await?.expect(400)?;
        assert_eq!(answer.at("/error/param")?, param);
    }
    Ok(())
}

#[tokio::test]
async fn a_transcript_is_charged_by_the_length_of_its_sound_and_the_form_passes_byte_for_byte() -> Result<()> {
    let studio = Studio::start().await?;
    let caller = studio.with_budget(1_000_000_000).await?;
    let (tags, language, sound) = (field("tags", "[\"a\"]"), field("language", "de"), file("file", 3_000));
    let sent = form(&[tags, sound.clone(), field("model", "studio"), language.clone()]);
    let answer = caller.post_bytes("/v1/audio/transcriptions", FORM, sent).await?.expect(200)?;
    assert_eq!(answer.at("/text")?, "You said: three words");
    let got = studio.provider.requests().remove(0);
    let model = "--edge\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nsimulated\r\n".to_owned();
    assert_eq!(String::from_utf8_lossy(&got.body), form(&[sound.clone(), model, language]));
    assert_eq!(got.header("content-type"), Some(FORM));
    let settled = studio.settled().await?;
    // 3 seconds of 10 tokens at 2 micro-dollars.
    assert_eq!((&settled["usage"], &settled["cost_nano_usd"]), (&json!({ "audio_input_tokens": 30 }), &json!(60_000)));
    let by_path = form(&[sound.clone(), field("response_format", "vtt")]);
    let path = "/openai/deployments/studio/audio/translations";
    let captions = caller.post_bytes(path, FORM, by_path).await?.expect(200)?;
    assert_eq!(captions.header("content-type"), Some("text/vtt; charset=utf-8"));
    assert!(captions.text().starts_with("WEBVTT"));
    let settled = studio.scene.activity("request.settled", 2).await?.remove(1);
    assert_eq!((&settled["usage"]["audio_input_tokens"], &settled["estimated"]), (&json!(2), &json!(true)));
    Ok(())
}

#[tokio::test]
async fn what_a_file_may_cost_is_held_by_its_length() -> Result<()> {
    let studio = Studio::start().await?;
    let sound = form(&[field("model", "studio"), file("file", 1_200_000)]);
    // A token for 12 bytes of sound is 100,000, at 2 micro-dollars; and the longest answer.
    let poor = studio.with_budget(200_000_000).await?;
    let poor = poor.post_bytes("/v1/audio/transcriptions", FORM, sound.clone());
    let asked =
        poor.await?.expect(422)?.at("/error/tallygate/details/asked_nano_usd")?.as_i64().context("no amount")?;
    assert!((200_000_000..420_000_000).contains(&asked), "{asked}");
    let rich = studio.with_budget(420_000_000).await?;
    rich.post_bytes("/v1/audio/transcriptions", FORM, sound).await?.expect(200)?;
    let edit = form(&[field("model", "studio"), field("prompt", "A dog."), file("image[]", 9), file("mask", 9)]);
    // Two images of at most 50,000 tokens at 2 micro-dollars.
    let poor = studio.with_budget(200_000_000).await?;
    poor.post_bytes("/v1/images/edits", FORM, edit.clone()).await?.expect(422)?;
    let answer = rich.post_bytes("/images/edits", FORM, edit).await?.expect(200)?;
    assert_eq!(answer.at("/usage/input_tokens_details/image_tokens")?, 301);
    assert_eq!(studio.provider.requests().len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_form_is_sent_again_whole_after_a_failure() -> Result<()> {
    let studio = Studio::start().await?;
    studio.provider.next(Reply::refuse(500));
    let mut sound = form(&[field("model", "studio"), file("file", 9)]);
    sound.insert_str(0, &field("num_retries", "2"));
    let caller = studio.with_budget(1_000_000_000).await?;
    caller.post_bytes("/v1/audio/transcriptions", FORM, sound).await?.expect(200)?;
    let requests = studio.provider.requests();
    assert_eq!((requests.len(), &requests[0].body), (2, &requests[1].body));
    let settled = studio.settled().await?;
    assert_eq!(settled["cost_nano_usd"], 60_000, "the call that failed is not charged");
    Ok(())
}

#[tokio::test]
async fn sound_may_be_longer_than_any_answer_that_is_read_whole() -> Result<()> {
    let studio = Studio::start().await?;
    let length = 65 * 1024 * 1024;
    studio.provider.next(Reply::raw(200, "audio/wav", vec![7; length]));
    let body = json!({ "model": "studio", "input": "A cat.", "voice": "alloy" });
    let answer = studio.caller().await?.post("/v1/audio/speech", &body).await?.expect(200)?;
    assert_eq!((answer.body.len(), answer.header("content-type")), (length, Some("audio/wav")));
    Ok(())
}

#[tokio::test]
async fn a_bad_form_is_refused_by_the_rule_that_it_breaks() -> Result<()> {
    let studio = Studio::with(Setup::new().arg("--body-max-bytes").arg("5000")).await?;
    let caller = studio.caller().await?;
    let (model, sound) = (field("model", "studio"), file("file", 9));
    let good = [model.clone(), sound.clone()].concat();
    let cases = [
        (good.clone(), "body_invalid", "form_end"),
        (format!("x{good}--edge--"), "body_invalid", "form_beginning"),
        (format!("{good}--edge x\r\n\r\n\r\n--edge--"), "body_invalid", "form_stray_boundary"),
        (format!("{good}--edge\r\nx: y\r\n\r\nz\r\n--edge--"), "body_invalid", "form_disposition"),
        (form(&[model.clone(), model.clone(), sound.clone()]), "parameter_invalid", "duplicate_parameter"),
        (form(&[good.clone(), field("api_base", "https://x.y")]), "parameter_forbidden", "parameter_not_allowed"),
        (form(std::slice::from_ref(&model)), "parameter_invalid", "missing_required_parameter"),
    ];
    for (body, code, reason) in cases {
        let answer = caller.post_bytes("/v1/audio/transcriptions", FORM, body).await?.expect(400)?;
        assert_eq!(answer.at("/error/tallygate/code")?, code, "{reason}");
        assert_eq!(answer.at("/error/tallygate/details/reason")?, reason);
    }
    let json = json!({ "model": "studio" });
    let answer = caller.post("/v1/audio/transcriptions", &json).await?.expect(415)?;
    assert_eq!(answer.at("/error/tallygate/code")?, "content_type_unsupported");
    let long = form(&[model, file("file", 5_000)]);
    let answer = caller.post_bytes("/v1/audio/transcriptions", FORM, long).await?.expect(413)?;
    assert_eq!(answer.at("/error/tallygate/code")?, "body_too_large");
    assert_eq!(studio.provider.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn who_has_no_images_or_sound_is_not_asked_for_any() -> Result<()> {
    let studio = Studio::start().await?;
    let data = json!({ "model": uuid(), "name": "other", "deployments": [{
        "id": "other-1", "vendor": "anthropic", "upstream_model": "m", "base_url": studio.provider.url() }]});
    command(studio.gateway(), "RegisterModel", data).await?.expect(200)?;
    let caller = studio.caller().await?;
    let answer = caller.post("/v1/images/generations", &json!({ "model": "other", "prompt": "A cat." })).await?;
    let answer = answer.expect(400)?;
    assert_eq!(answer.at("/error/tallygate/code")?, "parameter_unsupported");
    assert_eq!(answer.at("/error/tallygate/details/reason")?, "unsupported_operation");
    let sound = form(&[field("model", "other"), file("file", 9)]);
    caller.post_bytes("/v1/audio/transcriptions", FORM, sound).await?.expect(400)?;
    assert_eq!(studio.provider.requests().len(), 0);
    Ok(())
}

/// An upstream that says a piece of sound, and when it is told to, the rest: nothing, if it breaks off.
async fn dripping(is_whole: bool) -> Result<(String, oneshot::Sender<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/v1", listener.local_addr()?);
    let (go_on, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await?;
        let mut piece = [0; 4_096];
        // The request comes in one piece: it is small.
        let _ = socket.read(&mut piece).await?;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/opus\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await?;
        let _ = told.await;
        if is_whole {
            socket.write_all(b"4\r\nlast\r\n0\r\n\r\n").await?;
        }
        anyhow::Ok(())
    });
    Ok((address, go_on))
}

/// Everything that comes from a connection until some bytes have come, or it ends.
async fn until(socket: &mut TcpStream, heard: &mut Vec<u8>, end: &str) -> Result<()> {
    let mut piece = [0; 4_096];
    while !String::from_utf8_lossy(heard).ends_with(end) {
        match socket.read(&mut piece).await? {
            0 => break,
            length => heard.extend_from_slice(&piece[..length]),
        }
    }
    Ok(())
}

async fn say(studio: &Studio, model: &str) -> Result<TcpStream> {
    let key = issue(studio.gateway(), KeyTerms::default()).await?.secret;
    let address = studio.gateway().url().strip_prefix("http://").context("no address")?;
    let mut socket = TcpStream::connect(address).await?;
    let body = json!({ "model": model, "input": "A cat.", "voice": "alloy" }).to_string();
    let length = body.len();
    let head = format!(
        "POST /v1/audio/speech HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    socket.write_all(format!("{head}{body}").as_bytes()).await?;
    Ok(socket)
}

#[tokio::test]
async fn speech_comes_piece_by_piece_before_it_is_whole() -> Result<()> {
    let studio = Studio::start().await?;
    let (address, go_on) = dripping(true).await?;
    studio.register("dripping", &address, true).await?;
    let mut socket = say(&studio, "dripping").await?;
    let mut heard = Vec::new();
    until(&mut socket, &mut heard, "5\r\nfirst\r\n").await?;
    assert!(String::from_utf8_lossy(&heard).contains("content-type: audio/opus"), "the first piece is here alone");
    go_on.send(()).ok().context("the upstream has gone")?;
    until(&mut socket, &mut heard, "4\r\nlast\r\n0\r\n\r\n").await?;
    assert!(heard.ends_with(b"0\r\n\r\n"));
    assert_eq!(studio.settled().await?["outcome"], "succeeded");
    Ok(())
}

#[tokio::test]
async fn speech_that_breaks_off_does_not_look_whole() -> Result<()> {
    let studio = Studio::start().await?;
    let (address, go_on) = dripping(false).await?;
    studio.register("breaking", &address, true).await?;
    let mut socket = say(&studio, "breaking").await?;
    let mut heard = Vec::new();
    until(&mut socket, &mut heard, "5\r\nfirst\r\n").await?;
    go_on.send(()).ok().context("the upstream has gone")?;
    until(&mut socket, &mut heard, "never").await?;
    assert!(heard.ends_with(b"first\r\n"), "{}", String::from_utf8_lossy(&heard));
    let settled = studio.settled().await?;
    assert_eq!((&settled["outcome"], &settled["estimated"]), (&json!("failed"), &json!(true)));
    Ok(())
}
