//! A stream, frame by frame, up to the end that its reply plans.

use std::io;

use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::upstream::Fate;

use super::format::Format;
use super::refusal::Refusal;
use super::reply::{End, Reply};
use super::scenario::Answer;
use super::seen::Seen;

const ENDLESS_PIECE: &[u8] = &[b'x'; 16 * 1024];

type Pieces = mpsc::Sender<Result<Frame<Bytes>, io::Error>>;

/// See the module.
pub(super) struct Stream {
    frames: Vec<String>,
    filler: String,
    is_lines: bool,
    error: String,
    reply: Reply,
    fate: Fate,
}

impl Stream {
    pub(super) fn new(format: &dyn Format, seen: &Seen, answer: &Answer, reply: Reply, fate: Fate) -> Self {
        let status = if let End::Error(status) = reply.end { status } else { 500 };
        Self {
            frames: format.frames(seen, answer),
            filler: format.filler(seen),
            is_lines: format.stream_type() != "text/event-stream",
            error: format.broken(&Refusal::planned(status)),
            reply,
            fate,
        }
    }

    /// Sends everything; nothing when the caller hung up before the end.
    pub(super) async fn send(&self, pieces: &Pieces) -> Option<()> {
        let whole = matches!(self.reply.end, End::Done | End::DoneTwice);
        let middle = if whole { self.frames.len() } else { self.frames.len() / 2 };
        let (before, after) = self.frames.split_at(self.reply.frames.unwrap_or(middle).min(self.frames.len()));
        self.send_all(before, pieces).await?;
        self.pass(pieces).await?;
        match self.reply.end {
            End::Done => self.send_all(after, pieces).await,
            End::DoneTwice => {
                self.send_all(after, pieces).await?;
                let last = self.frames.last().cloned().unwrap_or_default();
                piece(pieces, Bytes::from(last)).await
            }
            End::Hang => {
                pieces.closed().await;
                None
            }
            End::Reset => {
                self.fate.reset();
                cut(pieces).await
            }
            End::CutOff => cut(pieces).await,
            End::Silence => Some(()),
            End::Error(_) => piece(pieces, Bytes::from(self.error.clone())).await,
            End::Garbage => {
                let garbage = if self.is_lines { "{\"mess\n" } else { "data: {\"mess\n\n" };
                piece(pieces, Bytes::from_static(garbage.as_bytes())).await?;
                self.send_all(after, pieces).await
            }
            End::EndlessLine => {
                piece(pieces, Bytes::from_static(if self.is_lines { b"{\"x\":\"" } else { b"data: " })).await?;
                loop {
                    piece(pieces, Bytes::from_static(ENDLESS_PIECE)).await?;
                }
            }
            End::Flood(count) => {
                let filler = Bytes::from(self.filler.clone());
                for _ in 0..count {
                    piece(pieces, filler.clone()).await?;
                }
                self.send_all(after, pieces).await
            }
        }
    }

    async fn send_all(&self, frames: &[String], pieces: &Pieces) -> Option<()> {
        for frame in frames {
            self.pass(pieces).await?;
            piece(pieces, Bytes::from(frame.clone())).await?;
        }
        Some(())
    }

    /// Waits at the gate, unless the caller hangs up first.
    async fn pass(&self, pieces: &Pieces) -> Option<()> {
        tokio::select! {
            biased;
            () = pieces.closed() => None,
            () = self.reply.pass_gate() => Some(()),
        }
    }
}

async fn piece(pieces: &Pieces, bytes: Bytes) -> Option<()> {
    pieces.send(Ok(Frame::data(bytes))).await.ok()
}

/// The body fails: the server closes the connection without ending it.
async fn cut(pieces: &Pieces) -> Option<()> {
    pieces.send(Err(io::Error::from(io::ErrorKind::ConnectionAborted))).await.ok()
}
