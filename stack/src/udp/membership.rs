//! The groups that one socket belongs to, and from which sources it hears them.

use smoltcp::wire::IpAddress;

use crate::storage::{List, Storage};

/// The most entries of one socket where the storage grows: each group is one, and each source
/// that is named one more.
pub const MEMBERSHIPS: usize = 64;

/// A change of what a socket hears of a group (RFC 3678, section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// Hear it from every source.
    Join,
    /// Hear nothing of it any more, whichever sources were named.
    Leave,
    /// Hear it from this source too, and from none that was not named so.
    JoinSource(IpAddress),
    /// Do not hear it from this source any more, one of those that were named.
    LeaveSource(IpAddress),
    /// Hear it from every source but this one and those named so before.
    Block(IpAddress),
    /// Hear it from this source again.
    Unblock(IpAddress),
}

impl Membership {
    /// The source that it names.
    pub const fn source(self) -> Option<IpAddress> {
        match self {
            Self::Join | Self::Leave => None,
            Self::JoinSource(source)
            | Self::LeaveSource(source)
            | Self::Block(source)
            | Self::Unblock(source) => Some(source),
        }
    }
}

/// Why a membership cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembershipError {
    /// The handle is stale.
    Stale,
    /// The address is no group that this socket can hear, or the source is none.
    Address,
    /// The socket has joined the group already, or belongs to it in the other way: one that hears
    /// every source can be told only which to block, one that has named sources only others.
    Mode,
    /// There is nothing to be taken away, or it is there already.
    Unchanged,
    /// The socket or the stack has too many memberships.
    Exhausted,
}

/// What a change means for the whole stack's memberships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The socket's first word about the group.
    Enters,
    /// Its last.
    Leaves,
    /// Neither.
    Stays,
}

/// One entry: a group from all sources, or one source that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    group: IpAddress,
    sources: Sources,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sources {
    All,
    Only(IpAddress),
    AllBut(IpAddress),
}

/// The memberships of one socket.
pub(crate) struct Memberships<'a, S: Storage<'a>> {
    entries: S::Small<Entry>,
}

impl<'a, S: Storage<'a>> Default for Memberships<'a, S> {
    fn default() -> Self {
        Self { entries: S::Small::default() }
    }
}

