//! A Winsock process as a value.

mod state;

pub use state::Core;

use core::marker::PhantomData;

use crate::engine::Engine;

/// One Winsock process: its startup count and versions, its sockets, its profile, and the engine
/// with the stack that it is bound to.
///
/// All methods take `&self`; where the engine may be shared between threads, so may the process.
#[derive(Debug)]
pub struct Process<'a, E: Engine<'a>> {
    engine: E,
    _storage: PhantomData<&'a ()>,
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// A process on `engine` that has not called WSAStartup yet.
    pub const fn new(engine: E) -> Self {
        Self { engine, _storage: PhantomData }
    }

    /// The engine.
    pub const fn engine(&self) -> &E {
        &self.engine
    }
}
