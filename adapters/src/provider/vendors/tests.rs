use super::{InvalidVendors, VendorError, Vendors};
use crate::secret::is_allowed_name;
use tallygate_core::endpoint::NetworkPolicy;

fn vendors() -> Vendors {
    Vendors::builtin().unwrap()
}

#[test]
fn every_row_may_be_called_with_a_key_that_may_be_read() {
    for vendor in vendors().iter() {
        if let Some(url) = &vendor.base_url {
            url.check(&NetworkPolicy::default()).unwrap();
        }
        for name in &vendor.key_env {
            assert!(is_allowed_name(name), "{name}");
        }
    }
}

#[test]
fn a_registration_means_one_vendor_and_one_model() {
    let vendors = vendors();
    for (model, provider, has_base_url, vendor, upstream) in [
        ("openai/gpt-5", None, false, "openai", "gpt-5"),
        ("openai/gpt-5", None, true, "openai", "gpt-5"),
        ("gpt-5-mini", None, false, "openai", "gpt-5-mini"),
        ("gpt-5-mini", Some("openai"), false, "openai", "gpt-5-mini"),
        ("deepseek/deepseek-chat", None, false, "deepseek", "deepseek-chat"),
        ("together/meta-llama/Llama-3", None, false, "together_ai", "meta-llama/Llama-3"),
        ("meta-llama/Llama-3", Some("together_ai"), false, "together_ai", "meta-llama/Llama-3"),
        ("openai/gpt-oss-120b", Some("groq"), false, "groq", "openai/gpt-oss-120b"),
        ("groq/openai/gpt-oss-120b", Some("groq"), false, "groq", "openai/gpt-oss-120b"),
        ("accounts/x/models/y", None, true, "openai-compatible", "accounts/x/models/y"),
        ("my-model", None, true, "openai-compatible", "my-model"),
        ("ollama_chat/llama3", None, true, "ollama", "llama3"),
    ] {
        let (found, name) = vendors.resolve(model, provider, has_base_url).unwrap();
        assert_eq!((found.id.as_str(), name), (vendor, upstream), "{model} {provider:?}");
    }
}

#[test]
fn what_is_not_built_is_not_there() {
    let vendors = vendors();
    for model in ["bedrock/claude", "vertex_ai/gemini", "nobody/x"] {
        assert!(matches!(vendors.resolve(model, None, false), Err(VendorError::Unknown { .. })), "{model}");
    }
    assert!(matches!(vendors.resolve("x", Some("bedrock"), true), Err(VendorError::Unknown { .. })));
    assert!(matches!(vendors.resolve("my-model", None, false), Err(VendorError::NotNamed { .. })));
    assert_eq!(vendors.resolve("openai/", None, false).unwrap_err(), VendorError::NoModel);
    assert_eq!(vendors.resolve("", Some("openai"), false).unwrap_err(), VendorError::NoModel);
}

#[test]
fn an_endpoint_is_the_vendors_own_or_the_one_that_is_given() {
    let vendors = vendors();
    let endpoint =
        |vendor: &str, given: Option<&str>| vendors.get(vendor).unwrap().endpoint(given).map(|url| url.to_string());
    assert_eq!(endpoint("openai", None).unwrap(), "https://api.openai.com/v1");
    assert_eq!(endpoint("ollama", Some("http://ollama:11434")).unwrap(), "http://ollama:11434");
    assert_eq!(endpoint("anthropic", Some("http://proxy:8080")).unwrap(), "http://proxy:8080/v1");
    assert_eq!(endpoint("gemini", Some("http://proxy:8080/v1beta")).unwrap(), "http://proxy:8080/v1beta");
    assert_eq!(endpoint("openai-compatible", Some("http://ollama:11434/v1")).unwrap(), "http://ollama:11434/v1");
    assert_eq!(endpoint("openai-compatible", Some("http://llm:8000")).unwrap(), "http://llm:8000");
    assert!(matches!(endpoint("openai-compatible", None), Err(VendorError::NoBaseUrl(_))));
    assert!(matches!(endpoint("openai", Some("ftp://x")), Err(VendorError::BaseUrl(_))));
}

