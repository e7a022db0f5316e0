//! connect and WSAConnect.

use core::ffi::c_int;

use super::SOCKET_ERROR;
use super::guard::on_process;
use super::layout::{FLOWSPEC, QOS, SOCKADDR, SOCKET, WSABUF};
use super::memory::{self, InOut, Input};
use super::socket::{handle, name};
use crate::constants::MAX_CONNECT_DATA;
use crate::error::Result;
use crate::memory::{Arg, MemoryMut, WsaBuf, WsaBufMut};
use crate::qos::{FlowSpec, Qos};

/// connect.
#[unsafe(export_name = "wsa_connect")]
pub unsafe extern "C" fn connect(s: SOCKET, at: *const SOCKADDR, namelen: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        process.connect(handle(s), name(at, namelen).memory(), namelen).map(|()| 0)
    })
}

/// The most bytes of a buffer beside the name that are looked at: more than any provider takes.
const MOST: usize = MAX_CONNECT_DATA as usize;

/// A WSABUF's bytes, as far as they are looked at.
fn buffer(buf: &WSABUF) -> Input<MOST> {
    Input::new(buf.buf.cast_const().cast(), buf.len as usize)
}

/// Data that would go with the beginning or the end of a connection.
pub(super) struct Data {
    value: Arg<WSABUF>,
    bytes: Option<Input<MOST>>,
}

impl Data {
    pub(super) fn new(at: *const WSABUF) -> Self {
        let value = memory::value(at);
        Self { value, bytes: value.value().map(|data| buffer(&data)) }
    }

    pub(super) fn argument(&self) -> Arg<WsaBuf<'_>> {
        match (&self.value, &self.bytes) {
            (Arg::Value(data), Some(bytes)) => {
                Arg::Value(WsaBuf { len: data.len, buf: bytes.memory() })
            }
            (Arg::Null, _) => Arg::Null,
            _ => Arg::Unreadable,
        }
    }
}

/// Room for data that would come with the beginning or the end of a connection. None ever does:
/// it is enough to know that they could be written, and what is longer than any provider's answer
/// need not all be there.
pub(super) struct Room {
    value: Arg<WSABUF>,
    len: InOut<u32>,
    bytes: [u8; MOST],
    writable: usize,
}

impl Room {
    /// # Safety
    /// As for [`memory::write`], for the structure's length.
    pub(super) unsafe fn new(at: *mut WSABUF) -> Self {
        // SAFETY: our caller's promise; the length is the first field.
        let len = unsafe { InOut::<u32>::new(at.cast()) };
        let value = match (memory::value(at.cast_const()), len.get()) {
            (Arg::Value(_), None) => Arg::Unreadable,
            (value, _) => value,
        };
        let writable = value.value().map_or(0, |room| {
            memory::writable(room.buf.cast(), room.len.min(MAX_CONNECT_DATA) as usize)
        });
        Self { value, len, bytes: [0; MOST], writable }
    }

    /// Runs `call` with the argument, and writes back the length where it has become 0.
    pub(super) fn with<T>(
        mut self,
        call: impl FnOnce(Arg<&mut WsaBufMut<'_>>) -> Result<T>,
    ) -> Result<T> {
        let Arg::Value(room) = self.value else {
            return call(if self.value.is_null() { Arg::Null } else { Arg::Unreadable });
        };
        let len = room.len.min(MAX_CONNECT_DATA);
        let place = self.bytes.get_mut(..self.writable).unwrap_or_default();
        let mut argument = WsaBufMut { len, buf: MemoryMut::Bytes(place) };
        let outcome = call(Arg::Value(&mut argument));
        if let (0, Some(len)) = (argument.len, self.len.as_mut()) {
            *len = 0;
        }
        self.len.finish()?;
        outcome
    }
}

/// WSAConnect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAConnect(
    s: SOCKET,
    at: *const SOCKADDR,
    namelen: c_int,
    caller_data: *const WSABUF,
    callee_data: *mut WSABUF,
    sqos: *const QOS,
    gqos: *const QOS,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let name = name(at, namelen);

        let data = Data::new(caller_data);
        // SAFETY: WSAConnect's contract: the length is written.
        let room = unsafe { Room::new(callee_data) };

        let wishes = memory::value(sqos);
        let objects = wishes.value().map(|qos| buffer(&qos.ProviderSpecific));
        let sqos = match (&wishes, &objects) {
            (Arg::Value(qos), Some(objects)) => Arg::Value(Qos {
                sending: flow_spec(&qos.SendingFlowspec),
                receiving: flow_spec(&qos.ReceivingFlowspec),
                provider_specific: WsaBuf {
                    len: qos.ProviderSpecific.len.min(MAX_CONNECT_DATA),
                    buf: objects.memory(),
                },
            }),
            (Arg::Null, _) => Arg::Null,
            _ => Arg::Unreadable,
        };
        let gqos = if gqos.is_null() { Arg::Null } else { Arg::Unreadable };

        let (name, data) = (name.memory(), data.argument());
        room.with(|room| process.wsa_connect(handle(s), name, namelen, data, room, sqos, gqos))?;
        Ok(0)
    })
}

fn flow_spec(given: &FLOWSPEC) -> FlowSpec {
    FlowSpec {
        token_rate: given.TokenRate,
        token_bucket_size: given.TokenBucketSize,
        peak_bandwidth: given.PeakBandwidth,
        latency: given.Latency,
        delay_variation: given.DelayVariation,
        service_type: given.ServiceType,
        max_sdu_size: given.MaxSduSize,
        minimum_policed_size: given.MinimumPolicedSize,
    }
}
