//! The arguments of `tallygate import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to import.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// LiteLLM's price map: says what is wrong with it and what it would change, and changes it with --apply.
    Prices(ImportPricesArgs),
}

/// How to import prices.
#[derive(Debug, Clone, Args)]
pub struct ImportPricesArgs {
    /// The price map, as LiteLLM publishes it: model_prices_and_context_window.json.
    pub file: PathBuf,
    /// The gateway whose prices these are to be.
    #[arg(long, env = "TALLYGATE_URL", default_value = "http://127.0.0.1:4000")]
    pub gateway: String,
    /// The operator's key. LITELLM_MASTER_KEY works too.
    #[arg(long, alias = "master_key", env = "TALLYGATE_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<String>,
    /// Carries the changes out.
    #[arg(long)]
    pub apply: bool,
    /// Tells what is wrong or strange about models that are not in use, too.
    #[arg(long)]
    pub all_findings: bool,
}
