//! How many clients there may be, and how fast somebody may guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Limits;

/// Failures that are this old are forgotten.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Above this many addresses those without recent failures are dropped.
const MANY_ADDRESSES: usize = 10_000;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Counts clients.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    clients: usize,
    unauthenticated: usize,
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug, Default)]
struct Address {
    unauthenticated: usize,
    failures: u32,
    last: Option<Instant>,
}

/// A client that hasn't proven who it is. It is counted until this is dropped.
#[derive(Debug)]
pub struct Stranger {
    gate: Arc<Gate>,
    address: IpAddr,
}

/// A client that has. It is counted until this is dropped.
#[derive(Debug)]
pub struct Guest(Arc<Gate>);

impl Gate {
    /// With nobody inside.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            counts: Mutex::default(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody comes. `None`: too many are there that haven't proven who they are.
    pub fn arrive(self: &Arc<Self>, address: IpAddr) -> Option<Stranger> {
        let address = network(address);
        let mut counts = self.counts();
        if counts.unauthenticated >= self.limits.unauthenticated {
            return None;
        }
        if counts.addresses.len() >= MANY_ADDRESSES {
            counts.addresses.retain(|_, known| {
                known.unauthenticated > 0 || known.last.is_some_and(|at| at.elapsed() < REMEMBERED)
            });
        }
        let from = counts.addresses.entry(address).or_default();
        if from.unauthenticated >= self.limits.unauthenticated_per_address {
            return None;
        }
        from.unauthenticated += 1;
        counts.unauthenticated += 1;
        Some(Stranger {
            gate: Arc::clone(self),
            address,
        })
    }
}

impl Stranger {
    /// The client has proven who it is. `None`: there are too many.
    pub fn proven(&self) -> Option<Guest> {
        let mut counts = self.gate.counts();
        // Failures stay: whoever has a login would guess at others' in between.
        if counts.clients >= self.gate.limits.clients {
            return None;
        }
        counts.clients += 1;
        Some(Guest(Arc::clone(&self.gate)))
    }

    /// The client has failed to. How long it waits for the answer: longer each time.
    pub fn failed(&self) -> Duration {
        let mut counts = self.gate.counts();
        let from = counts.addresses.entry(self.address).or_default();
        if from.last.is_some_and(|last| last.elapsed() >= REMEMBERED) {
            from.failures = 0;
        }
        let delay = FIRST_DELAY * 2u32.pow(from.failures.min(10));
        from.failures = from.failures.saturating_add(1);
        from.last = Some(Instant::now());
        delay.min(LONGEST_DELAY)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        counts.unauthenticated -= 1;
        if let Some(from) = counts.addresses.get_mut(&self.address) {
            from.unauthenticated -= 1;
            if from.unauthenticated == 0 && from.failures == 0 {
                counts.addresses.remove(&self.address);
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.counts().clients -= 1;
    }
}

/// One household of IPv6 has 2^64 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let network = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Arc<Gate> {
        Gate::new(Limits {
            clients: 2,
            unauthenticated: 3,
            unauthenticated_per_address: 2,
            ..Limits::default()
        })
    }

    fn from(last: &str) -> IpAddr {
        last.parse().unwrap()
    }

    #[test]
    fn only_so_many_come_in() {
        let gate = gate();
        let one = gate.arrive(from("10.0.0.1")).unwrap();
        let two = gate.arrive(from("::ffff:10.0.0.1")).unwrap();
        assert!(gate.arrive(from("10.0.0.1")).is_none());
        let three = gate.arrive(from("10.0.0.2")).unwrap();
        assert!(gate.arrive(from("10.0.0.3")).is_none());
        let (first, second) = (one.proven().unwrap(), two.proven().unwrap());
        assert!(three.proven().is_none());
        drop(first);
        assert!(three.proven().is_some());
        drop((one, two, three, second));
        let left = gate.counts();
        assert!(left.addresses.is_empty());
        assert_eq!((left.clients, left.unauthenticated), (0, 0));
    }

    #[test]
    fn guessing_gets_slower() {
        let gate = gate();
        let one = gate.arrive(from("2001:db8::1")).unwrap();
        let delays: Vec<_> = (0..8).map(|_| one.failed().as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        drop(one);
        // From the same network, and from elsewhere.
        assert_eq!(
            gate.arrive(from("2001:db8::2")).unwrap().failed(),
            LONGEST_DELAY
        );
        assert_eq!(
            gate.arrive(from("2001:db8:1::1")).unwrap().failed(),
            FIRST_DELAY
        );
        // Signing in with one's own login in between makes guessing at others' no faster.
        let good = gate.arrive(from("2001:db8::1")).unwrap();
        assert!(good.proven().is_some());
        assert_eq!(good.failed(), LONGEST_DELAY);
    }
}
