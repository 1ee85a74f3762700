//! Who is served when there are too many: whoever comes last. One that probes is there for a moment, one that means
//! harm stays; so the oldest connection of the peer with the most gives way.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// A bounded number of places.
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    by_peer: HashMap<IpAddr, BTreeMap<u64, CancellationToken>>,
}

/// Held by a connection while it lasts.
pub(super) struct Place {
    places: Arc<Places>,
    peer: IpAddr,
    number: u64,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let taken = Mutex::default();
        Self { most, taken }
    }

    /// A place for a connection of this peer, and what tells it that it has to give way.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> (Place, CancellationToken) {
        let peer = one_owner(peer);
        let displaced = CancellationToken::new();
        let mut taken = self.taken.lock();
        let number = taken.next;
        taken.next += 1;
        taken.by_peer.entry(peer).or_default().insert(number, displaced.clone());
        if taken.by_peer.values().map(BTreeMap::len).sum::<usize>() > self.most {
            taken.displace_one();
        }
        let places = Arc::clone(self);
        (Place { places, peer, number }, displaced)
    }
}

impl Taken {
    fn displace_one(&mut self) {
        let oldest = |numbers: &BTreeMap<u64, CancellationToken>| numbers.keys().next().copied();
        let crowd = self
            .by_peer
            .iter()
            .max_by_key(|(_, numbers)| (numbers.len(), std::cmp::Reverse(oldest(numbers))));
        let Some((&peer, numbers)) = crowd else { return };
        if let Some(number) = oldest(numbers) {
            self.leave(peer, number).iter().for_each(CancellationToken::cancel);
        }
    }

    fn leave(&mut self, peer: IpAddr, number: u64) -> Option<CancellationToken> {
        let numbers = self.by_peer.get_mut(&peer)?;
        let left = numbers.remove(&number);
        if numbers.is_empty() {
            self.by_peer.remove(&peer);
        }
        left
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.leave(self.peer, self.number);
    }
}

/// One machine has many addresses in its IPv6 network, and one of IPv4 may come as one of IPv6.
fn one_owner(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn the_oldest_of_the_peer_with_the_most_gives_way() {
        let places = Arc::new(Places::new(4));
        let taken: Vec<_> = [1, 2, 2, 1].map(|number| places.take(peer(number))).into();
        let cancelled = || -> Vec<bool> { taken.iter().map(|(_, token)| token.is_cancelled()).collect() };
        let third = places.take(peer(2));
        assert_eq!(cancelled(), [false, true, false, false], "it has three");
        let probe = places.take(peer(3));
        assert_eq!(
            cancelled(),
            [true, true, false, false],
            "of two with as many, the older one"
        );
        assert!(!third.1.is_cancelled() && !probe.1.is_cancelled());
    }

    #[test]
    fn who_leaves_makes_room_and_nothing_is_kept_of_it() {
        let places = Arc::new(Places::new(1));
        let (place, displaced) = places.take(peer(1));
        drop(place);
        let (other, _) = places.take(peer(2));
        assert!(!displaced.is_cancelled());
        drop(other);
        assert!(places.taken.lock().by_peer.is_empty());
    }

    #[test]
    fn many_addresses_of_one_network_are_one_peer() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            let equal = one_owner(one.parse().unwrap()) == one_owner(other.parse().unwrap());
            assert_eq!(equal, same, "{one} {other}");
        }
    }
}
