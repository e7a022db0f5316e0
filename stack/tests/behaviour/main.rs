//! What the stack does, against scripted peers and against itself, in virtual time.

mod handshake;
mod scene;
