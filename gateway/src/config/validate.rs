//! The arguments of `tallygate validate`.

use std::path::PathBuf;

use clap::Args;

/// What to check.
#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// The configuration file: LiteLLM's proxy_config.yaml.
    pub file: Option<PathBuf>,
    /// The same.
    #[arg(long, env = "TALLYGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Names that look public but lie in a private network, as the gateway is told them.
    #[arg(long = "private-name", env = "TALLYGATE_PRIVATE_NAMES", value_delimiter = ',')]
    pub private_names: Vec<String>,
}
