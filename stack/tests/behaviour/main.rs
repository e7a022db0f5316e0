//! What the stack does, against scripted peers and against itself, in virtual time.

mod broadcast;
mod causes;
mod closing;
mod datagrams;
mod determinism;
mod faults;
mod fragments;
mod handshake;
mod idle;
mod in_place;
mod info;
mod limits;
mod listener;
mod lone_fin;
mod marks;
mod multicast;
mod netstat;
mod offload;
mod path_mtu;
mod patience;
mod robustness;
mod scene;
mod sources;
mod tape;
