//! Hosts: their one spelling, and how far away each may be.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::address::AddressKind;
use super::url::InvalidUrl;

/// The longest host name that DNS can carry.
const NAME_MAX_BYTES: usize = 253;
const LABEL_MAX_BYTES: usize = 63;
/// Names under these lie in networks of one's own: RFC 6762, RFC 8375, and what container platforms use.
const PRIVATE_SUFFIXES: [&str; 7] = [".local", ".internal", ".lan", ".home.arpa", ".svc", ".intranet", ".private"];
/// Names of metadata services. Their addresses are refused at connect too; this says so at once.
const METADATA_NAMES: [&str; 5] =
    ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

/// A host: a name in lower-case ASCII, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name.
    Name(Arc<str>),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, none that stands for an IPv4 address.
    V6(Ipv6Addr),
}

/// How far away the addresses of a host may be. Chosen by the host's text, never by what it resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// `localhost` and loopback addresses: this machine only.
    Loopback,
    /// Names without a dot, names of private networks, private addresses: private networks only. Plain `http` is allowed.
    Private,
    /// Every other name and address: the internet only, so that a name cannot be pointed at one's own network.
    Public,
}

/// What an operator allows beyond the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Names that look public but lie in a private network, as with private links of clouds: `llm.corp.example`, or a
    /// whole suffix, `.corp.example`. Lower-case.
    pub private_names: Vec<String>,
}

impl NetworkPolicy {
    fn is_private(&self, name: &str) -> bool {
        self.private_names.iter().any(|allowed| match allowed.strip_prefix('.') {
            Some(_) => name.ends_with(allowed.as_str()),
            None => name == allowed,
        })
    }
}

impl Reach {
    /// How far away a host may be; none if it may never be called.
    #[must_use]
    pub fn of(host: &Host, policy: &NetworkPolicy) -> Option<Self> {
        let of_address = |address| match AddressKind::of(address) {
            AddressKind::Loopback => Some(Self::Loopback),
            AddressKind::Private => Some(Self::Private),
            AddressKind::Public => Some(Self::Public),
            AddressKind::Forbidden => None,
        };
        match host {
            Host::V4(address) => of_address(IpAddr::V4(*address)),
            Host::V6(address) => of_address(IpAddr::V6(*address)),
            Host::Name(name) => Self::of_name(name, policy),
        }
    }

    /// How far away a name may be; none for the names of metadata services. `name` is in lower case.
    #[must_use]
    pub fn of_name(name: &str, policy: &NetworkPolicy) -> Option<Self> {
        if METADATA_NAMES.contains(&name) {
            return None;
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Some(Self::Loopback);
        }
        let is_private = !name.contains('.')
            || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            || policy.is_private(name);
        Some(if is_private { Self::Private } else { Self::Public })
    }

    /// Whether a host of this reach may be reached at an address.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match AddressKind::of(address) {
            AddressKind::Loopback => self == Self::Loopback,
            AddressKind::Private => self == Self::Private,
            AddressKind::Public => self == Self::Public,
            AddressKind::Forbidden => false,
        }
    }
}

impl Host {
    /// Reads a host as it stands in a URL.
    ///
    /// # Errors
    /// [`InvalidUrl`] for names that DNS cannot carry, for text that some programs read as another address (`0x7f.1`,
    /// `2130706433`, `0177.0.0.1`), and for IPv6 addresses with a zone or an IPv4 address within.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl::Host { host: text.chars().take(80).collect() };
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| invalid())?;
            // `::1` is the one address of the old "IPv4-compatible" range that means itself.
            let holds_v4 = address.to_ipv4().is_some() && address != Ipv6Addr::LOCALHOST;
            return if holds_v4 { Err(invalid()) } else { Ok(Self::V6(address)) };
        }
        let last = text.rsplit('.').next().unwrap_or_default();
        let looks_numeric = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
        if looks_numeric {
            // The parser of the standard library takes four decimal numbers without leading zeros and nothing else.
            return text.parse().map(Self::V4).map_err(|_| invalid());
        }
        if text.len() > NAME_MAX_BYTES || !text.split('.').all(is_label) {
            return Err(invalid());
        }
        Ok(Self::Name(text.to_ascii_lowercase().into()))
    }
}

/// Letters, digits and inner hyphens; underscores too, since container platforms make such names.
fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX_BYTES).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, NetworkPolicy, Reach};

    #[test]
    fn a_host_has_one_spelling() {
        assert_eq!(Host::parse("API.Example.com").unwrap().to_string(), "api.example.com");
        assert_eq!(Host::parse("[FD00:0:0::0001]").unwrap().to_string(), "[fd00::1]");
        assert_eq!(Host::parse("my_llm-1").unwrap().to_string(), "my_llm-1");
    }

    #[test]
    fn an_address_in_disguise_is_refused() {
        for text in [
            "0",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0X7F.0.0.1",
            "127.1",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.1.",
            "127.0.0.0x1",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "::1",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_dns_cannot_carry_is_refused() {
        let long = ["a".repeat(64), ["a".repeat(60).as_str(); 5].join(".")];
        for text in [
            "",
            ".",
            "a..b",
            "a.",
            "-a",
            "a-",
            "a b",
            "a%2eb",
            "ａ.com",
            "a,b",
            "münchen.de",
            "user@host",
            &long[0],
            &long[1],
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_reach_of_a_host_follows_from_its_text() {
        let policy = NetworkPolicy { private_names: vec!["llm.corp.example".to_owned(), ".vpc.example".to_owned()] };
        let reach = |text: &str| Reach::of(&Host::parse(text).unwrap(), &policy);
        for text in ["localhost", "a.localhost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert_eq!(reach(text), Some(Reach::Loopback), "{text}");
        }
        for text in [
            "llm",
            "vllm.default.svc",
            "host.docker.internal",
            "nas.lan",
            "10.1.2.3",
            "[fd12::1]",
            "llm.corp.example",
            "a.vpc.example",
        ] {
            assert_eq!(reach(text), Some(Reach::Private), "{text}");
        }
        for text in [
            "api.example.com",
            "8.8.8.8",
            "x.llm.corp.example",
            "localhost.example.com",
            "xvpc.example",
            "[2606:4700::1]",
        ] {
            assert_eq!(reach(text), Some(Reach::Public), "{text}");
        }
        for text in [
            "169.254.169.254",
            "metadata.google.internal",
            "METADATA.google.internal",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "0.0.0.0",
        ] {
            assert_eq!(reach(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_cannot_be_pointed_into_another_network() {
        let at = |text: &str| text.parse().unwrap();
        assert!(Reach::Public.allows(at("8.8.8.8")));
        assert!(Reach::Private.allows(at("172.17.0.2")));
        assert!(Reach::Loopback.allows(at("::1")));
        for (reach, address) in [
            (Reach::Public, "127.0.0.1"),
            (Reach::Public, "10.0.0.1"),
            (Reach::Public, "::ffff:10.0.0.1"),
            (Reach::Public, "169.254.169.254"),
            (Reach::Private, "127.0.0.1"),
            (Reach::Private, "8.8.8.8"),
            (Reach::Private, "fd00:ec2::254"),
            (Reach::Loopback, "10.0.0.1"),
        ] {
            assert!(!reach.allows(at(address)), "{reach:?} {address}");
        }
    }
}
