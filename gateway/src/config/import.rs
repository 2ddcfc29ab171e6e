//! The arguments of `tallygate import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to import.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// LiteLLM's price map: says what is wrong with it and what it would change, and changes it with --apply.
    Prices(ImportPricesArgs),
    /// A LiteLLM proxy: models, teams, keys and budgets of its database and its configuration file. Says what it would
    /// carry over and what not, and does it with --apply.
    Litellm(ImportLitellmArgs),
}

/// How to import from LiteLLM.
#[derive(Debug, Clone, Args)]
pub struct ImportLitellmArgs {
    /// Its configuration file: proxy_config.yaml.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Its database, as its DATABASE_URL names it.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// What its database is sealed with: its LITELLM_SALT_KEY, which works as a variable too; else the master key.
    #[arg(long, hide_env_values = true)]
    pub salt_key: Option<String>,
    /// The gateway that is to have it.
    #[arg(long, env = "TALLYGATE_URL", default_value = "http://127.0.0.1:4000")]
    pub gateway: String,
    /// The operator's key. LITELLM_MASTER_KEY works too.
    #[arg(long, alias = "master_key", env = "TALLYGATE_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<String>,
    /// Carries it over.
    #[arg(long)]
    pub apply: bool,
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
