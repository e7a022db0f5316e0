//! The rows: which code, provoked how, and what must prove it.

use wsa::config::ProfileChoice;
use wsa::{Error, Profile};

pub(super) use crate::stage::Ip;

/// One way to one code of WSAConnect's error table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The code, as the documentation has it.
    pub error: Error,
    /// How it is provoked, in a few words.
    pub case: &'static str,
    pub(super) way: Way,
    pub(super) proof: Proof,
    /// What observed Windows does otherwise.
    pub(super) windows: Option<Otherwise>,
    pub(super) pace: Pace,
    pub(super) scene: Scene,
}

/// What the other profile expects of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Otherwise {
    /// The code, 0 for success.
    pub(super) code: i32,
    pub(super) proof: Proof,
}

/// What must prove that the code was given for the right reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The call was refused, or succeeded, without a frame on the link.
    NoFrame,
    /// The cause names a packet that is in the recording.
    Packet,
    /// The cause names requests that are in the recording, and there is no answer to them.
    Silence,
    /// A SYN is on its way: the recording has it.
    Syn,
    /// A connection exists: the recording has the SYN,ACK.
    SynAck,
}

/// How fast an attempt may be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// By any schedule: only silence is awaited.
    Any,
    /// By a schedule that outlasts a neighbor's silence and repeated resets.
    Patient,
}

/// Where a row can be provoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    Anywhere,
    /// The kernel has no simple way to say this.
    Simulated,
}

/// What a pointer argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pointer {
    Null,
    Unreadable,
}

/// The provocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    NotStarted,
    CleanedUp,
    LinkTakenAway,
    SameFourTuple,
    TimeWait,
    PortTakenAtAddress,
    Cancelled,
    ClosedMeanwhile,
    InsideHook,
    InsideCondition,
    Again,
    AgainInVersion1,
    AddressZero,
    PortZero,
    Broadcast,
    Multicast,
    MappedOnV6Only,
    ZeroNameOnStream,
    V6NameOnV4Socket,
    UnknownFamily,
    ClosedPort(Ip),
    PortUnreachable,
    Name(Pointer),
    NameLength(i32),
    V4NameOnV6Socket,
    CallerDataStructure,
    CallerDataBuffer(Pointer),
    CallerDataTooLong,
    CalleeDataStructure,
    CalleeDataBuffer(Pointer),
    QosStructure,
    QosProviderBuffer(Pointer),
    QosProviderHeader,
    Listening,
    GroupQos,
    Connected,
    ShutDown,
    NoRoute(Ip),
    NetUnreachable(Ip),
    HostUnreachable,
    Prohibited(Ip),
    IcmpIsHard,
    SilentNeighbor(Ip),
    NoPorts,
    InvalidHandle,
    ClosedHandle,
    QosGuaranteed,
    CallerData,
    SilentHost(Ip),
    MaxRt,
    NonBlocking,
    DatagramBroadcast,
    DatagramSubnetBroadcast,
    ExclusivePort,
    SendAfterDisconnect,
}

impl Row {
    /// The code that the profile calls for; 0 for success.
    pub fn expected(&self, profile: ProfileChoice) -> i32 {
        self.otherwise(profile).map_or(self.error.code(), |otherwise| otherwise.code)
    }

    pub(super) fn proof(&self, profile: ProfileChoice) -> Proof {
        self.otherwise(profile).map_or(self.proof, |otherwise| otherwise.proof)
    }

    fn otherwise(&self, profile: ProfileChoice) -> Option<Otherwise> {
        match profile {
            ProfileChoice::Documented => None,
            ProfileChoice::Windows => self.windows,
        }
    }

    /// Whether the network decides it, so that there is a capture to look at. Without a route or
    /// a link it has no frame, which is the proof.
    pub fn is_network(&self, profile: ProfileChoice) -> bool {
        self.proof(profile) != Proof::NoFrame
            || matches!(self.error, Error::WSAENETUNREACH | Error::WSAENETDOWN)
    }

