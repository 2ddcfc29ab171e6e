use super::{BaseUrl, EndpointRefused, InvalidUrl, Origin};
use crate::endpoint::{NetworkPolicy, Reach};
use proptest::prelude::{prop_assert_eq, proptest};

fn url(text: &str) -> Result<BaseUrl, InvalidUrl> {
    text.parse()
}

fn check(text: &str) -> Result<Reach, EndpointRefused> {
    url(text).unwrap().check(&NetworkPolicy::default())
}

#[test]
fn a_base_url_has_one_spelling() {
    for (text, normal, path) in [
        ("https://API.example.com:443/v1/", "https://api.example.com/v1", "/v1"),
        ("http://llm:11434/v1", "http://llm:11434/v1", "/v1"),
        ("http://localhost:80", "http://localhost", ""),
        ("https://[FD00::1]:8443/a/b", "https://[fd00::1]:8443/a/b", "/a/b"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000", ""),
    ] {
        let url = url(text).unwrap();
        assert_eq!((url.as_str(), url.path()), (normal, path));
        assert_eq!(serde_json::from_str::<BaseUrl>(&serde_json::to_string(&url).unwrap()).unwrap(), url);
    }
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for text in [
        "",
        "api.example.com",
        "HTTPS://a.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "unix:/run/x",
        "https:/a",
        "//a",
        " https://a",
        "gopher://a",
    ] {
        assert_eq!(url(text), Err(InvalidUrl::Scheme), "{text}");
    }
    for text in
        ["https://key@a.example", "https://a:b@c.example/v1", "https://a.example@169.254.169.254/", "https://@a"]
    {
        assert_eq!(url(text), Err(InvalidUrl::UserInfo), "{text}");
    }
    for text in ["https://a.example?x", "https://a.example/v1?x=1", "https://a.example/v1#f", "https://a.example#@b"] {
        assert_eq!(url(text), Err(InvalidUrl::Tail), "{text}");
    }
    for text in [
        r"https://a.example\@b",
        r"https://a.example/\b",
        "https://a/../b",
        "https://a/./b",
        "https://a//b",
        "https://a/b//",
        "https://a/%2e%2e/b",
        "https://a/b c",
        "https://a/b\n",
    ] {
        assert_eq!(url(text), Err(InvalidUrl::Path), "{text}");
    }
    for text in [
        "https://a:0",
        "https://a:65536",
        "https://a:080",
        "https://a:",
        "https://a:+80",
        "https://a:80:80",
        "https://[::1]:x",
    ] {
        assert!(matches!(url(text), Err(InvalidUrl::Port { .. })), "{text}");
    }
    for text in
        ["https://", "https:///v1", "https://[::1", "https://::1", "https://0x7f.1", "https://a\r\nb", "https://[::1]x"]
    {
        assert!(url(text).is_err(), "{text}");
    }
    assert!(matches!(url(&format!("https://a/{}", "b".repeat(1024))), Err(InvalidUrl::TooLong { bytes: 1034 })));
}

#[test]
fn plain_http_is_for_this_machine_and_private_networks() {
    assert_eq!(check("http://llm:11434/v1"), Ok(Reach::Private));
    assert_eq!(check("http://localhost:8000"), Ok(Reach::Loopback));
    assert_eq!(check("http://192.168.0.7:8000/v1"), Ok(Reach::Private));
    assert_eq!(check("https://api.example.com/v1"), Ok(Reach::Public));
    assert!(matches!(check("http://api.example.com/v1"), Err(EndpointRefused::Plain { .. })));
    assert!(matches!(check("http://8.8.8.8"), Err(EndpointRefused::Plain { .. })));
}

#[test]
fn metadata_services_and_ports_of_other_protocols_are_refused() {
    for text in [
        "http://169.254.169.254/latest",
        "https://[fd00:ec2::254]",
        "http://metadata.google.internal",
        "https://metadata.goog",
        "http://100.100.100.200",
        "http://0.0.0.0:4000",
        "https://[fe80::1]",
        "https://168.63.129.16",
    ] {
        assert!(matches!(check(text), Err(EndpointRefused::Forbidden { .. })), "{text}");
    }
    for text in ["http://nats:4222", "http://localhost:6379", "https://api.example.com:22"] {
        assert!(matches!(check(text), Err(EndpointRefused::BlockedPort { .. })), "{text}");
    }
}

#[test]
fn a_default_path_is_used_only_where_there_is_none() {
    assert_eq!(url("http://localhost:11434").unwrap().or_path("/v1").unwrap().as_str(), "http://localhost:11434/v1");
    assert_eq!(
        url("http://localhost:11434/api").unwrap().or_path("/v1").unwrap().as_str(),
        "http://localhost:11434/api"
    );
}

#[test]
fn an_origin_is_a_url_without_a_path() {
    assert_eq!("https://a.example:443/".parse::<Origin>().unwrap().to_string(), "https://a.example");
    assert_eq!("https://a.example/v1".parse::<Origin>(), Err(InvalidUrl::NotAnOrigin));
    assert_eq!("http://[FD00::1]:8000".parse::<Origin>().unwrap().authority(), "[fd00::1]:8000");
    assert_eq!("https://a.example:443".parse::<Origin>().unwrap().authority(), "a.example");
    assert_ne!("http://a.example:443".parse::<Origin>(), "https://a.example".parse());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_takes_it_takes_again(text in "(https?://)?[ -~]{0,40}") {
        if let Ok(url) = url(&text) {
            prop_assert_eq!(super::BaseUrl::try_from(url.to_string()), Ok(url));
        }
    }
}
