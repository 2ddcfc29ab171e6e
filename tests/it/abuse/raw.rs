//! Bytes on a socket: what no HTTP library would send.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tallygate_tests::gateway::Gateway;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A gateway that neither answers nor closes within this has been stopped by one client.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that came back before the connection ended.
pub struct Heard(pub String);

impl Heard {
    /// The statuses of all answers, in order.
    pub fn statuses(&self) -> Vec<u16> {
        let lines = self.0.match_indices("HTTP/1.").filter_map(|(at, _)| self.0.get(at + 9..at + 12));
        lines.filter_map(|status| status.parse().ok()).collect()
    }

    /// Whether all that was said is that this is no request; saying nothing and closing counts.
    pub fn is_refusal(&self) -> bool {
        self.statuses().iter().all(|status| (400..500).contains(status))
    }
}

/// A connection on which nothing was said.
pub async fn connect(gateway: &Gateway) -> Result<TcpStream> {
    let address = gateway.url().strip_prefix("http://").context("no address")?;
    Ok(TcpStream::connect(address).await?)
}

/// Sends bytes, and listens until the gateway closes the connection.
pub async fn send(gateway: &Gateway, bytes: &[u8]) -> Result<Heard> {
    let (mut reader, mut writer) = connect(gateway).await?.into_split();
    let bytes = bytes.to_vec();
    // What is refused halfway is not written to the end; that shows in the answer.
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&bytes).await;
        writer
    });
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    let listen = async {
        // A reset is an end as well.
        while let Ok(length @ 1..) = reader.read(&mut piece).await {
            heard.extend_from_slice(&piece[..length]);
        }
    };
    tokio::time::timeout(PATIENCE, listen).await.context("the gateway kept the connection open")?;
    writing.abort();
    Ok(Heard(String::from_utf8_lossy(&heard).into_owned()))
}

/// One request of a line, more header lines, and a body; the connection is to close after it.
pub fn request(line: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{line}\r\nconnection: close\r\n");
    if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
        text.push_str("host: gateway\r\n");
    }
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

#[test]
fn statuses_are_found_and_silence_is_a_refusal() {
    let heard = Heard("HTTP/1.1 400 Bad Request\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned());
    assert_eq!(heard.statuses(), [400, 200]);
    assert!(!heard.is_refusal());
    assert!(Heard(String::new()).is_refusal());
}
