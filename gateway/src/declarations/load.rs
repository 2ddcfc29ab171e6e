//! Reading a configuration file from disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallygate_adapters::litellm::config_file::ConfigFile;
use tallygate_core::actor::Actor;
use tallygate_core::digest::Digest;

/// A file that was read. It may hold secrets.
#[derive(Clone)]
pub(crate) struct Loaded {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its name, without the folders that it lies in.
    pub(crate) name: String,
    /// What it says.
    pub(crate) file: ConfigFile,
    /// Of its bytes.
    pub(crate) digest: Digest,
    /// The variables that it was read with.
    pub(crate) environment: Arc<BTreeMap<String, String>>,
}

/// Why a file is not in force. Every line is one problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be used:\n  {}", .path.display(), .problems.join("\n  "))]
pub struct NotLoaded {
    /// Which file.
    pub path: PathBuf,
    /// All that is wrong with it.
    pub problems: Vec<String>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loaded({})", self.name)
    }
}

impl Loaded {
    /// The file as an actor.
    pub(crate) fn actor(&self) -> Actor {
        Actor::configuration(&self.name)
    }

    /// The same file as it is now. None if its bytes are the same.
    ///
    /// # Errors
    /// [`NotLoaded`].
    pub(crate) fn again(&self) -> Result<Self, NotLoaded> {
        load(&self.path, &self.environment)
    }
}

/// Reads a file.
///
/// # Errors
/// [`NotLoaded`]: it cannot be read, or something in it is wrong.
pub(crate) fn load(path: &Path, environment: &Arc<BTreeMap<String, String>>) -> Result<Loaded, NotLoaded> {
    let not_loaded = |problems| NotLoaded { path: path.to_owned(), problems };
    let text =
        std::fs::read_to_string(path).map_err(|error| not_loaded(vec![format!("it cannot be read: {error}")]))?;
    let file = ConfigFile::read(&text, &|name| environment.get(name).cloned());
    if !file.is_usable() {
        return Err(not_loaded(file.findings.iter().map(ToString::to_string).collect()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (path, digest) = (path.to_owned(), Digest::of(text.as_bytes()));
    Ok(Loaded { path, name, file, digest, environment: Arc::clone(environment) })
}
