//! Any bytes as a script of frames, time and calls: see `tapsock_receive_path`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapsock_receive_path::play;

fuzz_target!(|input: &[u8]| {
    let first = play(input);
    // Twice as expensive, so not always.
    if input.len().is_multiple_of(16) {
        assert_eq!(first, play(input), "the same script gives the same bytes");
    }
});
