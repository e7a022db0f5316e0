//! WSAStartup and WSACleanup.

use super::Process;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memory::Arg;

/// The highest version that there is, and the one that most programs ask for.
const VERSION_2_2: u16 = 0x0202;
const VERSION_1_1: u16 = 0x0101;

/// What WSAStartup tells about the implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WsaData {
    /// The version that holds from now on: major in the low byte, minor in the high byte.
    pub version: u16,
    /// The highest version there is, 0x0202.
    pub high_version: u16,
    /// `WinSock 2.0`.
    pub description: &'static str,
    /// `Running`.
    pub system_status: &'static str,
    /// For version 1 programs: a number of sockets.
    pub max_sockets: u16,
    /// For version 1 programs: a length of datagrams.
    pub max_udp_dg: u16,
}

/// What a process of version 2.2 is told.
impl Default for WsaData {
    fn default() -> Self {
        Self::of(VERSION_2_2)
    }
}

impl WsaData {
    fn of(version: u16) -> Self {
        let old = is_version_1(version);
        Self {
            version,
            high_version: VERSION_2_2,
            description: "WinSock 2.0",
            system_status: "Running",
            max_sockets: if old { 32767 } else { 0 },
            max_udp_dg: if old { 65467 } else { 0 },
        }
    }
}

fn is_version_1(version: u16) -> bool {
    version & 0xFF == 1
}

/// The version that a request gets; `None` for one that cannot be met.
fn negotiate(requested: u16) -> Option<u16> {
    let [major, minor] = requested.to_le_bytes();
    match (major, minor) {
        (0, _) => None,
        (1, 0) | (2, 0..=2) => Some(requested),
        (1, _) => Some(VERSION_1_1),
        _ => Some(VERSION_2_2),
    }
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// WSAStartup: the return value (0, or WSAVERNOTSUPPORTED for version 0.x) and the
    /// structure, which is filled in either case. `version` has the major number in its low byte.
    ///
    /// Each success needs its [`Process::wsa_cleanup`].
    pub fn wsa_startup(&self, version: u16) -> (i32, WsaData) {
        let mut data = WsaData::default();
        let code = self.wsa_startup_into(version, Arg::Value(&mut data));
        (code, data)
    }

    /// WSAStartup with the structure's pointer as the caller gave it. The version is judged
    /// before the pointer: WSAVERNOTSUPPORTED, then WSAEFAULT; then WSAEINPROGRESS inside a
    /// blocking call of a 1.1 process.
    pub fn wsa_startup_into(&self, version: u16, data: Arg<&mut WsaData>) -> i32 {
        match self.refusal() {
            None => {}
            Some(Error::WSAENETDOWN) => return Error::WSASYSNOTREADY.code(),
            Some(error) => return error.code(),
        }
        let negotiated = negotiate(version);
        let Arg::Value(data) = data else {
            let fault = negotiated.map_or(Error::WSAVERNOTSUPPORTED, |_| Error::WSAEFAULT);
            return fault.code();
        };
        *data = WsaData::of(negotiated.unwrap_or(VERSION_2_2));
        let Some(version) = negotiated else { return Error::WSAVERNOTSUPPORTED.code() };
        let thread = self.thread();
        self.engine.with(|access| {
            let core = &mut *access.core;
            if let Err(error) = core.admit_reentry(thread) {
                return error.code();
            }
            let Some(startups) = core.startups.checked_add(1) else {
                return Error::WSAEPROCLIM.code();
            };
            core.startups = startups;
            core.ever_1_1 |= is_version_1(version);
            0
        })
    }

    /// WSACleanup. The last one closes every socket: what was sent is still delivered, blocked
    /// calls end with WSAEINTR, and the handles mean nothing any more, also after a new startup.
    ///
    /// # Errors
    /// WSANOTINITIALISED for one too many; WSAEINPROGRESS inside a 1.1 process's blocking call.
    pub fn wsa_cleanup(&self) -> Result<()> {
        self.call(|access| {
            access.core.startups -= 1;
            if access.core.startups == 0 {
                access.close_all();
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_negotiated_as_winsock_does() {
        for (asked, got) in [
            (0x0000, None),
            (0x0100, None),
            (0x0001, Some(0x0001)),
            (0x0101, Some(0x0101)),
            (0x0201, Some(0x0101)),
            (0x0002, Some(0x0002)),
            (0x0102, Some(0x0102)),
            (0x0202, Some(0x0202)),
            (0x0302, Some(0x0202)),
            (0x0003, Some(0x0202)),
            (0xFFFF, Some(0x0202)),
        ] {
            assert_eq!(negotiate(asked), got, "{asked:#06x}");
        }
    }
}
