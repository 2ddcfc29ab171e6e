//! Carries the messages of one subject between two nats-servers, as NATS' text protocol has them.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::nats_server::NatsServer;

/// A bridge both ways. It ends when this is dropped.
///
/// It has one connection to each server, which asks for no echo of what it publishes itself: so nothing that is carried over
/// comes back, and goes round for ever.
#[derive(Debug)]
pub struct NatsBridge([JoinHandle<Result<()>>; 2]);

impl NatsBridge {
    /// Carries what is published on a subject of either server to the other, from now on.
    ///
    /// # Errors
    /// When a server cannot be reached.
    pub async fn start(one: &NatsServer, two: &NatsServer, subject: &str) -> Result<Self> {
        let ((one_says, to_one), (two_says, to_two)) = (connect(one, subject).await?, connect(two, subject).await?);
        let there = tokio::spawn(carry(one_says, Arc::clone(&to_one), Arc::clone(&to_two)));
        Ok(Self([there, tokio::spawn(carry(two_says, to_two, to_one))]))
    }
}

impl Drop for NatsBridge {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

type Writer = Arc<Mutex<OwnedWriteHalf>>;

async fn connect(server: &NatsServer, subject: &str) -> Result<(BufReader<OwnedReadHalf>, Writer)> {
    let (reader, mut writer) = TcpStream::connect(("127.0.0.1", server.port())).await?.into_split();
    let begin = format!("CONNECT {{\"verbose\":false,\"echo\":false}}\r\nSUB {subject} 1\r\nPING\r\n");
    writer.write_all(begin.as_bytes()).await?;
    Ok((BufReader::new(reader), Arc::new(Mutex::new(writer))))
}

async fn carry(mut from: BufReader<OwnedReadHalf>, answers: Writer, to: Writer) -> Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line).await? == 0 {
            bail!("the server hung up");
        }
        if line.starts_with("PING") {
            answers.lock().await.write_all(b"PONG\r\n").await?;
        }
        let Some(message) = line.strip_prefix("MSG ") else { continue };
        let mut words = message.split_whitespace();
        let (subject, bytes) =
            (words.next().context("a subject")?, words.last().context("a length")?.parse::<usize>()?);
        let mut body = vec![0; bytes + 2];
        from.read_exact(&mut body).await?;
        let publish = [format!("PUB {subject} {bytes}\r\n").as_bytes(), &body].concat();
        to.lock().await.write_all(&publish).await?;
    }
}
