//! Operations and their bytes.
//!
//! An operation is one byte that says which, and then its fields, each of a fixed size or with
//! its length before it. Any bytes are operations: what is missing at the end is zero, and an
//! unknown first byte is skipped. The numbers are never given to another operation, so that a
//! corpus keeps its meaning when operations are added.

/// The most operations that are read from one input.
const MOST: usize = 400;

/// The longest field of bytes.
const LONGEST: usize = 255;

/// Bytes that are read field by field.
struct Bytes<'i>(&'i [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }
}

/// What a field is made of.
trait Field {
    fn read(bytes: &mut Bytes<'_>) -> Self;
    fn write(&self, bytes: &mut Vec<u8>);
}

impl Field for u8 {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        bytes.byte()
    }
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(*self);
    }
}

impl Field for i8 {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        bytes.byte() as Self
    }
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(*self as u8);
    }
}

impl Field for u16 {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        Self::from_be_bytes([bytes.byte(), bytes.byte()])
    }
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_be_bytes());
    }
}

impl Field for u32 {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        Self::from_be_bytes([bytes.byte(), bytes.byte(), bytes.byte(), bytes.byte()])
    }
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_be_bytes());
    }
}

impl Field for Vec<u8> {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        let len = usize::from(bytes.byte()).min(bytes.0.len());
        let (field, rest) = bytes.0.split_at(len);
        bytes.0 = rest;
        field.to_vec()
    }
    fn write(&self, bytes: &mut Vec<u8>) {
        let field = &self[..self.len().min(LONGEST)];
        bytes.push(field.len() as u8);
        bytes.extend(field);
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])+ $code:literal $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })+) => {
        /// One step of a script.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Operation {
            $($(#[$doc])+ $name { $($(#[$field_doc])* $field: $type,)* },)+
        }

        impl Operation {
            fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
                match bytes.byte() & 0x7f {
                    $($code => Some(Self::$name { $($field: Field::read(bytes),)* }),)+
                    _ => None,
                }
            }

            fn write(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$name { $($field,)* } => {
                        bytes.push($code);
                        $(Field::write($field, bytes);)*
                    })+
                }
            }
        }
    };
}

