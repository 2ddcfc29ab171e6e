//! The binaries of the workspace, as cargo has built them beside the running test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The path of a binary of the workspace, such as `tallygate`, in the profile that the test was built in.
///
/// # Errors
/// When it is not built. Cargo builds the binaries of other packages only when it is told to; the text says how.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("where this test runs from is not known")?;
    beside(&test, name)
}

/// Tests run from `<target>/<profile>/deps/`, binaries lie one folder up; a binary of the harness is one of them.
fn beside(test: &Path, name: &str) -> Result<PathBuf> {
    let folder = test.parent().map(|folder| if folder.ends_with("deps") { folder.parent() } else { Some(folder) });
    let folder = folder.flatten().with_context(|| format!("{} is in no folder of cargo's", test.display()))?;
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        bail!("{} is not built: run `cargo build --workspace --all-targets` first, as tests/run does", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn a_binary_is_found_one_folder_above_the_test_or_named_as_missing() {
        let target = tempfile::tempdir().unwrap();
        let test = target.path().join("deps").join("it-0123");
        let error = beside(&test, "tallygate").unwrap_err().to_string();
        assert!(error.contains("tallygate") && error.contains("cargo build"), "{error}");
        std::fs::write(target.path().join("tallygate"), "").unwrap();
        assert_eq!(beside(&test, "tallygate").unwrap(), target.path().join("tallygate"));
        assert_eq!(beside(&target.path().join("chaos"), "tallygate").unwrap(), target.path().join("tallygate"));
        assert!(beside(&target.path().join("other").join("it-0123"), "tallygate").is_err());
    }
}
