//! Carries the messages of one subject from one nats-server to another, as NATS' text protocol has them.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

use crate::nats_server::NatsServer;

/// A bridge one way. It ends when this is dropped.
#[derive(Debug)]
pub struct NatsBridge(JoinHandle<Result<()>>);

impl NatsBridge {
    /// Carries what is published on a subject of one server to the other, from now on.
    ///
    /// # Errors
    /// When a server cannot be reached.
    pub async fn start(from: &NatsServer, to: &NatsServer, subject: &str) -> Result<Self> {
        let (reader, mut writer) = connect(from).await?;
        // Without an echo: what a bridge the other way publishes does not come back.
        writer.write_all(format!("SUB {subject} 1\r\nPING\r\n").as_bytes()).await?;
        let (_, to) = connect(to).await?;
        Ok(Self(tokio::spawn(carry(reader, writer, to))))
    }
}

impl Drop for NatsBridge {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn connect(server: &NatsServer) -> Result<(BufReader<OwnedReadHalf>, OwnedWriteHalf)> {
    let (reader, mut writer) = TcpStream::connect(("127.0.0.1", server.port())).await?.into_split();
    writer.write_all(b"CONNECT {\"verbose\":false,\"echo\":false}\r\n").await?;
    Ok((BufReader::new(reader), writer))
}

async fn carry(mut from: BufReader<OwnedReadHalf>, mut answers: OwnedWriteHalf, mut to: OwnedWriteHalf) -> Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line).await? == 0 {
            bail!("the server hung up");
        }
        if line.starts_with("PING") {
            answers.write_all(b"PONG\r\n").await?;
        }
        let Some(message) = line.strip_prefix("MSG ") else { continue };
        let mut words = message.split_whitespace();
        let (subject, bytes) =
            (words.next().context("a subject")?, words.last().context("a length")?.parse::<usize>()?);
        let mut body = vec![0; bytes + 2];
        from.read_exact(&mut body).await?;
        to.write_all(format!("PUB {subject} {bytes}\r\n").as_bytes()).await?;
        to.write_all(&body).await?;
    }
}
