//! What a caller asks of the quality of service, and whether it can be had.

use crate::error::{Error, Result};
use crate::memory::WsaBuf;

/// A field that makes no statement.
pub const QOS_NOT_SPECIFIED: u32 = 0xFFFF_FFFF;
/// No traffic in this direction.
pub const SERVICETYPE_NOTRAFFIC: u32 = 0;
/// Best effort.
pub const SERVICETYPE_BESTEFFORT: u32 = 1;
/// As on an unloaded network.
pub const SERVICETYPE_CONTROLLEDLOAD: u32 = 2;
/// With a bound on the delay.
pub const SERVICETYPE_GUARANTEED: u32 = 3;
/// What was set before stays.
pub const SERVICETYPE_NOCHANGE: u32 = 6;
/// Better than best effort, without numbers.
pub const SERVICETYPE_QUALITATIVE: u32 = 0xD;

/// The number that some descriptions give for "no change"; no header gives it another meaning.
const NOCHANGE_ALIAS: u32 = 7;
/// The upper half of a service type holds flags, not the type.
const SERVICE_TYPE_MASK: u32 = 0x0000_FFFF;
/// Type and length, which each object in a provider-specific buffer starts with, in bytes.
const OBJECT_HEADER: u32 = 8;

/// A FLOWSPEC: one direction's wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowSpec {
    /// Bytes a second.
    pub token_rate: u32,
    /// Bytes.
    pub token_bucket_size: u32,
    /// Bytes a second.
    pub peak_bandwidth: u32,
    /// Microseconds.
    pub latency: u32,
    /// Microseconds.
    pub delay_variation: u32,
    /// One of the `SERVICETYPE_` numbers.
    pub service_type: u32,
    /// Bytes.
    pub max_sdu_size: u32,
    /// Bytes.
    pub minimum_policed_size: u32,
}

impl FlowSpec {
    /// Nothing but this service type.
    pub const fn of_type(service_type: u32) -> Self {
        Self {
            token_rate: QOS_NOT_SPECIFIED,
            token_bucket_size: QOS_NOT_SPECIFIED,
            peak_bandwidth: QOS_NOT_SPECIFIED,
            latency: QOS_NOT_SPECIFIED,
            delay_variation: QOS_NOT_SPECIFIED,
            service_type,
            max_sdu_size: QOS_NOT_SPECIFIED,
            minimum_policed_size: QOS_NOT_SPECIFIED,
        }
    }

    /// Best effort.
    pub const BEST_EFFORT: Self = Self::of_type(SERVICETYPE_BESTEFFORT);

    fn is_satisfiable(&self) -> bool {
        if self.service_type == QOS_NOT_SPECIFIED {
            return true;
        }
        matches!(
            self.service_type & SERVICE_TYPE_MASK,
            SERVICETYPE_NOTRAFFIC | SERVICETYPE_BESTEFFORT | SERVICETYPE_NOCHANGE | NOCHANGE_ALIAS
        )
    }
}

/// A QOS structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qos<'m> {
    /// What this side sends.
    pub sending: FlowSpec,
    /// What this side receives. Noted, not judged: only the sender can keep a promise.
    pub receiving: FlowSpec,
    /// Objects for the provider, each behind a header of eight bytes.
    pub provider_specific: WsaBuf<'m>,
}

impl Qos<'_> {
    /// Best effort both ways, nothing for the provider.
    pub const BEST_EFFORT: Self = Self {
        sending: FlowSpec::BEST_EFFORT,
        receiving: FlowSpec::BEST_EFFORT,
        provider_specific: WsaBuf { len: 0, buf: crate::memory::Memory::Null },
    };

    /// WSAEFAULT for objects that cannot be parsed, WSAEOPNOTSUPP for what cannot be granted.
    pub(crate) fn judge(&self) -> Result<()> {
        if (1..OBJECT_HEADER).contains(&self.provider_specific.len) {
            return Err(Error::WSAEFAULT);
        }
        if self.sending.is_satisfiable() { Ok(()) } else { Err(Error::WSAEOPNOTSUPP) }
    }
}
