//! The harness against client libraries: what they see of the simulated upstream is what a gateway would pass on.

use tallygate_tests::python;
use tallygate_tests::upstream::{Upstream, Usage};

#[tokio::test]
async fn the_openai_library_reads_the_simulated_upstream() {
    let upstream = Upstream::start().await.unwrap();
    let environment = [("OPENAI_BASE_URL", upstream.url()), ("OPENAI_API_KEY", "sk-upstream".to_owned())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ended = python::run_script("openai_library.py", &["m"], &environment).await.unwrap();
    let tokens = Usage::default().completion_tokens;
    let expected = [
        "chat: word0 word1 word2 ",
        "stream: word0 word1 word2 ",
        &format!("tokens: {tokens}"),
        "embedding: [0.5, -0.25, 1.0]",
    ];
    assert_eq!(ended.output.lines().collect::<Vec<_>>(), expected);
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_script_that_fails_says_why() {
    let error = python::run_code("import requests, sys; sys.exit('no such key')", &[]).await.unwrap_err().to_string();
    assert!(error.contains("no such key"), "{error}");
}
