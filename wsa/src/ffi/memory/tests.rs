use core::ffi::c_void;

use super::*;

/// Three pages: one that can be written, one that can be read, one that is not there.
struct Pages(*mut c_void);

impl Pages {
    fn new() -> Self {
        // SAFETY: a new mapping, in nobody's way.
        let at = unsafe {
            libc::mmap(
                ptr::null_mut(),
                3 * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(at, libc::MAP_FAILED);
        let pages = Self(at);
        // SAFETY: the mapping is ours, and nothing refers to it.
        unsafe {
            at.cast::<u8>().write_bytes(7, 3 * PAGE);
            assert_eq!(libc::mprotect(pages.at(PAGE), PAGE, libc::PROT_READ), 0);
            assert_eq!(libc::mprotect(pages.at(2 * PAGE), PAGE, libc::PROT_NONE), 0);
        }
        pages
    }

    fn at(&self, offset: usize) -> *mut c_void {
        self.0.wrapping_byte_add(offset)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping any more.
        unsafe { libc::munmap(self.0, 3 * PAGE) };
    }
}

#[test]
fn reading_ends_where_memory_does() {
    let pages = Pages::new();
    let mut bytes = [0; 2 * PAGE];
    for (at, len, found) in [
        (0, 2 * PAGE, 2 * PAGE),
        (1, 2 * PAGE, 2 * PAGE - 1),
        (PAGE, 2 * PAGE, PAGE),
        (2 * PAGE - 3, 3, 3),
        (2 * PAGE - 3, 4, 3),
        (2 * PAGE, 1, 0),
        (2 * PAGE, 0, 0),
    ] {
        let into = &mut bytes[..len];
        into.fill(0);
        assert_eq!(read(pages.at(at), into), found, "{len} bytes at {at}");
        assert!(into[..found].iter().all(|byte| *byte == 7));
        assert_eq!(is_readable(pages.at(at), len), found == len, "{len} bytes at {at}");
    }
    assert_eq!(read(ptr::null(), &mut bytes), 0);
    assert_eq!(read(ptr::without_provenance(usize::MAX - 1), &mut bytes), 0);
    assert!(!is_readable(ptr::without_provenance(usize::MAX - 1), 2 * PAGE));
}

#[test]
fn writing_is_found_possible_without_a_write() {
    let pages = Pages::new();
    for (at, len, found) in [
        (0, PAGE, PAGE),
        (0, PAGE + 1, PAGE),
        (1, 2, 2),
        (PAGE - 1, 1, 1),
        (PAGE - 1, 2, 1),
        (PAGE, 1, 0),
        (2 * PAGE, 1, 0),
        (2 * PAGE, 0, 0),
    ] {
        assert_eq!(writable(pages.at(at), len), found, "{len} bytes at {at}");
    }
    assert_eq!(writable(ptr::null_mut(), 1), 0);
    assert_eq!(writable(ptr::without_provenance_mut(usize::MAX - 1), 4), 0);
    let mut bytes = [0; PAGE];
    assert_eq!(read(pages.at(0), &mut bytes), PAGE);
    assert!(bytes.iter().all(|byte| *byte == 7));
}

#[test]
fn a_write_that_cannot_be_says_so() {
    let pages = Pages::new();
    // SAFETY: the pages are the test's.
    let write = |at, bytes: &[u8]| unsafe { write(pages.at(at), bytes) };
    assert!(write(3, b"abc"));
    assert!(!write(PAGE, b"a"));
    assert!(!write(PAGE - 1, b"ab"));
    assert!(!write(2 * PAGE, b"a"));
    assert!(write(2 * PAGE, b""));
    let mut bytes = [0; 5];
    assert_eq!(read(pages.at(2), &mut bytes), 5);
    assert_eq!(&bytes, b"\x07abc\x07");
}

#[test]
fn values_may_lie_anywhere() {
    let pages = Pages::new();
    assert_eq!(value::<u32>(ptr::null()), Arg::Null);
    for (at, expected) in [
        (1, Arg::Value(0x0707_0707)),
        (2 * PAGE - 4, Arg::Value(0x0707_0707)),
        (2 * PAGE - 3, Arg::Unreadable),
        (2 * PAGE, Arg::Unreadable),
    ] {
        assert_eq!(value::<u32>(pages.at(at).cast()), expected, "{at}");
    }
}

#[test]
fn a_text_ends_with_a_nul_that_can_be_read() {
    let pages = Pages::new();
    let mut room = [0; 8];
    // SAFETY: the pages are the test's.
    assert!(unsafe { write(pages.at(0), b"10.1\0") });
    assert_eq!(text(pages.at(0), &mut room), Some(&b"10.1"[..]));
    assert_eq!(text(pages.at(0), &mut room[..5]), Some(&b"10.1"[..]));
    assert_eq!(text(pages.at(0), &mut room[..4]), None);
    assert_eq!(text(pages.at(2 * PAGE - 2), &mut room), None);
    assert_eq!(text(pages.at(2 * PAGE), &mut room), None);
    assert_eq!(text(ptr::null(), &mut room), None);
}
