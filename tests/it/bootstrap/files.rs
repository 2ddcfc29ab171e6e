//! What the bootstrap does to files, and what it says of those that it cannot use.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use tallygate_tests::gateway::MASTER_KEY;

use super::{Installation, bootstrap};

#[tokio::test]
async fn providers_keys_are_mirrored_once_and_what_stands_beside_them_stays() -> Result<()> {
    let installation = Installation::start().await?;
    let mirror = installation.folder.path().join(".env.litellm");
    assert!(installation.bootstrap().await?.status.success());
    assert_eq!(std::fs::read_to_string(&mirror)?, "LITELLM_OPENAI_API_KEY=sk-provider-canary\n");
    assert_eq!(std::fs::metadata(&mirror)?.permissions().mode() & 0o777, 0o600);
    std::fs::write(&mirror, "# mine\nOTHER=1\nLITELLM_OPENAI_API_KEY=old\n")?;
    std::fs::set_permissions(&mirror, std::fs::Permissions::from_mode(0o640))?;
    assert!(installation.bootstrap().await?.status.success());
    let expected = "# mine\nOTHER=1\nLITELLM_OPENAI_API_KEY=sk-provider-canary\n";
    assert_eq!(std::fs::read_to_string(&mirror)?, expected);
    assert_eq!(std::fs::metadata(&mirror)?.permissions().mode() & 0o777, 0o640);
    let written = std::fs::metadata(&mirror)?.modified()?;
    assert!(installation.bootstrap().await?.status.success());
    assert_eq!(std::fs::metadata(&mirror)?.modified()?, written, "what is so already is not written");
    std::fs::remove_file(&mirror)?;
    assert!(installation.bootstrap().await?.status.success());
    assert_eq!(std::fs::read_to_string(&mirror)?, "LITELLM_OPENAI_API_KEY=sk-provider-canary\n");
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_of_by_its_line_and_nothing_changes() -> Result<()> {
    let installation = Installation::start().await?;
    let (before, good) = (installation.position().await?, installation.text()?);
    let without = |name: &str| good.lines().filter(|line| !line.starts_with(name)).collect::<Vec<_>>().join("\n");
    for (text, said) in [
        (format!("{good}OPENAI_API_KEY=sk-2\n"), "OPENAI_API_KEY is defined twice, in lines 8 and 11"),
        (format!("{good}sk-canary-without-a-name\n"), "line 11 is neither a comment nor NAME=value"),
        (good.replace("'a salt", "'a 'salt"), "the quotes of LITELLM_SALT_KEY in line 3"),
        (without("LITELLM_MASTER_KEY"), "set LITELLM_MASTER_KEY in"),
        (without("LITELLM_MODEL"), "set LITELLM_DEFAULT_MODELS"),
        (
            good.replace("sk-proxy-default", "sk-proj-a-key-of-the-provider-itself"),
            "holds a key that this gateway did not issue",
        ),
        (good.replace(MASTER_KEY, "sk-of-nobody"), "status 401"),
    ] {
        std::fs::write(installation.path(), &text)?;
        let ended = installation.bootstrap().await?;
        assert_eq!(ended.status.code(), Some(1), "{said}: {}", ended.output);
        assert!(ended.output.contains(said) && !ended.output.contains("canary-without"), "{said}: {}", ended.output);
        assert_eq!(installation.text()?, text, "{said}");
    }
    assert_eq!(installation.position().await?, before);
    let gone = bootstrap(&installation.folder.path().join("none/.env"), &[]).await?;
    assert!(gone.output.contains("cannot be read: copy the template to it"), "{}", gone.output);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_waited_for_no_longer_than_said() -> Result<()> {
    let installation = Installation::start().await?;
    let arguments = ["--gateway", "http://127.0.0.1:1", "--wait-seconds", "1"];
    let ended = bootstrap(&installation.path(), &arguments).await?;
    assert!(ended.output.contains("no gateway answered at http://127.0.0.1:1 within 1 s"), "{}", ended.output);
    Ok(())
}
