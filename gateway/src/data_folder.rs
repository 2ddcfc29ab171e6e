//! The data folder: one process at a time, and the few things that must outlive it beside logs and views.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tallygate_core::id::WriterId;
use tallygate_core::secret::Secret;

/// A data folder that this process has to itself, until it is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process has it.
    #[error("the data folder {0} is in use by another process: stop that one, or give `--data` another folder")]
    InUse(PathBuf),
    /// A file of it cannot be read or written.
    #[error("{what} {path} of the data folder cannot be used")]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The writer's id in it is not one.
    #[error("the file {0} does not hold an id: restore it, or remove the whole data folder")]
    Writer(PathBuf),
}

impl DataFolder {
    /// Opens a folder, and makes it if it is not there.
    pub(crate) fn open(root: &Path) -> Result<Self, DataFolderError> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| DataFolderError::File { what, path, source }
        };
        fs::create_dir_all(root).map_err(failed("the folder", root))?;
        let path = root.join("tallygate.lock");
        let lock = File::create(&path).map_err(failed("the lock", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataFolderError::InUse(root.to_owned())),
            Err(TryLockError::Error(source)) => Err(DataFolderError::File { what: "the lock", path, source }),
        }
    }

    /// A folder or file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The id of the gateway that this folder belongs to: made once.
    pub(crate) fn writer(&self, fresh: impl FnOnce() -> String) -> Result<WriterId, DataFolderError> {
        let (text, _) = self.kept("writer.id", fresh)?;
        WriterId::new(text.trim()).map_err(|_| DataFolderError::Writer(self.path("writer.id")))
    }

    /// A secret that is kept in the folder, and whether it was made now.
    pub(crate) fn secret(&self, name: &str, fresh: impl FnOnce() -> String) -> Result<(Secret, bool), DataFolderError> {
        let (text, is_new) = self.kept(name, fresh)?;
        Ok((Secret::new(text.trim()), is_new))
    }

    /// The text of a small file that only this user can read; written whole, or not at all.
    fn kept(&self, name: &str, fresh: impl FnOnce() -> String) -> Result<(String, bool), DataFolderError> {
        let path = self.path(name);
        let failed = |source| DataFolderError::File { what: "the file", path: path.clone(), source };
        match fs::read_to_string(&path) {
            Ok(text) => Ok((text, false)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = fresh();
                replace(&path, &format!("{text}\n")).map_err(failed)?;
                Ok((text, true))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

/// Writes a small file that only this user can read: whole and synced, or not at all.
///
/// # Errors
/// When the folder cannot be written. What was there stays then.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::{DataFolder, DataFolderError};

    #[test]
    fn a_second_process_is_kept_out_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(DataFolderError::InUse(_))));
        drop(first);
        DataFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn what_is_kept_is_made_once_and_only_for_this_user() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let (secret, is_new) = data.secret("s", || "one".to_owned()).unwrap();
        assert!((secret.expose(), is_new) == ("one", true));
        let (secret, is_new) = data.secret("s", || "two".to_owned()).unwrap();
        assert!((secret.expose(), is_new) == ("one", false));
        let mode = std::fs::metadata(data.path("s")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