#[test]
fn a_base_url_may_be_written_as_people_write_it() {
    let vendors = vendors();
    for (vendor, given, meant) in [
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
        ("anthropic", "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic/v1"),
        ("ollama", "http://ollama:11434", "http://ollama:11434"),
        ("ollama", "http://ollama:11434/v1", "http://ollama:11434"),
        ("ollama", "http://ollama:11434/api", "http://ollama:11434"),
        ("ollama", "http://host/ollama/v1", "http://host/ollama"),
        ("llama.cpp", "http://llm:8080", "http://llm:8080/v1"),
        ("gemini", "https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1beta"),
        ("gemini", "https://x.dev/v1beta/openai/", "https://x.dev/v1beta"),
        ("azure", "https://x.openai.azure.com/", "https://x.openai.azure.com"),
        ("azure", "https://x.openai.azure.com/openai", "https://x.openai.azure.com"),
        ("azure", "https://x.openai.azure.com/openai/v1", "https://x.openai.azure.com/openai/v1"),
        ("openai", "https://proxy.dev", "https://proxy.dev"),
    ] {
        let found = vendors.get(vendor).unwrap().endpoint(Some(given)).unwrap();
        assert_eq!(found.as_str(), meant, "{vendor} {given}");
    }
}

#[test]
fn every_variable_that_people_set_for_an_address_is_read() {
    let vendors = vendors();
    for (vendor, variables) in [
        ("openai", ["OPENAI_BASE_URL", "OPENAI_API_BASE"].as_slice()),
        ("anthropic", &["ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"]),
        ("google", &["GEMINI_API_BASE"]),
        ("azure", &["AZURE_API_BASE"]),
        ("deepseek", &["DEEPSEEK_API_BASE"]),
        ("ollama", &["OLLAMA_API_BASE", "OLLAMA_BASE_URL"]),
    ] {
        let vendor = vendors.get(vendor).unwrap();
        for variable in variables {
            assert!(vendor.base_env.iter().any(|known| known == variable), "{variable}");
        }
    }
    let form = vendors.get("azure").unwrap().path_form.as_ref().unwrap();
    assert!(form.api_version_env.iter().any(|known| known == "AZURE_API_VERSION"));
    for name in [
        "openai",
        "anthropic",
        "google",
        "gemini",
        "azure",
        "deepseek",
        "ollama",
        "openai-compatible",
        "mistral",
        "groq",
        "together",
        "fireworks",
        "xai",
        "openrouter",
        "vllm",
        "llama.cpp",
    ] {
        assert!(vendors.get(name).is_some(), "{name}");
    }
    assert!(matches!(vendors.get("azure").unwrap().endpoint(None), Err(VendorError::NoBaseUrl(_))));
}

#[test]
fn a_careless_row_is_refused() {
    let row = |more: &str| {
        format!("[[vendor]]\nid = \"a\"\nname = \"A\"\ndialects = [\"openai_chat\"]\nauth = \"bearer\"\n{more}\n")
    };
    assert!(Vendors::parse(&row("")).is_ok());
    assert!(matches!(Vendors::parse(&(row("") + &row(""))), Err(InvalidVendors::Twice(_))));
    assert!(matches!(Vendors::parse(&row("also = [\"a\"]")), Err(InvalidVendors::Twice(_))));
    assert!(matches!(Vendors::parse(&row("base_url = \"x\"")), Err(InvalidVendors::Url(..))));
    let form =
        "[vendor.path_form]\ntemplate = \"/x{path}\"\nplain_under = \"/v1\"\napi_version = \"1\"\napi_version_env = []";
    assert!(matches!(Vendors::parse(&row(form)), Err(InvalidVendors::PathForm(_))));
    for more in [
        "typo = 1",
        "abilities = { unheard_of = 1 }",
        "abilities = { sampling = \"unheard_of\" }",
        "dialect = \"unheard_of\"",
    ] {
        assert!(matches!(Vendors::parse(&row(more)), Err(InvalidVendors::Form(_))), "{more}");
    }
}
