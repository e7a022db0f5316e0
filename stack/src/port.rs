//! Local ports: who holds which, and how an ephemeral one is chosen.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpEndpoint};

pub use crate::net::Transport;
use crate::slab::{Id, Place, Slab};
use crate::storage::Storage;
use crate::table::{Slot, Table};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`.
    pub fn of(address: IpAddress) -> Self {
        match address {
            IpAddress::Ipv4(_) => Self::V4,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => Self::V6,
        }
    }
}

/// The local addresses that a binding covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindAddress {
    /// Every address of one family.
    Any(Family),
    /// Every address of both families.
    AnyDual,
    /// One address.
    Address(IpAddress),
}

impl BindAddress {
    /// Whether packets to `address` belong to this binding.
    pub fn covers(self, address: IpAddress) -> bool {
        match self {
            Self::Any(family) => family == Family::of(address),
            Self::AnyDual => true,
            Self::Address(own) => own == address,
        }
    }

    /// How a new binding stands to one that is there.
    fn over(self, held: Self) -> Overlap {
        match (held, self) {
            (Self::Address(left), Self::Address(right)) if left == right => Overlap::Same,
            (Self::Address(_), Self::Address(_)) => Overlap::None,
            (Self::Address(one), any) if any.covers(one) => Overlap::Above,
            (any, Self::Address(one)) if any.covers(one) => Overlap::Below,
            (Self::Address(_), _) | (_, Self::Address(_)) => Overlap::None,
            (Self::Any(left), Self::Any(right)) if left != right => Overlap::None,
            _ => Overlap::Same,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Overlap {
    None,
    /// The new one is an address under the wildcard that is there.
    Below,
    /// The new one is a wildcard over the address that is there.
    Above,
    Same,
}

/// How a binding shares its port with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Share {
    /// With bindings of other addresses, wildcards included: the most specific gets a packet.
    #[default]
    Default,
    /// Also with bindings of the same address that say the same.
    Reuse,
    /// With nobody: a wildcard keeps every address of its own, an address only itself.
    Exclusive,
}

/// Why a port cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindError {
    /// Another binding has it.
    InUse,
    /// Another binding has it and does not allow to share it.
    Denied,
    /// The address is not one of this stack's.
    NotOwn,
    /// No ephemeral port, or no memory, is left.
    Exhausted,
}

/// Marks handles of bindings.
#[derive(Debug)]
pub enum BindingKind {}

/// A held port. It is held until it is given back.
pub type Binding = Id<BindingKind>;

/// The ephemeral range (RFC 6335, section 6).
pub const EPHEMERAL: core::ops::RangeInclusive<u16> = 49152..=65535;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) transport: Transport,
    pub(crate) address: BindAddress,
    pub(crate) port: u16,
    share: Share,
    /// Connections that were accepted under an exclusive binding and live.
    accepted: u32,
    /// Its socket is closed; it stays for what was accepted under it.
    given_back: bool,
}

impl Holder {
    /// Why a new binding cannot stand beside this one.
    fn refuses(&self, address: BindAddress, share: Share) -> Option<BindError> {
        let overlap = address.over(self.address);
        if self.given_back {
            // What was accepted under an exclusive binding keeps off only who wants to be alone.
            let alone = overlap != Overlap::None && share == Share::Exclusive;
            return alone.then_some(BindError::InUse);
        }
        match (overlap, self.share, share) {
            (Overlap::None, _, _)
            | (Overlap::Same, Share::Reuse, Share::Reuse)
            | (Overlap::Below, Share::Default | Share::Reuse, _)
            | (Overlap::Above, _, Share::Default | Share::Reuse) => None,
            (Overlap::Below, Share::Exclusive, _) | (Overlap::Same, _, Share::Reuse) => {
                Some(BindError::Denied)
            }
            (Overlap::Above, _, Share::Exclusive) | (Overlap::Same, _, _) => Some(BindError::InUse),
        }
    }
}

type Key = (Transport, u16);

pub(crate) struct Ports<'a, S: Storage<'a>> {
    holders: Slab<Holder, BindingKind, S::Sockets<Place<Holder>>>,
    by_port: Table<Key, Binding, S::Hash<Slot<Key, Binding>>>,
    limit: usize,
    secret: [u64; 2],
    /// "next_ephemeral" of RFC 6056, algorithm 3.
    next: u16,
}

impl<'a, S: Storage<'a>> Ports<'a, S> {
    pub(crate) fn new(key: [u64; 2], secret: [u64; 2], limit: usize) -> Self {
        Self { holders: Slab::default(), by_port: Table::new(key), limit, secret, next: 0 }
    }

    pub(crate) fn get(&self, binding: Binding) -> Option<&Holder> {
        self.holders.get(binding)
    }

    pub(crate) fn bind(
        &mut self,
        transport: Transport,
        address: BindAddress,
        port: u16,
        share: Share,
    ) -> Result<Binding, BindError> {
        if let Some(error) = self.conflict(transport, address, port, share) {
            return Err(error);
        }
        if self.holders.len() >= self.limit {
            return Err(BindError::Exhausted);
        }
        let holder = Holder { transport, address, port, share, accepted: 0, given_back: false };
        let binding = self.holders.insert(holder).map_err(|_| BindError::Exhausted)?;
        if !self.by_port.insert((transport, port), binding) {
            self.holders.remove(binding);
            return Err(BindError::Exhausted);
        }
        Ok(binding)
    }

    /// Binds an ephemeral port that is free for `address` and for which `usable` is true.
    pub(crate) fn bind_ephemeral(
        &mut self,
        transport: Transport,
        address: BindAddress,
        remote: Option<IpEndpoint>,
        share: Share,
        mut usable: impl FnMut(u16) -> bool,
    ) -> Result<Binding, BindError> {
        // RFC 6056, section 3.3.3: an offset that is secret and the same for each pair of local
        // address and remote endpoint, plus a counter, so that a port is reused as late as
        // possible and cannot be guessed from outside.
        let count = u32::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let offset = self.offset(transport, address, remote);
        // An implicit binding must not steal: whatever `share` says, it needs a port of its own.
        for _ in 0..count {
            let step = (offset + u32::from(self.next)) % count;
            self.next = self.next.wrapping_add(1);
            let port = EPHEMERAL.start() + step as u16;
            if self.holds_none(transport, address, port) && usable(port) {
                return self.bind(transport, address, port, share);
            }
        }
        Err(BindError::Exhausted)
    }

    pub(crate) fn unbind(&mut self, binding: Binding) {
        match self.holders.get_mut(binding) {
            Some(holder) if holder.accepted > 0 => holder.given_back = true,
            _ => self.remove(binding),
        }
    }

    /// A connection begins under a listener's binding; true when it must be told of its end.
    pub(crate) fn enter(&mut self, binding: Binding) -> bool {
        match self.holders.get_mut(binding) {
            Some(holder) if holder.share == Share::Exclusive => {
                holder.accepted += 1;
                true
            }
            _ => false,
        }
    }

    /// A connection that entered has ended.
    pub(crate) fn leave(&mut self, binding: Binding) {
        let Some(holder) = self.holders.get_mut(binding) else { return };
        holder.accepted = holder.accepted.saturating_sub(1);
        if holder.accepted == 0 && holder.given_back {
            self.remove(binding);
        }
    }

    fn remove(&mut self, binding: Binding) {
        if let Some(holder) = self.holders.remove(binding) {
            self.by_port.remove(&(holder.transport, holder.port), binding);
        }
    }

    fn holds_none(&self, transport: Transport, address: BindAddress, port: u16) -> bool {
        let holders = &self.holders;
        self.by_port
            .find(&(transport, port), |binding| {
                holders
                    .get(binding)
                    .is_some_and(|holder| address.over(holder.address) != Overlap::None)
            })
            .is_none()
    }

    fn conflict(
        &self,
        transport: Transport,
        address: BindAddress,
        port: u16,
        share: Share,
    ) -> Option<BindError> {
        let mut worst = None;
        self.by_port.find(&(transport, port), |binding| {
            let holder = self.holders.get(binding);
            worst = holder.and_then(|holder| holder.refuses(address, share));
            worst.is_some()
        });
        worst
    }

    /// With which sequence number a connection begins (RFC 6528): one that nobody can guess, and that
    /// grows between two connections of the same four-tuple, so that a peer whose end of the first
    /// rests in TIME-WAIT accepts the second (RFC 9293, section 3.6.1).
    pub(crate) fn first_sequence(
        &self,
        now: Instant,
        local: IpEndpoint,
        remote: IpEndpoint,
    ) -> u32 {
        use core::hash::Hash;
        let mut hasher = SipHasher13::new_with_keys(self.secret[1], self.secret[0]);
        (local.addr, local.port, remote.addr, remote.port).hash(&mut hasher);
        // By one each 64 ns, as with Linux: it comes round after 275 seconds, and a connection in
        // between has sent less if it was slower than 125 Mbit/s.
        let ticks = (now.total_micros() as u64).wrapping_mul(125) / 8;
        (hasher.finish() as u32).wrapping_add(ticks as u32)
    }

    fn offset(
        &self,
        transport: Transport,
        address: BindAddress,
        remote: Option<IpEndpoint>,
    ) -> u32 {
        use core::hash::Hash;
        let mut hasher = SipHasher13::new_with_keys(self.secret[0], self.secret[1]);
        (transport, address).hash(&mut hasher);
        remote.map(|remote| (remote.addr, remote.port)).hash(&mut hasher);
        hasher.finish() as u32 >> 1
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::storage::Growable;
    use alloc::vec::Vec;
    use smoltcp::wire::Ipv4Address;

    fn ports() -> Ports<'static, Growable> {
        Ports::new([1, 2], [3, 4], 1 << 20)
    }

    fn address(last: u8) -> BindAddress {
        BindAddress::Address(Ipv4Address::new(10, 0, 0, last).into())
    }

    const ANY: BindAddress = BindAddress::Any(Family::V4);

    #[test]
    fn the_same_address_and_port_is_held_once() {
        let mut ports = ports();
        let first = ports.bind(Transport::Tcp, address(1), 80, Share::Default).unwrap();
        let again = ports.bind(Transport::Tcp, address(1), 80, Share::Default);
        assert_eq!(again, Err(BindError::InUse));
        assert!(ports.bind(Transport::Udp, address(1), 80, Share::Default).is_ok());
        ports.unbind(first);
        assert!(ports.bind(Transport::Tcp, address(1), 80, Share::Default).is_ok());
    }

    #[test]
    fn a_wildcard_and_an_address_share_a_port_unless_one_is_exclusive() {
        let mut ports = ports();
        ports.bind(Transport::Tcp, ANY, 80, Share::Default).unwrap();
        assert!(ports.bind(Transport::Tcp, address(1), 80, Share::Default).is_ok());
        ports.bind(Transport::Tcp, ANY, 81, Share::Exclusive).unwrap();
        let specific = ports.bind(Transport::Tcp, address(1), 81, Share::Default);
        assert_eq!(specific, Err(BindError::Denied));
    }

    #[test]
    fn reuse_needs_both_sides() {
        let mut ports = ports();
        ports.bind(Transport::Udp, ANY, 53, Share::Default).unwrap();
        let stolen = ports.bind(Transport::Udp, ANY, 53, Share::Reuse);
        assert_eq!(stolen, Err(BindError::Denied));
        ports.bind(Transport::Udp, ANY, 54, Share::Reuse).unwrap();
        assert!(ports.bind(Transport::Udp, ANY, 54, Share::Reuse).is_ok());
    }

    /// What a second binding gets: all rules for two on one port of one transport, a line each.
    /// Columns: who is there, then what a wildcard and the same address get, for each way to share.
    #[test]
    fn who_may_bind_beside_whom() {
        use BindError::{Denied, InUse};
        const OK: Result<(), BindError> = Ok(());
        const USED: Result<(), BindError> = Err(InUse);
        const DENY: Result<(), BindError> = Err(Denied);
        let one = address(1);
        let second = [
            (ANY, Share::Default),
            (one, Share::Default),
            (ANY, Share::Reuse),
            (one, Share::Reuse),
            (ANY, Share::Exclusive),
            (one, Share::Exclusive),
        ];
        for (first, share, expected) in [
            (ANY, Share::Default, [USED, OK, DENY, OK, USED, OK]),
            (one, Share::Default, [OK, USED, OK, DENY, USED, USED]),
            (ANY, Share::Reuse, [USED, OK, OK, OK, USED, OK]),
            (one, Share::Reuse, [OK, USED, OK, OK, USED, USED]),
            (ANY, Share::Exclusive, [USED, DENY, DENY, DENY, USED, DENY]),
            (one, Share::Exclusive, [OK, USED, OK, DENY, USED, USED]),
        ] {
            for transport in [Transport::Tcp, Transport::Udp] {
                for ((address, also), expected) in second.into_iter().zip(expected) {
                    let mut ports = ports();
                    ports.bind(transport, first, 80, share).unwrap();
                    let found = ports.bind(transport, address, 80, also).map(|_| ());
                    assert_eq!(found, expected, "{first:?} {share:?}, then {address:?} {also:?}");
                }
            }
        }
    }

    #[test]
    fn other_addresses_families_and_transports_do_not_meet() {
        let v6 = BindAddress::Any(Family::V6);
        let shares = [Share::Default, Share::Reuse, Share::Exclusive];
        for (first, second) in shares.iter().flat_map(|&a| shares.map(|b| (a, b))) {
            let mut ports = ports();
            ports.bind(Transport::Tcp, address(1), 80, first).unwrap();
            assert!(ports.bind(Transport::Tcp, address(2), 80, second).is_ok());
            assert!(ports.bind(Transport::Tcp, v6, 80, second).is_ok());
            assert!(ports.bind(Transport::Udp, address(1), 80, second).is_ok());
            assert!(ports.bind(Transport::Tcp, address(1), 81, second).is_ok());
        }
    }

    #[test]
    fn what_was_accepted_under_an_exclusive_binding_keeps_off_exclusive_ones_alone() {
        let bind = |ports: &mut Ports<'static, Growable>, address, share| {
            ports.bind(Transport::Tcp, address, 80, share)
        };
        for held in [ANY, address(1)] {
            let mut ports = ports();
            let first = bind(&mut ports, held, Share::Exclusive).unwrap();
            assert!(ports.enter(first));
            assert!(ports.enter(first));
            ports.unbind(first);
            for wanted in [ANY, address(1), BindAddress::AnyDual] {
                let alone = bind(&mut ports, wanted, Share::Exclusive);
                assert_eq!(alone, Err(BindError::InUse), "{held:?}, then {wanted:?}");
                for share in [Share::Default, Share::Reuse] {
                    let beside = bind(&mut ports, wanted, share).unwrap();
                    ports.unbind(beside);
                }
            }
            ports.leave(first);
            assert!(bind(&mut ports, held, Share::Exclusive).is_err(), "one is left");
            ports.leave(first);
            assert!(ports.get(first).is_none());
            assert!(bind(&mut ports, held, Share::Exclusive).is_ok());
        }
        let mut ports = ports();
        let shared = bind(&mut ports, ANY, Share::Default).unwrap();
        assert!(!ports.enter(shared), "nobody else waits for what was accepted");
    }

    #[test]
    fn a_dual_wildcard_covers_both_families() {
        let mut ports = ports();
        ports.bind(Transport::Tcp, BindAddress::AnyDual, 80, Share::Default).unwrap();
        assert_eq!(ports.bind(Transport::Tcp, ANY, 80, Share::Default), Err(BindError::InUse));
        let v6 = BindAddress::Any(Family::V6);
        assert_eq!(ports.bind(Transport::Tcp, v6, 80, Share::Default), Err(BindError::InUse));
        assert!(ports.bind(Transport::Tcp, address(1), 80, Share::Default).is_ok());
        ports.bind(Transport::Tcp, v6, 81, Share::Default).unwrap();
        assert!(ports.bind(Transport::Tcp, ANY, 81, Share::Default).is_ok());
        let dual = ports.bind(Transport::Tcp, BindAddress::AnyDual, 81, Share::Default);
        assert_eq!(dual, Err(BindError::InUse));
    }

    #[test]
    fn every_ephemeral_port_is_given_once_and_then_none() {
        let mut ports = ports();
        let mut seen = Vec::new();
        while let Ok(binding) =
            ports.bind_ephemeral(Transport::Tcp, address(1), None, Share::Default, |_| true)
        {
            seen.push(ports.get(binding).unwrap().port);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 16_384);
        assert_eq!((seen[0], seen[16_383]), (49_152, 65_535));
    }

    #[test]
    fn another_remote_starts_elsewhere() {
        let remote = |port| Some(IpEndpoint::new(Ipv4Address::new(10, 0, 0, 9).into(), port));
        let first = |remote| {
            let mut ports = ports();
            let binding = ports
                .bind_ephemeral(Transport::Tcp, address(1), remote, Share::Default, |_| true)
                .unwrap();
            ports.get(binding).unwrap().port
        };
        assert_eq!(first(remote(80)), first(remote(80)));
        assert_ne!(first(remote(80)), first(remote(81)));
    }
}
