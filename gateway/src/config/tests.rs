use std::collections::BTreeMap;

use clap::Parser as _;

use super::{Cli, Config, ConfigError};

fn config(args: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let cli = Cli::parse_from(std::iter::once("tallygate").chain(args.iter().copied()));
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    cli.serve.check(environment.collect::<BTreeMap<_, _>>())
}

#[test]
fn weak_or_missing_secrets_are_refused_where_others_reach_the_gateway() {
    let open = ["--host", "0.0.0.0"];
    assert!(matches!(config(&open, &[]), Err(ConfigError::MasterKeyMissing(_))));
    for weak in ["sk-1234", "sk-proxy-default", "short"] {
        let refused = config(&[open.as_slice(), &["--master-key", weak]].concat(), &[]);
        assert_eq!(refused.unwrap_err(), ConfigError::MasterKeyWeak, "{weak}");
    }
    assert!(config(&[open.as_slice(), &["--master-key", "sk-a-long-and-random-one"]].concat(), &[]).is_ok());
    assert_eq!(config(&[], &[("LITELLM_MASTER_KEY", "")]).unwrap_err(), ConfigError::MasterKeyEmpty);
}

#[test]
fn the_names_that_guides_use_work_too() {
    let config = config(&["--master_key", "sk-my-master-key"], &[("LITELLM_SALT_KEY", "a-salt-of-some-length")]);
    let config = config.unwrap();
    assert_eq!(config.master_key.unwrap().expose(), "sk-my-master-key");
    assert_eq!(config.secret.unwrap().expose(), "a-salt-of-some-length");
}

#[test]
fn a_limit_that_cannot_be_kept_is_refused() {
    for (flag, wrong, least) in [
        ("--head-timeout-seconds", "0", "1"),
        ("--head-max-bytes", "8191", "8192"),
        ("--body-timeout-seconds", "86401", "86400"),
        ("--connections-max", "0", "1"),
        ("--max-staleness-seconds", "0", "1"),
        ("--budget-max-staleness-seconds", "0", "1"),
        ("--gone-after-seconds", "0", "1"),
        ("--drain-seconds", "-1", "0"),
    ] {
        let parse = |value: &str| Cli::try_parse_from(["tallygate", &format!("{flag}={value}")]);
        assert!(parse(wrong).is_err() && parse(least).is_ok(), "{flag}");
    }
    let limits = config(&["--head-timeout-seconds", "7", "--drain-seconds", "9"], &[]).unwrap().server;
    assert_eq!((limits.head_timeout.as_secs(), limits.drain_timeout.as_secs()), (7, 9));
}

#[test]
fn where_agents_reach_the_gateway_is_an_address_without_a_slash_at_its_end() {
    let url = |url: &str| config(&["--public-url", url], &[]).map(|config| config.agents.public_url.unwrap());
    assert_eq!(url("https://gateway.example/llm/").unwrap(), "https://gateway.example/llm");
    for wrong in ["gateway.example", "ftp://gateway.example", "http://a b"] {
        assert_eq!(url(wrong).unwrap_err(), ConfigError::PublicUrl, "{wrong}");
    }
    let of_guide = config(&[], &[("LITELLM_BASE_URL", "http://litellm:4000")]).unwrap();
    assert_eq!(of_guide.agents.public_url.as_deref(), Some("http://litellm:4000"));
}

#[test]
fn gateways_on_nats_must_share_their_secret() {
    let refused = config(&["--nats", "nats://127.0.0.1:4222"], &[]);
    assert_eq!(refused.unwrap_err(), ConfigError::SecretMissing);
}

#[test]
fn no_secret_is_printed() {
    let environment = [("LITELLM_OPENAI_API_KEY", "canary-3")];
    let config = config(&["--master-key", "sk-canary-1", "--secret", "canary-2-canary-2"], &environment).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn a_mirror_needs_an_address_and_a_key_and_what_is_empty_is_not_said() {
    let mirror = |args: &[&str]| config(args, &[]).map(|config| config.mirror);
    let (url, key) = ("--mirror-litellm-url=http://litellm:4000/", "--mirror-litellm-key=sk-canary-of-the-proxy");
    assert!(mirror(&[]).unwrap().is_none());
    assert!(mirror(&["--mirror-litellm-url=", "--mirror-litellm-key="]).unwrap().is_none());
    assert!(matches!(mirror(&[url]), Err(ConfigError::MirrorHalf(what)) if what.contains("--mirror-litellm-key")));
    assert!(matches!(mirror(&[key]), Err(ConfigError::MirrorHalf(what)) if what.contains("--mirror-litellm-url")));
    assert!(matches!(mirror(&["--mirror-litellm-url=litellm:4000", key]), Err(ConfigError::MirrorUrl(_))));
    let both = mirror(&[url, key]).unwrap().unwrap();
    assert_eq!(both.url.as_str(), "http://litellm:4000");
    assert!(!format!("{both:?}").contains("canary"));
}
