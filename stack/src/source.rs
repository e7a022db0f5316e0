//! Where a send takes its bytes from.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::mem;

/// Bytes that a send copies once, to where they wait to be sent.
///
/// They may lie where nobody has looked yet: behind a pointer of a C program, which leads nowhere
/// or anywhere. A send asks and copies, and one that meets what cannot be read has done nothing.
pub trait Source {
    /// How many bytes there are.
    fn total(&self) -> usize;

    /// Copies those behind the first `skip` until `into` is full. False when there are fewer or
    /// some of them cannot be read; what is in `into` then means nothing.
    fn copy(&self, skip: usize, into: &mut [u8]) -> bool;

    /// Whether those behind the first `skip` can be read. A send asks before it takes others that
    /// cannot be given back.
    fn is_readable(&self, skip: usize) -> bool;

    /// Appends those behind the first `skip` to `kept`, which has room for them. False when some of
    /// them cannot be read; what was appended then means nothing.
    ///
    /// Whoever has them as a slice need not fill that room with zeros first.
    #[cfg(feature = "alloc")]
    fn append(&self, skip: usize, kept: &mut Vec<u8>) -> bool {
        let before = kept.len();
        kept.resize(before.saturating_add(self.total().saturating_sub(skip)), 0);
        kept.get_mut(before..).is_some_and(|room| self.copy(skip, room))
    }
}

impl Source for &[u8] {
    fn total(&self) -> usize {
        self.len()
    }

    fn copy(&self, skip: usize, into: &mut [u8]) -> bool {
        let found = self.get(skip..).and_then(|rest| rest.get(..into.len()));
        if let Some(found) = found {
            into.copy_from_slice(found);
        }
        found.is_some()
    }

    fn is_readable(&self, _: usize) -> bool {
        true
    }

    #[cfg(feature = "alloc")]
    fn append(&self, skip: usize, kept: &mut Vec<u8>) -> bool {
        let found = self.get(skip..);
        kept.extend_from_slice(found.unwrap_or_default());
        found.is_some()
    }
}

/// One after the other.
impl<S: Source> Source for &[S] {
    fn total(&self) -> usize {
        self.iter().fold(0, |total, piece| total.saturating_add(piece.total()))
    }

    fn copy(&self, mut skip: usize, into: &mut [u8]) -> bool {
        let mut rest = into;
        for piece in *self {
            if rest.is_empty() {
                break;
            }
            let len = piece.total();
            let done = skip.min(len);
            skip -= done;
            let now = (len - done).min(rest.len());
            let Some((room, later)) = mem::take(&mut rest).split_at_mut_checked(now) else {
                return false;
            };
            // Where nothing is wanted nothing need be there.
            if now > 0 && !piece.copy(done, room) {
                return false;
            }
            rest = later;
        }
        rest.is_empty()
    }

    fn is_readable(&self, mut skip: usize) -> bool {
        self.iter().all(|piece| {
            let len = piece.total();
            let done = skip.min(len);
            skip -= done;
            done == len || piece.is_readable(done)
        })
    }

    #[cfg(feature = "alloc")]
    fn append(&self, mut skip: usize, kept: &mut Vec<u8>) -> bool {
        self.iter().all(|piece| {
            let len = piece.total();
            let done = skip.min(len);
            skip -= done;
            done == len || piece.append(done, kept)
        }) && skip == 0
    }
}

/// A source without its first bytes.
#[derive(Debug, Clone, Copy)]
pub struct Behind<'s, S> {
    /// All of them.
    pub source: &'s S,
    /// How many are left out.
    pub skip: usize,
}

impl<S: Source> Source for Behind<'_, S> {
    fn total(&self) -> usize {
        self.source.total().saturating_sub(self.skip)
    }

    fn copy(&self, skip: usize, into: &mut [u8]) -> bool {
        self.source.copy(self.skip.saturating_add(skip), into)
    }

    fn is_readable(&self, skip: usize) -> bool {
        self.source.is_readable(self.skip.saturating_add(skip))
    }

    #[cfg(feature = "alloc")]
    fn append(&self, skip: usize, kept: &mut Vec<u8>) -> bool {
        self.source.append(self.skip.saturating_add(skip), kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_one() {
        let list: [&[u8]; 4] = [b"abc", b"", b"d", b"efgh"];
        let list = list.as_slice();
        assert_eq!(list.total(), 8);
        for skip in 0..=8 {
            for len in 0..=9 - skip {
                let mut room = [b'.'; 9];
                let is_there = list.copy(skip, &mut room[..len]);
                assert_eq!(is_there, skip + len <= 8, "{len} bytes behind {skip}");
                if is_there {
                    assert_eq!(room[..len], b"abcdefgh"[skip..skip + len]);
                }
                assert!(room[len..].iter().all(|byte| *byte == b'.'));
            }
            #[cfg(feature = "alloc")]
            {
                let mut kept = b"kept".to_vec();
                assert!(list.append(skip, &mut kept));
                assert_eq!(kept, [b"kept", &b"abcdefgh"[skip..]].concat());
            }
        }
        assert!(!list.copy(9, &mut [0]));
        #[cfg(feature = "alloc")]
        assert!(!list.append(9, &mut Vec::new()));
        assert!(!b"abc".as_slice().copy(4, &mut []));
    }
}
