//! A small file system in memory, which a test can fill up.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use tempfile::TempDir;

/// How large the file system is, as `mount` takes it.
const SIZE: &str = "size=12m";

/// A small file system in memory. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mount_point: PathBuf,
    _folder: TempDir,
}

impl SmallDisk {
    /// None for who may not mount, and the reason is printed. Root must be able to.
    ///
    /// # Errors
    /// When root cannot mount it.
    pub fn mount() -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mount_point = folder.path().to_path_buf();
        Self::mount_at(folder, mount_point)
    }

    /// The same on a folder within another one.
    ///
    /// # Errors
    /// When root cannot mount it.
    #[allow(clippy::print_stdout, reason = "a test that could not run says so")]
    pub fn mount_at(folder: TempDir, mount_point: PathBuf) -> Result<Option<Self>> {
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "tallygate-test"]).arg(&mount_point).output()?;
        if mounted.status.success() {
            return Ok(Some(Self { mount_point, _folder: folder }));
        }
        let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
        ensure!(!is_root()?, "root cannot mount a small file system: {why}");
        println!("not tested: only root may mount a small file system: {why}");
        Ok(None)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Takes all room that is left, and gives the file that took it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn fill(&self) -> Result<PathBuf> {
        let path = self.path().join("filling");
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        // Ever smaller pieces, so that not even a page is left.
        for size in [64 * 1024, 4 * 1024, 64, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a gateway that was just killed may hold a file for a moment yet.
        let _ = Command::new("umount").arg("--lazy").arg(&self.mount_point).status();
    }
}

fn is_root() -> Result<bool> {
    let id = Command::new("id").arg("-u").output()?;
    Ok(String::from_utf8_lossy(&id.stdout).trim() == "0")
}
