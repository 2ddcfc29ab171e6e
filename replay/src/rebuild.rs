//! TEMP
use crate::cli::RebuildArgs;
use crate::report::Report;
use crate::source::Source;
pub(crate) async fn run(_source: &Source, _args: &RebuildArgs) -> anyhow::Result<Report> {
    anyhow::bail!("not yet")
}