operations! {
    /// Lets time pass: `count` of a unit from a microsecond to a day.
    0x00 Wait { #[doc = "The power of ten of microseconds; above 8 a minute, an hour, a day."] unit: u8, #[doc = "How many."] count: u8, }
    /// A SYN that begins a flow.
    0x01 Open {
        /// Whose SYN.
        from: u8,
        /// To whom.
        to: u8,
        /// The peer's port, counted from 6000.
        port: u8,
        /// Which local port.
        local: u8,
        /// Which first sequence number.
        initial: u8,
        /// Which TCP options.
        options: u8,
    }
    /// A segment of a flow, with numbers relative to where the stack stands.
    0x02 Segment {
        /// Which flow.
        flow: u8,
        /// The flags, as on the wire.
        flags: u8,
        /// What the sequence number is relative to.
        sequence: u8,
        /// How far from it.
        sequence_by: i8,
        /// What the acknowledgment number is relative to.
        acknowledgment: u8,
        /// How far from it.
        acknowledgment_by: i8,
        /// Which window.
        window: u8,
        /// Bytes of payload, in steps above 200.
        len: u8,
        /// Which TCP options.
        options: u8,
    }
    /// TCP options for the next segment, in place of the ones that it names.
    0x03 Options { #[doc = "As they stand in the header."] bytes: Vec<u8>, }
    /// A UDP datagram.
    0x04 Datagram {
        /// Whose.
        from: u8,
        /// To whom.
        to: u8,
        /// The sender's port, counted from 6000.
        port: u8,
        /// Which local port.
        local: u8,
        /// Bytes of payload.
        len: u16,
    }
    /// An ICMP error about something that the stack has sent.
    0x05 Error {
        /// Who reports it.
        from: u8,
        /// About which of the latest packets, the last one being 0.
        about: u8,
        /// Type field.
        kind: u8,
        /// Code field.
        code: u8,
        /// Bytes quoted behind the IP header; 0 for the usual 8.
        quote: u8,
        /// The second word of the message.
        word: u32,
    }
    /// An ICMP message that is no error.
    0x06 Message {
        /// Whose.
        from: u8,
        /// To whom.
        to: u8,
        /// Type field.
        kind: u8,
        /// Code field.
        code: u8,
        /// What follows the four bytes of type, code and checksum.
        body: Vec<u8>,
    }
    /// An ARP packet.
    0x07 Arp {
        /// 1 asks, 2 answers.
        operation: u8,
        /// The sender's IPv4 address.
        sender: u8,
        /// Whose Ethernet address it gives as the sender's.
        hardware: u8,
        /// The target's IPv4 address.
        target: u8,
    }
    /// Neighbor or router discovery.
    0x08 Discovery {
        /// The ICMPv6 type: 133 to 137.
        kind: u8,
        /// Whose.
        from: u8,
        /// To whom.
        to: u8,
        /// The target.
        target: u8,
        /// The flags byte.
        flags: u8,
        /// What stands behind the target, options for one.
        options: Vec<u8>,
    }
    /// A packet of any protocol.
    0x0a Protocol {
        /// Whose.
        from: u8,
        /// To whom.
        to: u8,
        /// The protocol.
        protocol: u8,
        /// Its payload.
        body: Vec<u8>,
    }
    /// Any frame at all.
    0x0b Frame { #[doc = "From the Ethernet header on."] bytes: Vec<u8>, }
    /// Any packet behind a right Ethernet header, with a right IPv4 header checksum.
    0x0c Packet { #[doc = "From the IP header on, whose version tells the family."] bytes: Vec<u8>, }
    /// Changes how the next packet is dressed.
    0x0d Dress { #[doc = "What is changed."] what: u8, #[doc = "To what."] value: u8, }
    /// IPv4 options, or an IPv6 extension header, for the next packet.
    0x0e Extend { #[doc = "The IPv6 header's number."] header: u8, #[doc = "What is in it."] bytes: Vec<u8>, }
    /// Damages the next packet.
    0x0f Break {
        /// How.
        how: u8,
        /// Where.
        at: u16,
        /// With what.
        value: u8,
    }
    /// Sends the next packet in fragments.
    0x10 Fragment {
        /// Eights of bytes in each.
        size: u8,
        /// In which order, and with which mistakes.
        order: u8,
        /// The identification.
        identification: u8,
    }
    /// Sends a frame of the script once more.
    0x11 Repeat { #[doc = "Which of the latest frames, the last one being 0."] which: u8, }
    /// Changes the link.
    0x12 Link { #[doc = "0 up, 1 down, 2 and more busy for as many frames."] state: u8, }
    /// Makes the neighbors silent, or lets them answer again.
    0x13 Mute { #[doc = "Odd is silent."] state: u8, }
    /// What the device says about the next frame, as in the header of virtio-net.
    0x14 Offload {
        /// 1 for a checksum that is to be completed, 2 for one that was verified.
        flags: u8,
        /// Into what it is to be cut.
        kind: u8,
        /// Bytes in each piece.
        size: u16,
        /// Bytes of headers.
        header: u16,
        /// Where the checksum begins and its field stands; both 0 for where they really do.
        start: u16,
        /// Counted from there.
        offset: u16,
    }

    /// Holds a port.
    0x18 Bind { #[doc = "0 TCP, 1 UDP."] transport: u8, #[doc = "Which address."] address: u8, #[doc = "Which local port."] local: u8, #[doc = "How it is shared."] share: u8, }
    /// Gives a port back.
    0x19 Unbind { #[doc = "Which binding."] binding: u8, }
    /// Listens.
    0x1a Listen { #[doc = "Which binding."] binding: u8, #[doc = "The backlog."] backlog: u8, }
    /// Opens a connection.
    0x1b Connect {
        /// From which address.
        from: u8,
        /// From which port, counted from 7000.
        port: u8,
        /// To which address.
        to: u8,
        /// To which port, counted from 80.
        remote: u8,
        /// 1: errors do not end it. 2: with a budget of 300 ms.
        how: u8,
    }
    /// Takes a connection from the accept queue.
    0x1c Accept { #[doc = "Which listener."] listener: u8, }
    /// Resets the connection at the head of the accept queue.
    0x1d Reject { #[doc = "Which listener."] listener: u8, }
    /// Changes the length of the accept queue.
    0x1e Backlog { #[doc = "Which listener."] listener: u8, #[doc = "The backlog."] backlog: u8, }
    /// Ends a listener.
    0x1f CloseListener { #[doc = "Which listener."] listener: u8, }
    /// Sends on a connection.
    0x20 Send { #[doc = "Which connection."] connection: u8, #[doc = "Bytes."] len: u16, }
    /// Receives from a connection.
    0x21 Receive { #[doc = "Which connection."] connection: u8, #[doc = "Bytes."] len: u16, #[doc = "Odd leaves them where they are."] peek: u8, }
    /// Closes the sending direction.
    0x22 Shutdown { #[doc = "Which connection."] connection: u8, }
    /// Lets a connection go.
    0x23 Close { #[doc = "Which connection."] connection: u8, #[doc = "0 delivers, 1 resets, 2 is silent."] how: u8, }
    /// Sets options of a connection.
    0x24 Set {
        /// Which connection.
        connection: u8,
        /// Odd for no Nagle algorithm.
        nodelay: u8,
        /// Seconds until an idle connection is probed, 0 for never.
        keep_alive: u8,
        /// Seconds that a segment may go unanswered, 0 for the usual count.
        max_rt: u8,
        /// The hop limit.
        hop_limit: u8,
    }
    /// Opens a datagram socket.
    0x25 OpenDatagram { #[doc = "Which binding."] binding: u8, #[doc = "Hundreds of bytes of receive queue."] room: u8, }
    /// Gives a datagram socket a peer.
    0x26 ConnectDatagram { #[doc = "Which socket."] socket: u8, #[doc = "From which address."] from: u8, #[doc = "To which address."] to: u8, #[doc = "To which port, counted from 6000."] port: u8, }
    /// Takes its peer away.
    0x27 DisconnectDatagram { #[doc = "Which socket."] socket: u8, }
    /// Sends a datagram.
    0x28 SendDatagram { #[doc = "Which socket."] socket: u8, #[doc = "To which address."] to: u8, #[doc = "To which port, counted from 6000."] port: u8, #[doc = "Bytes."] len: u16, }
    /// Receives a datagram and an error.
    0x29 ReceiveDatagram { #[doc = "Which socket."] socket: u8, #[doc = "Bytes."] len: u16, }
    /// Closes a datagram socket.
    0x2a CloseDatagram { #[doc = "Which socket."] socket: u8, }
    /// Gives the stack an address, or takes one away.
    0x2b Address { #[doc = "Which."] address: u8, #[doc = "Odd takes it away."] remove: u8, }
    /// Adds a route, or removes one.
    0x2c Route { #[doc = "To which address."] to: u8, #[doc = "Bits of the prefix."] bits: u8, #[doc = "Over which address."] gateway: u8, #[doc = "Odd removes it."] remove: u8, }
    /// Changes what a datagram socket hears of a group.
    0x2d Membership { #[doc = "Which socket."] socket: u8, #[doc = "The group's address."] group: u8, #[doc = "0 joins, 1 leaves, 2 joins a source, 3 leaves it, 4 blocks it, 5 unblocks it."] change: u8, #[doc = "The source's address."] source: u8, }

    /// WSAStartup.
    0x40 WsaStartup { #[doc = "The version's minor part; its major part is 2 when this is even."] version: u8, }
    /// WSACleanup.
    0x41 WsaCleanup {}
    /// socket and FIONBIO.
    0x42 WsaSocket { #[doc = "1 for IPv6, 2 for datagrams, 4 for a blocking one."] kind: u8, }
    /// WSASocket with anything.
    0x43 WsaAnySocket { #[doc = "Family."] family: u8, #[doc = "Type."] kind: u8, #[doc = "Protocol."] protocol: u8, #[doc = "Flags."] flags: u8, }
    /// bind.
    0x44 WsaBind { #[doc = "Which socket."] socket: u8, #[doc = "Which address."] address: u8, #[doc = "Which local port."] local: u8, }
    /// listen.
    0x45 WsaListen { #[doc = "Which socket."] socket: u8, #[doc = "The backlog."] backlog: i8, }
    /// WSAAccept.
    0x46 WsaAccept { #[doc = "Which socket."] socket: u8, #[doc = "What the condition says, if it is 0 to 2."] condition: u8, }
    /// connect.
    0x47 WsaConnect { #[doc = "Which socket."] socket: u8, #[doc = "To which address."] to: u8, #[doc = "To which port, counted from 80."] port: u8, }
    /// connect with any name.
    0x48 WsaConnectName { #[doc = "Which socket."] socket: u8, #[doc = "The length that is said."] len: i8, #[doc = "The name."] name: Vec<u8>, }
    /// send.
    0x49 WsaSend { #[doc = "Which socket."] socket: u8, #[doc = "Bytes."] len: u16, #[doc = "Flags."] flags: u8, }
    /// sendto.
    0x4a WsaSendTo { #[doc = "Which socket."] socket: u8, #[doc = "To which address."] to: u8, #[doc = "To which port, counted from 6000."] port: u8, #[doc = "Bytes."] len: u16, #[doc = "Flags."] flags: u8, }
    /// recv.
    0x4b WsaRecv { #[doc = "Which socket."] socket: u8, #[doc = "Bytes."] len: u16, #[doc = "Flags."] flags: u8, }
    /// recvfrom.
    0x4c WsaRecvFrom { #[doc = "Which socket."] socket: u8, #[doc = "Bytes."] len: u16, #[doc = "Flags."] flags: u8, #[doc = "Room for the name."] room: u8, }
    /// shutdown.
    0x4d WsaShutdown { #[doc = "Which socket."] socket: u8, #[doc = "How."] how: u8, }
    /// closesocket.
    0x4e WsaClose { #[doc = "Which socket."] socket: u8, }
    /// setsockopt.
    0x4f WsaSetOption { #[doc = "Which socket."] socket: u8, #[doc = "Which level."] level: u8, #[doc = "Which option."] option: u16, #[doc = "The value."] value: Vec<u8>, }
    /// getsockopt.
    0x50 WsaOption { #[doc = "Which socket."] socket: u8, #[doc = "Which level."] level: u8, #[doc = "Which option."] option: u16, #[doc = "Room for the value."] room: u8, }
    /// ioctlsocket.
    0x51 WsaIoctlSocket { #[doc = "Which socket."] socket: u8, #[doc = "Which command."] command: u8, #[doc = "The argument."] argument: u32, }
    /// WSAIoctl.
    0x52 WsaIoctl { #[doc = "Which socket."] socket: u8, #[doc = "The code."] code: u32, #[doc = "The input."] input: Vec<u8>, #[doc = "Room for the output."] room: u8, }
    /// select over all sockets.
    0x53 WsaSelect { #[doc = "Which sets: 1 read, 2 write, 4 except."] sets: u8, #[doc = "Hundredths of a second; 255 for ever."] timeout: u8, }
    /// getsockname, getpeername and the like.
    0x54 WsaNames { #[doc = "Which socket."] socket: u8, #[doc = "Room for a name."] room: u8, }
    /// WSAPoll over all sockets.
    0x55 WsaPoll { #[doc = "What is asked."] events: u16, #[doc = "Hundredths of a second; 255 for ever."] timeout: u8, }
    /// WSACreateEvent, WSASetEvent, WSAResetEvent or WSACloseEvent.
    0x56 WsaEvent { #[doc = "Which call, in this order."] call: u8, #[doc = "Which event object."] event: u8, }
    /// WSAEventSelect.
    0x57 WsaEventSelect { #[doc = "Which socket."] socket: u8, #[doc = "Which event object."] event: u8, #[doc = "For which events."] events: u16, }
    /// WSAEnumNetworkEvents.
    0x58 WsaEnum { #[doc = "Which socket."] socket: u8, #[doc = "Which event object; none from 128 on."] event: u8, }
    /// WSAWaitForMultipleEvents on all event objects.
    0x59 WsaWait { #[doc = "1 for all of them, 2 alertable."] how: u8, #[doc = "Hundredths of a second; 255 for ever."] timeout: u8, }
    /// WSAAsyncSelect.
    0x5a WsaAsyncSelect { #[doc = "Which socket."] socket: u8, #[doc = "Which window."] window: u8, #[doc = "For which events."] events: u16, }
    /// Takes messages out of the queue.
    0x5b WsaMessages { #[doc = "How many at the most."] count: u8, }
    /// WSASend with a list of buffers.
    0x5c WsaSendList { #[doc = "Which socket."] socket: u8, #[doc = "Bytes in the first buffer."] first: u16, #[doc = "Bytes in the second."] second: u16, #[doc = "Flags."] flags: u8, }
    /// WSARecv with a list of buffers.
    0x5d WsaRecvList { #[doc = "Which socket."] socket: u8, #[doc = "Room in the first buffer."] first: u16, #[doc = "Room in the second."] second: u16, #[doc = "Flags."] flags: u8, }
    /// WSASendMsg.
    0x5e WsaSendMsg { #[doc = "Which socket."] socket: u8, #[doc = "To which address."] to: u8, #[doc = "To which port, counted from 6000."] port: u8, #[doc = "Bytes."] len: u16, #[doc = "Control messages."] control: Vec<u8>, }
    /// WSARecvMsg.
    0x5f WsaRecvMsg { #[doc = "Which socket."] socket: u8, #[doc = "Room for data."] len: u16, #[doc = "Room for control messages."] control: u8, #[doc = "Flags."] flags: u8, }
}

/// The operations in `input`, at most 400.
pub fn read(input: &[u8]) -> Vec<Operation> {
    let mut bytes = Bytes(input);
    let mut operations = Vec::new();
    while !bytes.0.is_empty() && operations.len() < MOST {
        operations.extend(Operation::read(&mut bytes));
    }
    operations
}

/// The input that these operations are read from.
pub fn write(operations: &[Operation]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for operation in operations {
        operation.write(&mut bytes);
    }
    bytes
}
