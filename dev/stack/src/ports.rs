//! Ports for servers that must be told theirs before they start.

use std::{io, net::TcpListener};

/// Ports below the range from which systems take the local end of outgoing connections (32768 and up on Linux,
/// `ip_local_port_range`): a port from there could be taken between our look and the server's bind.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// How many taken ports are met before giving up: on a machine with this many, something else is wrong.
const ATTEMPTS: usize = 200;

/// `N` different ports of 127.0.0.1 that nobody listens on, chosen at random so that two stacks started at the
/// same moment do not choose alike.
///
/// # Errors
/// When no free ports are found, with the system's last answer.
pub fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut held: Vec<TcpListener> = Vec::with_capacity(N);
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        if held.len() == N {
            break;
        }
        // Each stays bound until all are found, so that none is found twice.
        match TcpListener::bind(("127.0.0.1", rand::random_range(RANGE))) {
            Ok(listener) => held.push(listener),
            Err(error) => last = error,
        }
    }
    let ports: Vec<u16> =
        held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<io::Result<_>>()?;
    ports.try_into().map_err(|_found| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_differ_and_can_be_bound() {
        let ports: [u16; 20] = free().unwrap();
        let listeners: Vec<TcpListener> =
            ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();
        assert_eq!(listeners.len(), 20);
    }
}