    /// The same row provoked with this code and this case has this name, for file names.
    pub fn slug(&self) -> String {
        let mut slug = format!("{}-", self.error.code());
        for character in self.case.chars() {
            if character.is_ascii_alphanumeric() {
                slug.push(character.to_ascii_lowercase());
            } else if !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.trim_end_matches('-').to_string()
    }

    const fn new(error: Error, way: Way, case: &'static str) -> Self {
        let (proof, pace, scene) = (Proof::NoFrame, Pace::Any, Scene::Anywhere);
        Self { error, case, way, proof, windows: None, pace, scene }
    }

    const fn proved_by(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    const fn on_windows(mut self, code: i32, proof: Proof) -> Self {
        self.windows = Some(Otherwise { code, proof });
        self
    }

    const fn patiently(mut self) -> Self {
        self.pace = Pace::Patient;
        self
    }

    const fn only_simulated(mut self) -> Self {
        self.scene = Scene::Simulated;
        self
    }
}

const TIMED_OUT: i32 = Error::WSAETIMEDOUT.code();
const LINK_DOWN: i32 = Profile::WINDOWS.link_down.code();

/// The table, in the order of WSAConnect's documentation.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row::new(Error::WSANOTINITIALISED, Way::NotStarted, "before WSAStartup, all arguments bad"),
    Row::new(Error::WSANOTINITIALISED, Way::CleanedUp, "after the last WSACleanup"),
    Row::new(Error::WSAENETDOWN, Way::LinkTakenAway, "the device was taken away")
        .on_windows(LINK_DOWN, Proof::NoFrame),
    Row::new(Error::WSAEADDRINUSE, Way::SameFourTuple, "both ends are those of a connection")
        .proved_by(Proof::SynAck),
    Row::new(Error::WSAEADDRINUSE, Way::TimeWait, "both ends are those of one in TIME-WAIT"),
    Row::new(Error::WSAEADDRINUSE, Way::PortTakenAtAddress, "wildcard bind, port taken at the address"),
    Row::new(Error::WSAEINTR, Way::Cancelled, "WSACancelBlockingCall in a 1.1 hook")
        .proved_by(Proof::Syn).patiently(),
    Row::new(Error::WSAEINTR, Way::ClosedMeanwhile, "closesocket on another thread")
        .proved_by(Proof::Syn).patiently(),
    Row::new(Error::WSAEINPROGRESS, Way::InsideHook, "inside a 1.1 blocking hook")
        .patiently(),
    Row::new(Error::WSAEINPROGRESS, Way::InsideCondition, "inside WSAAccept's condition function"),
    Row::new(Error::WSAEALREADY, Way::Again, "an attempt is under way")
        .proved_by(Proof::Syn).patiently(),
    Row::new(Error::WSAEADDRNOTAVAIL, Way::AddressZero, "address 0.0.0.0"),
    Row::new(Error::WSAEADDRNOTAVAIL, Way::PortZero, "port 0"),
    Row::new(Error::WSAEADDRNOTAVAIL, Way::Broadcast, "a stream to 255.255.255.255"),
    Row::new(Error::WSAEADDRNOTAVAIL, Way::Multicast, "a stream to a multicast group"),
    Row::new(Error::WSAEADDRNOTAVAIL, Way::MappedOnV6Only, "::ffff:10.77.0.1 with IPV6_V6ONLY"),
    Row::new(Error::WSAEADDRNOTAVAIL, Way::ZeroNameOnStream, "a stream, all bytes of the name 0"),
    Row::new(Error::WSAEAFNOSUPPORT, Way::V6NameOnV4Socket, "AF_INET6 name, AF_INET socket"),
    Row::new(Error::WSAEAFNOSUPPORT, Way::UnknownFamily, "family 0xDEAD"),
    Row::new(Error::WSAECONNREFUSED, Way::ClosedPort(Ip::V4), "closed port, IPv4")
        .proved_by(Proof::Packet).patiently(),
    Row::new(Error::WSAECONNREFUSED, Way::ClosedPort(Ip::V6), "closed port, IPv6")
        .proved_by(Proof::Packet).patiently(),
    Row::new(Error::WSAECONNREFUSED, Way::PortUnreachable, "ICMP port unreachable")
        .proved_by(Proof::Packet).on_windows(TIMED_OUT, Proof::Silence).only_simulated(),
    Row::new(Error::WSAEFAULT, Way::Name(Pointer::Null), "name is NULL"),
    Row::new(Error::WSAEFAULT, Way::Name(Pointer::Unreadable), "name cannot be read"),
    Row::new(Error::WSAEFAULT, Way::NameLength(15), "namelen 15 on an AF_INET socket"),
    Row::new(Error::WSAEFAULT, Way::NameLength(0), "namelen 0"),
    Row::new(Error::WSAEFAULT, Way::NameLength(-1), "namelen -1"),
    Row::new(Error::WSAEFAULT, Way::V4NameOnV6Socket, "16-byte name on an AF_INET6 socket"),
    Row::new(Error::WSAEFAULT, Way::CallerDataStructure, "lpCallerData cannot be read"),
    Row::new(Error::WSAEFAULT, Way::CallerDataBuffer(Pointer::Null), "lpCallerData: len 4, buf NULL"),
    Row::new(Error::WSAEFAULT, Way::CallerDataBuffer(Pointer::Unreadable), "lpCallerData: buf cannot be read"),
    Row::new(Error::WSAEFAULT, Way::CallerDataTooLong, "lpCallerData: len 1025"),
    Row::new(Error::WSAEFAULT, Way::CalleeDataStructure, "lpCalleeData cannot be written"),
    Row::new(Error::WSAEFAULT, Way::CalleeDataBuffer(Pointer::Null), "lpCalleeData: len 4, buf NULL"),
    Row::new(Error::WSAEFAULT, Way::CalleeDataBuffer(Pointer::Unreadable), "lpCalleeData: buf cannot be written"),
    Row::new(Error::WSAEFAULT, Way::QosStructure, "lpSQOS cannot be read"),
    Row::new(Error::WSAEFAULT, Way::QosProviderBuffer(Pointer::Null), "lpSQOS: provider len 16, buf NULL"),
    Row::new(Error::WSAEFAULT, Way::QosProviderBuffer(Pointer::Unreadable), "lpSQOS: provider buf cannot be read"),
    Row::new(Error::WSAEFAULT, Way::QosProviderHeader, "lpSQOS: provider object of 4 bytes"),
    Row::new(Error::WSAEINVAL, Way::Listening, "the socket listens"),
    Row::new(Error::WSAEINVAL, Way::GroupQos, "lpGQOS is not NULL"),
    Row::new(Error::WSAEINVAL, Way::AgainInVersion1, "an attempt is under way, version 1.1")
        .proved_by(Proof::Syn).patiently(),
    Row::new(Error::WSAEISCONN, Way::Connected, "the socket is connected")
        .proved_by(Proof::SynAck),
    Row::new(Error::WSAEISCONN, Way::ShutDown, "connected, and shut down in both directions")
        .proved_by(Proof::SynAck),
    Row::new(Error::WSAENETUNREACH, Way::NoRoute(Ip::V4), "no route, IPv4"),
    Row::new(Error::WSAENETUNREACH, Way::NoRoute(Ip::V6), "no route, IPv6"),
    Row::new(Error::WSAENETUNREACH, Way::NetUnreachable(Ip::V4), "ICMP network unreachable")
        .proved_by(Proof::Packet).on_windows(TIMED_OUT, Proof::Silence),
    Row::new(Error::WSAENETUNREACH, Way::NetUnreachable(Ip::V6), "ICMPv6 no route to destination")
        .proved_by(Proof::Packet).on_windows(TIMED_OUT, Proof::Silence),
    Row::new(Error::WSAEHOSTUNREACH, Way::HostUnreachable, "ICMP host unreachable")
        .proved_by(Proof::Packet).on_windows(TIMED_OUT, Proof::Silence),
    Row::new(Error::WSAEHOSTUNREACH, Way::Prohibited(Ip::V4), "ICMP prohibited")
        .proved_by(Proof::Packet).on_windows(TIMED_OUT, Proof::Silence),
    Row::new(Error::WSAEHOSTUNREACH, Way::Prohibited(Ip::V6), "ICMPv6 prohibited")
        .proved_by(Proof::Packet).on_windows(TIMED_OUT, Proof::Silence),
    Row::new(Error::WSAEHOSTUNREACH, Way::IcmpIsHard, "any ICMP with TCP_FAIL_CONNECT_ON_ICMP_ERROR")
        .proved_by(Proof::Packet),
    Row::new(Error::WSAEHOSTUNREACH, Way::SilentNeighbor(Ip::V4), "a neighbor does not answer ARP")
        .proved_by(Proof::Silence).on_windows(TIMED_OUT, Proof::Silence).patiently(),
    Row::new(Error::WSAEHOSTUNREACH, Way::SilentNeighbor(Ip::V6), "a neighbor does not answer solicitations")
        .proved_by(Proof::Silence).on_windows(TIMED_OUT, Proof::Silence).patiently(),
    Row::new(Error::WSAENOBUFS, Way::NoPorts, "all 16384 ephemeral ports are taken"),
    Row::new(Error::WSAENOTSOCK, Way::InvalidHandle, "INVALID_SOCKET, all arguments bad"),
    Row::new(Error::WSAENOTSOCK, Way::ClosedHandle, "the socket was closed"),
    Row::new(Error::WSAEOPNOTSUPP, Way::QosGuaranteed, "lpSQOS asks for guaranteed service"),
    Row::new(Error::WSAEPROTONOSUPPORT, Way::CallerData, "5 bytes of caller data on TCP"),
    Row::new(Error::WSAETIMEDOUT, Way::SilentHost(Ip::V4), "no answer to any SYN, IPv4")
        .proved_by(Proof::Silence),
    Row::new(Error::WSAETIMEDOUT, Way::SilentHost(Ip::V6), "no answer to any SYN, IPv6")
        .proved_by(Proof::Silence),
    Row::new(Error::WSAETIMEDOUT, Way::MaxRt, "no answer within TCP_MAXRTMS 500")
        .proved_by(Proof::Silence).patiently(),
    Row::new(Error::WSAEWOULDBLOCK, Way::NonBlocking, "non-blocking, the attempt is under way")
        .proved_by(Proof::Syn),
    Row::new(Error::WSAEACCES, Way::DatagramBroadcast, "a datagram socket to 255.255.255.255")
        .on_windows(0, Proof::NoFrame),
    Row::new(Error::WSAEACCES, Way::DatagramSubnetBroadcast, "a datagram socket to the subnet's broadcast")
        .on_windows(0, Proof::NoFrame),
    Row::new(Error::WSAEACCES, Way::ExclusivePort, "SO_REUSEADDR, port taken at the address"),
    Row::new(Error::WSAENOTCONN, Way::SendAfterDisconnect, "send after a datagram disconnect"),
];
