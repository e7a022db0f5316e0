//! What the stack does, against scripted peers and against itself, in virtual time.

mod causes;
mod closing;
mod handshake;
mod listener;
mod patience;
mod scene;
