//! Where a request comes from, behind proxies or not.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// The caller's address. `X-Forwarded-For` counts only as far as trusted proxies wrote it: from the right, the first
/// address that is no trusted proxy.
pub(super) fn address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    behind(peer, request.headers(), trusted)
}

/// Whether the caller speaks TLS with a trusted proxy of ours.
pub(super) fn is_secure(request: &HttpRequest, trusted: &[IpNet]) -> bool {
    let proxied = request
        .peer_addr()
        .is_some_and(|peer| is_trusted(peer.ip(), trusted));
    let protocol = request.headers().get("x-forwarded-proto");
    proxied && protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"https"))
}

fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer;
    let hops = headers
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(address, trusted) {
            break;
        }
        match hop.parse() {
            Ok(before) => address = before,
            Err(_) => break,
        }
    }
    address
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted
        .iter()
        .any(|net| net.contains(&address.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    #[track_caller]
    fn check(peer: &str, forwarded: &'static str, expect: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("x-forwarded-for"),
            HeaderValue::from_static(forwarded),
        );
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(
            behind(peer.parse().unwrap(), &headers, &trusted).to_string(),
            expect
        );
    }

    #[test]
    fn a_strangers_word_is_not_taken() {
        check("203.0.113.9", "198.51.100.1", "203.0.113.9");
    }

    #[test]
    fn a_proxys_word_is_taken_as_far_as_it_reaches() {
        check("10.0.0.1", "198.51.100.1", "198.51.100.1");
        check(
            "10.0.0.1",
            "1.2.3.4, 198.51.100.1, 10.0.0.2",
            "198.51.100.1",
        );
        check("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1");
    }
}
