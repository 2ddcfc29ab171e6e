//! What the tests of both doors share: a handler that records what it is given.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tallygate_core::port::BoxFuture;
use tallygate_core::port::command_door::{CommandHandler, Outcome, Reply, Submission};
use tokio::sync::{Mutex, mpsc};

/// What a recorded command is to be answered with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Script {
    Reply(Outcome),
    Panic,
    /// Never answers.
    Hang,
}

/// Hands every submission to the test, and answers as scripted: the last answer again and again.
pub(crate) struct Recorder {
    script: Mutex<VecDeque<Script>>,
    seen: mpsc::UnboundedSender<Submission>,
}

impl Recorder {
    pub(crate) fn new(script: &[Script]) -> (Arc<Self>, mpsc::UnboundedReceiver<Submission>) {
        let (seen, submissions) = mpsc::unbounded_channel();
        (Arc::new(Self { script: Mutex::new(script.iter().copied().collect()), seen }), submissions)
    }

    pub(crate) fn accepting() -> (Arc<Self>, mpsc::UnboundedReceiver<Submission>) {
        Self::new(&[Script::Reply(Outcome::Accepted)])
    }
}

impl CommandHandler for Recorder {
    fn handle(&self, submission: Submission) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let mut script = self.script.lock().await;
            let answer = if script.len() > 1 { script.pop_front().unwrap() } else { script[0] };
            drop(script);
            self.seen.send(submission).unwrap();
            match answer {
                Script::Reply(Outcome::Accepted) => Reply::accepted(Bytes::from_static(b"{\"position\":7}")),
                Script::Reply(outcome) => Reply::failed(outcome, "test.code", Bytes::from_static(b"{\"error\":{}}")),
                Script::Panic => panic!("the handler fails"),
                Script::Hang => std::future::pending().await,
            }
        })
    }
}
