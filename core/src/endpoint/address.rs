//! What kind of network an address belongs to, by the registries of special-purpose addresses (RFC 6890 and after).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of network that an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// This machine.
    Loopback,
    /// A network of one's own: RFC 1918 and unique local addresses.
    Private,
    /// The internet.
    Public,
    /// Never an upstream: link-local and metadata services, shared address space, multicast, documentation, and forms
    /// that carry another address within.
    Forbidden,
}

/// A cloud answers to its virtual machines here. It looks like any public address.
const WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
/// Metadata services that lie in unique local space: of AWS, and of Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

impl AddressKind {
    /// The kind of an address. An IPv4 address that is mapped into IPv6 is judged as what it stands for.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressKind::Private,
        // This network; shared address space, where a cloud keeps its metadata service too; link-local.
        [0, ..] | [100, 64..=127, ..] | [169, 254, ..] => AddressKind::Forbidden,
        // Protocol assignments, documentation, benchmarking.
        [192, 0, 0 | 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => AddressKind::Forbidden,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => AddressKind::Forbidden,
        _ if address == WIRE_SERVER => AddressKind::Forbidden,
        _ => AddressKind::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    if address == Ipv6Addr::LOCALHOST {
        return AddressKind::Loopback;
    }
    if METADATA_V6.contains(&address) {
        return AddressKind::Forbidden;
    }
    match address.segments() {
        [0xfc00..=0xfdff, ..] => AddressKind::Private,
        // Documentation, ORCHID, Teredo and the rest of the protocol assignments.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressKind::Forbidden,
        // 6to4: another address within.
        [0x2002, ..] => AddressKind::Forbidden,
        // Global unicast is 2000::/3; translation prefixes, link-local, site-local and multicast all lie outside it.
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Forbidden,
    }
}

#[cfg(test)]
mod tests {
    use super::AddressKind::{self, Forbidden, Loopback, Private, Public};

    #[test]
    fn every_special_network_is_known() {
        let cases: [(AddressKind, &[&str]); 4] = [
            (Loopback, &["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"]),
            (
                Private,
                &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1", "::ffff:10.0.0.1"],
            ),
            (Public, &["1.1.1.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]),
            (
                Forbidden,
                &[
                    "0.0.0.0",
                    "0.1.2.3",
                    "169.254.169.254",
                    "169.254.0.1",
                    "100.64.0.1",
                    "100.100.100.200",
                    "192.0.0.192",
                    "192.0.2.1",
                    "198.18.0.1",
                    "198.51.100.1",
                    "203.0.113.1",
                    "224.0.0.1",
                    "240.0.0.1",
                    "255.255.255.255",
                    "168.63.129.16",
                    "::",
                    "fe80::1",
                    "fec0::1",
                    "ff02::1",
                    "fd00:ec2::254",
                    "fd20:ce::254",
                    "2001:db8::1",
                    "2001::1",
                    "2002:7f00:1::",
                    "64:ff9b::7f00:1",
                    "64:ff9b:1::1",
                    "::127.0.0.1",
                    "::ffff:169.254.169.254",
                    "100::1",
                ],
            ),
        ];
        for (kind, addresses) in cases {
            for address in addresses {
                assert_eq!(AddressKind::of(address.parse().unwrap()), kind, "{address}");
            }
        }
    }
}