impl<'a, S: Storage<'a>> Memberships<'a, S> {
    /// Whether the socket wants what `source` sends to `group`.
    pub(crate) fn wants(&self, group: IpAddress, source: IpAddress) -> bool {
        self.holds(group, Sources::Only(source))
            || self.holds(group, Sources::All) && !self.holds(group, Sources::AllBut(source))
    }

    /// What `change` would mean, if it is allowed.
    pub(crate) fn step(
        &self,
        group: IpAddress,
        change: Membership,
    ) -> Result<Step, MembershipError> {
        let all = self.holds(group, Sources::All);
        let entries = self.entries.iter().filter(|entry| entry.group == group).count();
        let some = entries > usize::from(all);
        let room =
            self.entries.len() < self.entries.limit().unwrap_or(MEMBERSHIPS).min(MEMBERSHIPS);
        let held = match change {
            Membership::Join | Membership::Leave => all,
            Membership::JoinSource(source) | Membership::LeaveSource(source) => {
                self.holds(group, Sources::Only(source))
            }
            Membership::Block(source) | Membership::Unblock(source) => {
                self.holds(group, Sources::AllBut(source))
            }
        };
        match change {
            Membership::Join if all || some => Err(MembershipError::Mode),
            Membership::JoinSource(_) | Membership::LeaveSource(_) if all => {
                Err(MembershipError::Mode)
            }
            Membership::Block(_) | Membership::Unblock(_) if !all => Err(MembershipError::Mode),
            Membership::JoinSource(_) | Membership::Block(_) if held => {
                Err(MembershipError::Unchanged)
            }
            Membership::LeaveSource(_) | Membership::Unblock(_) if !held => {
                Err(MembershipError::Unchanged)
            }
            Membership::Leave if entries == 0 => Err(MembershipError::Unchanged),
            Membership::Join | Membership::JoinSource(_) | Membership::Block(_) if !room => {
                Err(MembershipError::Exhausted)
            }
            Membership::Join | Membership::JoinSource(_) if entries == 0 => Ok(Step::Enters),
            Membership::Leave => Ok(Step::Leaves),
            Membership::LeaveSource(_) if entries == 1 => Ok(Step::Leaves),
            _ => Ok(Step::Stays),
        }
    }

    /// Makes a change for which [`Memberships::step`] had no objection.
    pub(crate) fn change(&mut self, group: IpAddress, change: Membership) {
        match change {
            Membership::Join => self.add(group, Sources::All),
            Membership::JoinSource(source) => self.add(group, Sources::Only(source)),
            Membership::Block(source) => self.add(group, Sources::AllBut(source)),
            Membership::Leave => while self.remove(|entry| entry.group == group).is_some() {},
            Membership::LeaveSource(source) => {
                let gone = Entry { group, sources: Sources::Only(source) };
                self.remove(|entry| *entry == gone);
            }
            Membership::Unblock(source) => {
                let gone = Entry { group, sources: Sources::AllBut(source) };
                self.remove(|entry| *entry == gone);
            }
        }
    }

    /// A group of the socket's; `None` when it belongs to none.
    pub(crate) fn first(&self) -> Option<IpAddress> {
        self.entries.first().map(|entry| entry.group)
    }

    fn holds(&self, group: IpAddress, sources: Sources) -> bool {
        self.entries.contains(&Entry { group, sources })
    }

    fn add(&mut self, group: IpAddress, sources: Sources) {
        // There is room: `step` has looked.
        let _ = self.entries.push(Entry { group, sources });
    }

    fn remove(&mut self, wanted: impl FnMut(&Entry) -> bool) -> Option<Entry> {
        let at = self.entries.iter().position(wanted)?;
        Some(self.entries.swap_remove(at))
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::MembershipError::{Exhausted, Mode, Unchanged};
    use super::*;
    use crate::storage::Growable;

    const GROUP: IpAddress = IpAddress::v4(239, 1, 1, 1);
    const OTHER: IpAddress = IpAddress::v4(239, 1, 1, 2);
    const ONE: IpAddress = IpAddress::v4(10, 0, 0, 2);
    const TWO: IpAddress = IpAddress::v4(10, 0, 0, 3);

    fn after(changes: &[Membership]) -> Memberships<'static, Growable> {
        let mut memberships = Memberships::default();
        for &change in changes {
            memberships.step(GROUP, change).unwrap();
            memberships.change(GROUP, change);
        }
        memberships
    }

    /// What each change is, with a source that was not named before, after what was done before.
    #[test]
    fn every_change_in_every_state() {
        use Membership::{Block, Join, JoinSource, Leave, LeaveSource, Unblock};
        use Step::{Enters, Leaves, Stays};
        let changes = [Join, Leave, JoinSource(ONE), LeaveSource(ONE), Block(ONE), Unblock(ONE)];
        type Row<'t> = (&'t [Membership], [Result<Step, MembershipError>; 6]);
        let table: [Row<'_>; 5] = [
            (&[], [Ok(Enters), Err(Unchanged), Ok(Enters), Err(Unchanged), Err(Mode), Err(Mode)]),
            (&[Join], [Err(Mode), Ok(Leaves), Err(Mode), Err(Mode), Ok(Stays), Err(Unchanged)]),
            (
                &[Join, Block(ONE)],
                [Err(Mode), Ok(Leaves), Err(Mode), Err(Mode), Err(Unchanged), Ok(Stays)],
            ),
            (
                &[JoinSource(ONE)],
                [Err(Mode), Ok(Leaves), Err(Unchanged), Ok(Leaves), Err(Mode), Err(Mode)],
            ),
            (
                &[JoinSource(TWO)],
                [Err(Mode), Ok(Leaves), Ok(Stays), Err(Unchanged), Err(Mode), Err(Mode)],
            ),
        ];
        for (before, expected) in table {
            let memberships = after(before);
            for (change, expected) in changes.into_iter().zip(expected) {
                assert_eq!(memberships.step(GROUP, change), expected, "{before:?} {change:?}");
            }
            assert_eq!(memberships.step(OTHER, Join), Ok(Enters));
        }
    }

    #[test]
    fn sources_decide_what_is_heard() {
        use Membership::{Block, Join, JoinSource, Leave, LeaveSource, Unblock};
        let heard = |changes: &[Membership]| {
            let memberships = after(changes);
            assert!(!memberships.wants(OTHER, ONE));
            (memberships.wants(GROUP, ONE), memberships.wants(GROUP, TWO))
        };
        assert_eq!(heard(&[]), (false, false));
        assert_eq!(heard(&[Join]), (true, true));
        assert_eq!(heard(&[Join, Block(ONE)]), (false, true));
        assert_eq!(heard(&[Join, Block(ONE), Unblock(ONE)]), (true, true));
        assert_eq!(heard(&[Join, Block(ONE), Leave]), (false, false));
        assert_eq!(heard(&[JoinSource(ONE)]), (true, false));
        assert_eq!(heard(&[JoinSource(ONE), JoinSource(TWO)]), (true, true));
        assert_eq!(heard(&[JoinSource(ONE), JoinSource(TWO), LeaveSource(ONE)]), (false, true));
    }

    #[test]
    fn sixty_four_entries_fit_and_no_more() {
        let mut memberships = after(&[Membership::Join]);
        for number in 0..63 {
            let block = Membership::Block(IpAddress::v4(10, 0, 1, number));
            assert_eq!(memberships.step(GROUP, block), Ok(Step::Stays));
            memberships.change(GROUP, block);
        }
        assert_eq!(memberships.step(GROUP, Membership::Block(ONE)), Err(Exhausted));
        assert_eq!(memberships.step(OTHER, Membership::Join), Err(Exhausted));
        memberships.change(GROUP, Membership::Leave);
        assert_eq!(memberships.first(), None);
    }
}
