//! The reference agent: it connects with its token, is told what to use, and says that it does.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A test that waits longer for a message has found a bug.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where agents connect.
const PATH: &str = "/api/agents/ws";

/// A connected agent. It hangs up when this is dropped.
#[derive(Debug)]
pub struct Agent {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What an agent was told to use.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The message that told it.
    pub message_id: String,
    /// The whole message.
    pub message: Value,
    /// What to use; null where there is nothing.
    pub config: Value,
}

impl Configuration {
    /// A text of what is to be used; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.config[name].as_str().unwrap_or_default()
    }

    /// The model that is to be called.
    #[must_use]
    pub fn model(&self) -> &str {
        self.text("model")
    }
}

impl Agent {
    /// Connects to a gateway such as `http://127.0.0.1:4000` with a token.
    ///
    /// # Errors
    /// When the gateway does not take it; the text holds the status.
    pub async fn connect(url: &str, token: &str) -> Result<Self> {
        Self::open(url, Some(token)).await
    }

    /// Connects without a token: whoever does so has to say it first.
    ///
    /// # Errors
    /// When the gateway does not take it.
    pub async fn connect_as_stranger(url: &str) -> Result<Self> {
        Self::open(url, None).await
    }

    async fn open(url: &str, token: Option<&str>) -> Result<Self> {
        let address = format!("{}{PATH}", url.replacen("http", "ws", 1).trim_end_matches('/'));
        let mut request = address.into_client_request()?;
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"))?;
            request.headers_mut().insert("authorization", value);
        }
        let (socket, _) = connect_async(request).await.map_err(|error| match error {
            Error::Http(answer) => {
                let body = answer.body().as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
                anyhow::anyhow!("status {}: {}", answer.status(), body.unwrap_or_default())
            }
            error => error.into(),
        })?;
        Ok(Self { socket })
    }

    /// Says something, whatever it is.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn say(&mut self, text: &str) -> Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Sends bytes, which an agent has no reason to.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_bytes(&mut self, bytes: &'static [u8]) -> Result<()> {
        Ok(self.socket.send(Message::binary(bytes)).await?)
    }

    /// The next message. Pings are answered on the way, and do not prolong the wait.
    ///
    /// # Errors
    /// When none comes in time, or the connection ends.
    pub async fn hear(&mut self) -> Result<Value> {
        tokio::time::timeout(PATIENCE, self.message()).await.context("no message in time")?
    }

    async fn message(&mut self) -> Result<Value> {
        loop {
            match self.socket.next().await.context("the connection has ended")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next configuration.
    ///
    /// # Errors
    /// When another message comes, or none.
    pub async fn told(&mut self) -> Result<Configuration> {
        let message = self.hear().await?;
        anyhow::ensure!(message["type"] == "llm_config", "not a configuration: {message}");
        let message_id = message["messageId"].as_str().context("no id")?.to_owned();
        let config = message["payload"]["config"].clone();
        Ok(Configuration { message_id, message, config })
    }

    /// Waits for a configuration that is as wanted, past others.
    ///
    /// # Errors
    /// When none comes.
    pub async fn told_until(&mut self, wanted: impl Fn(&Configuration) -> bool) -> Result<Configuration> {
        loop {
            let told = self.told().await?;
            if wanted(&told) {
                return Ok(told);
            }
        }
    }

    /// Says that a configuration is in use.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn acknowledge(&mut self, configuration: &Configuration) -> Result<()> {
        self.say(&json!({ "type": "ack", "messageId": configuration.message_id }).to_string()).await
    }

    /// How the connection ends: the code of the last message's error, and of the closing frame.
    ///
    /// # Errors
    /// When it goes on, or breaks off without a word.
    pub async fn ended(&mut self) -> Result<(String, u16)> {
        tokio::time::timeout(PATIENCE, self.end()).await.context("it does not end")?
    }

    async fn end(&mut self) -> Result<(String, u16)> {
        let mut word = String::new();
        loop {
            match self.socket.next().await.context("it broke off")?? {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text)?;
                    if message["type"] == "error" {
                        message["payload"]["code"].as_str().unwrap_or_default().clone_into(&mut word);
                    }
                }
                Message::Close(frame) => return Ok((word, frame.map_or(0, |frame| frame.code.into()))),
                _ => {}
            }
        }
    }
}
