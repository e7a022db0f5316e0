//! The chain of IPv6 extension headers (RFC 8200 section 4).

/// The most headers that are walked; a longer chain is not believed.
const MAX_HEADERS: usize = 8;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const DESTINATION: u8 = 60;

/// Length of the fixed IPv6 header.
pub(crate) const IPV6_HEADER_LEN: usize = 40;

/// Why a walk ended before the upper layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop<E> {
    /// A header reaches beyond the packet.
    Truncated,
    /// More than [`MAX_HEADERS`].
    TooMany,
    /// The visitor wanted no more.
    Refused(E),
}

/// Walks the chain behind the fixed header of `packet`, shows each header with its kind and its
/// offset to `visit`, and gives the upper layer's protocol and offset. Every header is at least
/// eight bytes long, so the walk always moves on.
pub(crate) fn walk<E>(
    packet: &[u8],
    mut visit: impl FnMut(u8, usize, &[u8]) -> Result<(), E>,
) -> Result<(u8, usize), Stop<E>> {
    let mut kind = *packet.get(6).ok_or(Stop::Truncated)?;
    let mut offset = IPV6_HEADER_LEN;
    for _ in 0..=MAX_HEADERS {
        let length = match kind {
            HOP_BY_HOP | ROUTING | DESTINATION => {
                let units = *packet.get(offset + 1).ok_or(Stop::Truncated)?;
                usize::from(units) * 8 + 8
            }
            FRAGMENT => 8,
            upper => return Ok((upper, offset)),
        };
        let header = packet.get(offset..offset + length).ok_or(Stop::Truncated)?;
        visit(kind, offset, header).map_err(Stop::Refused)?;
        kind = header[0];
        offset += length;
    }
    Err(Stop::TooMany)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of `headers` destination option headers, padding only, before a bare UDP header.
    fn chain<const N: usize>(headers: usize) -> ([u8; N], usize) {
        let mut packet = [0; N];
        packet[6] = if headers == 0 { 17 } else { DESTINATION };
        for index in 0..headers {
            let next = if index + 1 == headers { 17 } else { DESTINATION };
            let at = 40 + 8 * index;
            packet[at..at + 8].copy_from_slice(&[next, 0, 1, 4, 0, 0, 0, 0]);
        }
        (packet, 40 + 8 * headers + 8)
    }

    fn any(_: u8, _: usize, _: &[u8]) -> Result<(), ()> {
        Ok(())
    }

    #[test]
    fn eight_headers_are_walked_and_nine_are_not() {
        let (packet, length) = chain::<200>(8);
        assert_eq!(walk(&packet[..length], any), Ok((17, 104)));
        let (packet, length) = chain::<200>(9);
        assert_eq!(walk(&packet[..length], any), Err(Stop::TooMany));
    }

    #[test]
    fn a_header_beyond_the_end_is_not_read() {
        let (mut packet, length) = chain::<200>(1);
        assert_eq!(walk(&packet[..48], any), Ok((17, 48)));
        assert_eq!(walk(&packet[..47], any), Err(Stop::Truncated));
        packet[41] = 255;
        assert_eq!(walk(&packet[..length], any), Err(Stop::Truncated));
    }
}
