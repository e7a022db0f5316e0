//! connect and WSAConnect.

use core::ffi::c_int;

use super::SOCKET_ERROR;
use super::guard::on_process;
use super::layout::{FLOWSPEC, QOS, SOCKADDR, SOCKET, WSABUF};
use super::memory::{self, InOut, Input};
use super::socket::{handle, name};
use crate::constants::MAX_CONNECT_DATA;
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

        let data = memory::value(caller_data);
        let data_bytes = data.value().map(|data| buffer(&data));
        let caller = match (&data, &data_bytes) {
            (Arg::Value(data), Some(bytes)) => {
                Arg::Value(WsaBuf { len: data.len, buf: bytes.memory() })
            }
            (Arg::Null, _) => Arg::Null,
            _ => Arg::Unreadable,
        };

        // SAFETY: WSAConnect's contract: the length, which is the first field, is written.
        let mut room_len = unsafe { InOut::<u32>::new(callee_data.cast()) };
        // The bytes themselves never are: it is enough to know that they could be. What is longer
        // than any provider's answer need not all be there.
        let mut bytes = [0; MOST];
        let mut room = match (memory::value(callee_data), room_len.get()) {
            (Arg::Value(room), Some(len)) => {
                let len = len.min(MAX_CONNECT_DATA);
                let writable = memory::writable(room.buf.cast(), len as usize);
                let buf = bytes.get_mut(..writable).map_or(MemoryMut::Unwritable, MemoryMut::Bytes);
                Arg::Value(WsaBufMut { len, buf })
            }
            (Arg::Null, _) => Arg::Null,
            _ => Arg::Unreadable,
        };
        let callee = match &mut room {
            Arg::Value(room) => Arg::Value(room),
            Arg::Null => Arg::Null,
            Arg::Unreadable => Arg::Unreadable,
        };

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

        let name = name.memory();
        let outcome = process.wsa_connect(handle(s), name, namelen, caller, callee, sqos, gqos);
        // Nothing but "no data came" is ever said, and only where the call says something.
        if let (Arg::Value(WsaBufMut { len: 0, .. }), Some(len)) = (&room, room_len.as_mut()) {
            *len = 0;
        }
        room_len.finish()?;
        outcome.map(|()| 0)
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
