//! The arguments of `tallygate bootstrap`, with the names that installations of LiteLLM have.

use std::path::PathBuf;

use clap::Args;

/// How to bootstrap.
#[derive(Debug, Clone, Args)]
pub struct BootstrapArgs {
    /// The file of variables that holds the master key, the providers' keys and the place of the agent's key.
    #[arg(long, env = "TALLYGATE_ENV_FILE", default_value = "volumes/env/.env")]
    pub env_file: PathBuf,
    /// The file that the providers' keys are mirrored into; `.env.litellm` beside the first when not given.
    #[arg(long, env = "TALLYGATE_PROVIDER_ENV_FILE")]
    pub provider_env_file: Option<PathBuf>,
    /// The gateway; when not given, FF_LLM_PROXY_BASE_URL of the file or of the environment, else http://127.0.0.1:4000.
    #[arg(long, env = "TALLYGATE_URL")]
    pub gateway: Option<String>,
    /// The operator's key. LITELLM_MASTER_KEY works too, of the environment and of the file.
    #[arg(long, alias = "master_key", env = "TALLYGATE_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<String>,
    /// The alias of the agent's key.
    #[arg(long, env = "TALLYGATE_KEY_ALIAS", default_value = "task-agent default")]
    pub key_alias: String,
    /// The variable that the agent's key is written to.
    #[arg(long, env = "TALLYGATE_KEY_VARIABLE", default_value = "OPENAI_API_KEY")]
    pub key_variable: String,
    /// How long to wait for the gateway, in seconds.
    #[arg(long, env = "TALLYGATE_WAIT_SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub wait_seconds: u64,
}
