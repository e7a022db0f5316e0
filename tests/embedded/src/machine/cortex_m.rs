//! The Cortex-M4F of an MPS2 board with AN386.
#![allow(unsafe_code)]

use core::arch::{asm, global_asm};
use core::cell::Cell;

use super::{MemoryUse, lan9118};
use crate::Outcome;

/// CMSDK UART 0.
const UART: usize = 0x4000_4000;
/// A counter of the board; see `COUNTER` and `PRESCALE`.
const FPGAIO: usize = 0x4002_8000;
const COUNTER: usize = FPGAIO + 0x18;
const PRESCALE: usize = FPGAIO + 0x1c;
const SYSTICK: usize = 0xE000_E010;
const NVIC_ENABLE: usize = 0xE000_E100;
const NVIC_FORGET: usize = 0xE000_E280;
/// Configurable fault status.
const CFSR: usize = 0xE000_ED28;
/// The processor's and the counter's clock, in cycles a microsecond.
const CYCLES: u32 = 25;
/// What the stack is filled with, to see how much of it was used.
const PAINT: u32 = 0x5a5a_5a5a;

// Two thirds of the vectors are unused: AN386 has 32 interrupts, of which the Ethernet controller's
// is number 13. Whatever else comes is a fault.
global_asm!(
    r#"
.syntax unified
.section .vectors, "a"
.word __stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault
.word tick
.rept 13
.word fault
.endr
.word frame
.rept 18
.word fault
.endr

.section .text.reset, "ax"
.thumb
.global reset
.thumb_func
reset:
  ldr r0, =0xE000ED88    @ CPACR: the floating-point unit may be used
  ldr r1, [r0]
  orr r1, r1, #0xF00000
  str r1, [r0]
  dsb
  isb
  ldr r0, =__data_start
  ldr r1, =__data_end
  ldr r2, =__data_lma
1: cmp r0, r1
  bhs 2f
  ldr r3, [r2], #4
  str r3, [r0], #4
  b 1b
2: ldr r0, =__bss_start
  ldr r1, =__bss_end
  movs r2, #0
3: cmp r0, r1
  bhs 4f
  str r2, [r0], #4
  b 3b
4: mov r1, sp            @ the stack is painted
  ldr r2, =0x5a5a5a5a
5: cmp r0, r1
  bhs 6f
  str r2, [r0], #4
  b 5b
6: bl started
.thumb_func
fault:
  mov r0, lr
  mrs r1, ipsr
  bl faulted
"#
);

unsafe extern "C" {
    static __data_start: u8;
    static __bss_end: u8;
    static __stack_top: u8;
    /// The program. Each image has one.
    safe fn program() -> Outcome;
}

pub(super) fn write_register(address: usize, value: u32) {
    // SAFETY: all callers are in this module and name registers of the board, which are always
    // there and take whole words.
    unsafe { (address as *mut u32).write_volatile(value) }
}

pub(super) fn read_register(address: usize) -> u32 {
    // SAFETY: as above.
    unsafe { (address as *const u32).read_volatile() }
}

#[unsafe(no_mangle)]
extern "C" fn started() -> ! {
    write_register(UART + 0x10, 16);
    write_register(UART + 0x8, 1);
    write_register(PRESCALE, CYCLES - 1);
    // A tick a millisecond, for sleepers.
    write_register(SYSTICK + 4, 1000 * CYCLES - 1);
    write_register(SYSTICK + 8, 0);
    write_register(SYSTICK, 7);
    exit(program())
}

#[unsafe(no_mangle)]
extern "C" fn tick() {}

#[unsafe(no_mangle)]
extern "C" fn frame() {
    lan9118::mask();
}

#[unsafe(no_mangle)]
extern "C" fn faulted(from: u32, exception: u32) -> ! {
    // In hexadecimal, by hand: formatting may be what has failed, and would be part of every image.
    for (name, value) in
        [("FAULT ", exception), (" from ", from), (" status ", read_register(CFSR))]
    {
        name.bytes().for_each(write);
        for digit in (0..8).rev() {
            write(b"0123456789abcdef"[(value >> (4 * digit) & 0xf) as usize]);
        }
    }
    write(b'\n');
    exit(Outcome::Fault)
}

/// Lets an interrupt of the board through. What it said before does not count.
pub(super) fn listen_to(interrupt: u32) {
    write_register(NVIC_FORGET, 1 << interrupt);
    write_register(NVIC_ENABLE, 1 << interrupt);
}

/// Writes a byte to the console.
pub fn write(byte: u8) {
    while read_register(UART + 4) & 1 != 0 {}
    write_register(UART, byte.into());
}

/// Time since the start in microseconds, which is read at least once an hour.
pub fn micros() -> u64 {
    struct Extended(Cell<u32>, Cell<u32>);
    // SAFETY: there is one thread, and no interrupt handler asks for the time.
    unsafe impl Sync for Extended {}
    static LAST: Extended = Extended(Cell::new(0), Cell::new(0));

    let now = read_register(COUNTER);
    let Extended(last, turns) = &LAST;
    if now < last.get() {
        turns.set(turns.get() + 1);
    }
    last.set(now);
    u64::from(turns.get()) << 32 | u64::from(now)
}

/// Sleeps until a frame or the next tick.
pub fn sleep() {
    // With interrupts masked WFI still wakes for them, and none is lost between test and sleep.
    // SAFETY: masking and sleeping touch no memory.
    unsafe { asm!("cpsid i") };
    lan9118::unmask();
    if !lan9118::is_pending() {
        // SAFETY: as above.
        unsafe { asm!("wfi") };
    }
    // SAFETY: as above.
    unsafe { asm!("cpsie i") };
}

/// Ends the run: QEMU's exit status is the outcome.
pub fn exit(outcome: Outcome) -> ! {
    // ADP_Stopped_ApplicationExit.
    let block = [0x20026_u32, outcome as u32];
    // SAFETY: SYS_EXIT_EXTENDED reads the block; QEMU with semihosting does not return from it.
    unsafe { asm!("bkpt 0xab", inout("r0") 0x20 => _, in("r1") &raw const block) };
    loop {}
}

/// Forgets how deep the stack was: what [`memory`] says counts from here on.
#[inline(never)]
pub fn paint() {
    let marker = 0_u32;
    // Below this function's own frame, and what the loop may need of one.
    let end = (&raw const marker as usize) - 256;
    let mut at = &raw const __bss_end as usize;
    while at < end {
        write_register(at, PAINT);
        at += 4;
    }
}

/// What was used of the memory so far.
pub fn memory() -> MemoryUse {
    let (start, end, top) = (
        &raw const __data_start as usize,
        &raw const __bss_end as usize,
        &raw const __stack_top as usize,
    );
    let mut lowest = end;
    while lowest < top && read_register(lowest) == PAINT {
        lowest += 4;
    }
    MemoryUse { statics: end - start, stack: top - lowest }
}
