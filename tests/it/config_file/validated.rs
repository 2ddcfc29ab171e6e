//! `tallygate validate`: every problem at once, and a status for scripts.

use anyhow::Result;
use tallygate_tests::binaries::binary;
use tallygate_tests::process::{Ended, Process};

use super::FILE;

async fn validate(arguments: &[&str]) -> Result<Ended> {
    let environment = [("LITELLM_OPENAI_API_KEY", "sk-canary"), ("LITELLM_MASTER_KEY", "sk-canary-master")];
    Process::start(&binary("tallygate")?, ["validate"].iter().chain(arguments), environment)?.ended().await
}

#[tokio::test]
async fn a_good_file_is_valid_and_a_warning_is_a_problem() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("config.yaml");
    let named = path.to_string_lossy();
    std::fs::write(&path, FILE.replace("UPSTREAM", "http://localhost:8000"))?;
    for arguments in [&[&*named][..], &["--config", &named]] {
        let ended = validate(arguments).await?;
        assert!(ended.status.success() && ended.output.contains("3 deployments, no problems"), "{}", ended.output);
    }
    std::fs::write(&path, "general_settings: {otel: true}\n")?;
    assert_eq!(validate(&[&named]).await?.status.code(), Some(1));
    assert_eq!(validate(&[]).await?.status.code(), Some(1));
    assert_eq!(validate(&["/nowhere.yaml"]).await?.status.code(), Some(1));
    Ok(())
}

#[tokio::test]
async fn every_problem_of_every_kind_is_told_with_its_line_and_no_secret() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("config.yaml");
    let text = "\
model_list:
  - {model_name: a, litellm_params: {model: openai/x, api_key: sk-canary-in-the-file, temperature: 1}}
  - {model_name: b, litellm_params: {model: openai/x, api_base: ftp://x}}
  - {model_name: c, litellm_params: {model: openai/x, api_key: os.environ/LITELLM_MASTER_KEY}}
  - {model_name: d, litellm_params: {model: openai/x}, model_info: {id: same}}
  - {model_name: e, litellm_params: {model: openai/y}, model_info: {id: same}}
litellm_settings:
  success_callback: [langfuse]
  num_retries: 11
router_settings:
  routing_stratgy: simple-shuffle
surprise: 1
";
    std::fs::write(&path, text)?;
    let ended = validate(&[&path.to_string_lossy()]).await?;
    assert_eq!(ended.status.code(), Some(1));
    for said in [
        "line 2: error: `litellm_params.temperature`",
        "line 3: error: `litellm_params.api_base`",
        "line 4: error: `model_list[2].litellm_params.api_key` names LITELLM_MASTER_KEY",
        "line 6: error: `model_info.id`: `same` is the id of the entry in line 5 too",
        "line 8: warning: `litellm_settings.success_callback` is known",
        "line 11: warning: `router_settings.routing_stratgy` is unknown",
        "line 12: warning: `surprise` is unknown",
    ] {
        assert!(ended.output.contains(said), "{said}: {}", ended.output);
    }
    assert!(!ended.output.contains("canary"), "{}", ended.output);
    Ok(())
}
