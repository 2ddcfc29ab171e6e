//! The public name that a model gets from the words of its registration: `openai-compatible/llama-3-local`.

use tallygate_core::id::ModelName;

use super::asked::refused;
use crate::http::error::ApiError;

/// The provider and the name's letters and digits in lower case, with one dash for whatever stands between them.
///
/// # Errors
/// 400 for a name without a letter or digit, and for one that is too long.
pub(super) fn public_name(provider: &str, name: &str) -> Result<ModelName, ApiError> {
    let slug = slug(name);
    if slug.is_empty() {
        return Err(refused("name", "the name of a model has a letter or a digit"));
    }
    ModelName::new(format!("{provider}/{slug}")).map_err(|error| refused("name", error))
}

fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::public_name;

    #[test]
    fn a_public_name_is_the_provider_and_the_letters_of_the_name() {
        for (name, slug) in [
            ("Llama 3 (local)", "llama-3-local"),
            ("GPT-4o", "gpt-4o"),
            (" a.b.*.> ", "a-b"),
            ("Über_Modell", "über-modell"),
        ] {
            assert_eq!(public_name("acme", name).unwrap().as_str(), format!("acme/{slug}"), "{name}");
        }
        // A look-alike is another name, and is not taken for the one that it looks like.
        assert_ne!(public_name("acme", "gpt").unwrap(), public_name("acme", "gрt").unwrap());
        for name in ["", " ", "*", "---", "(>)", &"x".repeat(10_000)] {
            let error = public_name("acme", name).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (400, Some("name")));
        }
    }
}
