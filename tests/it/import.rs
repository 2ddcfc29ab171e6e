//! `tallygate import litellm` from a real PostgreSQL with LiteLLM's tables, and from its configuration file.

mod database;
mod file;
mod history;
mod people;
mod spend;

use anyhow::{Context as _, Result};
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{Key, KeyInit as _, Nonce, XSalsa20Poly1305};
use data_encoding::BASE64URL;
use sha2::{Digest as _, Sha256};
use tallygate_core::key::KeyHash;
use tallygate_tests::binaries::binary;
use tallygate_tests::gateway::{Gateway, MASTER_KEY};
use tallygate_tests::process::{Ended, Process};

/// What LiteLLM's database is sealed with.
const SALT: &str = "the-salt-of-the-proxy";

/// The secret of one of the keys of the fixture.
fn secret(name: &str) -> String {
    format!("sk-of-{}-0123456789", name.to_lowercase())
}

/// The fixture with its secrets, what is sealed and the upstream in their places.
fn fixture(upstream: &str) -> Result<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/litellm.sql");
    let mut text = std::fs::read_to_string(path)?.replace("UPSTREAM", upstream);
    for name in [
        "ANN", "FREE", "SHARED", "MONTHLY", "BLOCKED", "STRICT", "EXPIRED", "SESSION", "OVER", "ALIEN", "TWIN", "FULL",
        "TIER",
    ] {
        text = text.replace(&format!("HASH_{name}"), &KeyHash::of_secret(&secret(name)).to_string());
    }
    while let Some((before, rest)) = text.split_once("\"SEALED(") {
        let (plain, after) = rest.split_once(")\"").context("not closed")?;
        text = format!("{before}\"{}\"{after}", seal(plain)?);
    }
    Ok(text)
}

/// Seals a text as LiteLLM does.
fn seal(plain: &str) -> Result<String> {
    let cipher = XSalsa20Poly1305::new(Key::from_slice(&Sha256::digest(SALT)));
    let nonce = [7; 24];
    let sealed = cipher.encrypt(Nonce::from_slice(&nonce), plain.as_bytes());
    let sealed = sealed.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(BASE64URL.encode(&[&nonce[..], &sealed].concat()))
}

/// Runs the import into a gateway to its end.
async fn import(gateway: &Gateway, arguments: &[&str]) -> Result<Ended> {
    let arguments = ["import", "litellm", "--gateway", gateway.url()].into_iter().chain(arguments.iter().copied());
    let environment = [("LITELLM_MASTER_KEY", MASTER_KEY), ("LITELLM_SALT_KEY", SALT)];
    Process::start(&binary("tallygate")?, arguments, environment)?.ended().await
}
