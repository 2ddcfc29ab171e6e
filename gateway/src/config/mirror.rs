//! Which LiteLLM proxy is kept in step.

use tallygate_core::secret::Secret;

use super::ConfigError;
use crate::mirror::MirrorSettings;

/// The proxy, if one is named. What is empty is not said.
///
/// # Errors
/// [`ConfigError::MirrorHalf`] and [`ConfigError::MirrorUrl`].
pub(super) fn settings(url: Option<String>, key: Option<String>) -> Result<Option<MirrorSettings>, ConfigError> {
    let said = |value: Option<String>| value.filter(|value| !value.is_empty());
    match (said(url), said(key)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::MirrorHalf("--mirror-litellm-key or TALLYGATE_MIRROR_LITELLM_KEY")),
        (None, Some(_)) => Err(ConfigError::MirrorHalf("--mirror-litellm-url or TALLYGATE_MIRROR_LITELLM_URL")),
        (Some(url), Some(key)) => {
            let url = url.trim_end_matches('/').parse().map_err(ConfigError::MirrorUrl)?;
            Ok(Some(MirrorSettings { url, master_key: Secret::new(key) }))
        }
    }
}
