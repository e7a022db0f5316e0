//! QEMU's microvm: a bare x86-64 with a serial line and a timer.
//!
//! There are no interrupts, and no handlers of exceptions: an exception ends the run as a triple
//! fault, whose exit status is none of [`Outcome`]'s.
#![allow(unsafe_code)]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use super::MemoryUse;
use crate::Outcome;

/// The first serial line.
const COM1: u16 = 0x3f8;
/// QEMU's isa-debug-exit.
const EXIT: u16 = 0xf4;
/// The 8254's first counter, which counts 1,193,182 times a second.
const PIT_COUNTER: u16 = 0x40;
const PIT_COMMAND: u16 = 0x43;
/// What the stack is filled with, to see how much of it was used.
const PAINT: u64 = 0x5a5a_5a5a_5a5a_5a5a;

// QEMU starts in 32-bit mode without paging, at the address that the note says (PVH). The host's
// core library uses SSE, so that is switched on before any Rust runs.
global_asm!(
    r#"
.section .note.pvh, "a", @note
.align 4
.long 4, 8, 18
.asciz "Xen"
.quad pvh_start

.section .bss.tables, "aw", @nobits
.align 4096
tables: .skip 6 * 4096

.section .rodata.gdt, "a"
.align 8
gdt:
  .quad 0, 0x00209a0000000000, 0x0000920000000000
gdt_pointer:
  .word 23
  .long gdt

.section .text.boot, "ax"
.code32
.global pvh_start
pvh_start:
  cli
  cld
  movl $__bss_start, %edi
  movl $__stack_top, %ecx
  subl %edi, %ecx
  shrl $2, %ecx
  xorl %eax, %eax
  rep stosl
  movl $(tables + 0x1003), tables
  movl $(tables + 0x2003), tables + 0x1000
  movl $(tables + 0x3003), tables + 0x1008
  movl $(tables + 0x4003), tables + 0x1010
  movl $(tables + 0x5003), tables + 0x1018
  movl $(tables + 0x2000), %edi   # 4 GiB as they are, in pages of 2 MiB
  movl $0x83, %eax
  movl $2048, %ecx
1:
  movl %eax, (%edi)
  addl $0x200000, %eax
  addl $8, %edi
  decl %ecx
  jnz 1b
  movl $tables, %eax
  movl %eax, %cr3
  movl %cr4, %eax
  orl $0x620, %eax                # PAE, OSFXSR, OSXMMEXCPT
  movl %eax, %cr4
  movl $0xC0000080, %ecx          # EFER
  rdmsr
  orl $0x100, %eax                # LME
  wrmsr
  movl %cr0, %eax
  andl $0xFFFFFFF3, %eax          # not EM, not TS
  orl $0x80000003, %eax           # PG, MP, PE
  movl %eax, %cr0
  lgdt gdt_pointer
  ljmp $8, $long_mode
.code64
long_mode:
  movl $16, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl $__stack_bottom, %edi
  movl $__stack_top, %ecx
  movq %rcx, %rsp
  subl %edi, %ecx
  shrl $3, %ecx
  movabsq $0x5a5a5a5a5a5a5a5a, %rax
  rep stosq
  call started
"#,
    options(att_syntax)
);

unsafe extern "C" {
    static __data_start: u8;
    static __bss_end: u8;
    static __stack_bottom: u64;
    static __stack_top: u64;
    /// The program. Each image has one.
    safe fn program() -> Outcome;
}

/// Named by the precompiled `core`, which is built for unwinding; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

// The host's compiler expects these of the C library. In assembly, so that no compiler turns a loop
// into a call of the function that it stands in.
global_asm!(
    r#"
.section .text.memory, "ax"
.global memcpy
memcpy:
  movq %rdi, %rax
  movq %rdx, %rcx
  rep movsb
  ret
.global memset
memset:
  movq %rdi, %r8
  movl %esi, %eax
  movq %rdx, %rcx
  rep stosb
  movq %r8, %rax
  ret
.global memmove
memmove:
  movq %rdi, %rax
  movq %rdx, %rcx
  subq %rsi, %rdi
  cmpq %rdx, %rdi
  movq %rax, %rdi
  jb 1f
  rep movsb
  ret
1:
  leaq -1(%rdi,%rcx), %rdi
  leaq -1(%rsi,%rcx), %rsi
  std
  rep movsb
  cld
  ret
.global memcmp
.global bcmp
memcmp:
bcmp:
  xorl %eax, %eax
  movq %rdx, %rcx
  testq %rcx, %rcx
  je 2f
  repe cmpsb
  je 2f
  movzbl -1(%rdi), %eax
  movzbl -1(%rsi), %ecx
  subl %ecx, %eax
2:
  ret
"#,
    options(att_syntax)
);

fn output(port: u16, value: u8) {
    // SAFETY: all callers are in this module and name ports of the board; none moves memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) }
}

fn input(port: u16) -> u8 {
    let value;
    // SAFETY: as above.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) }
    value
}

fn cycles() -> u64 {
    // SAFETY: reads a counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The cycle counter at the start, and its cycles a microsecond.
static START: AtomicU64 = AtomicU64::new(0);
static RATE: AtomicU64 = AtomicU64::new(1);

/// What the counter of the timer shows. It counts down from 65,536 again and again.
fn timer() -> u16 {
    output(PIT_COMMAND, 0);
    u16::from_le_bytes([input(PIT_COUNTER), input(PIT_COUNTER)])
}

#[unsafe(no_mangle)]
extern "C" fn started() -> ! {
    // A fiftieth of a second by the timer says how fast the cycle counter is.
    output(PIT_COMMAND, 0x34);
    output(PIT_COUNTER, 0);
    output(PIT_COUNTER, 0);
    let (begin, from) = (cycles(), timer());
    let ticks = loop {
        let ticks = from.wrapping_sub(timer());
        if ticks > 23_864 {
            break u64::from(ticks);
        }
    };
    let rate = (cycles() - begin) * 1_193_182 / (ticks * 1_000_000);
    RATE.store(rate.max(1), Ordering::Relaxed);
    START.store(begin, Ordering::Relaxed);
    exit(program())
}

/// Writes a byte to the console.
pub fn write(byte: u8) {
    while input(COM1 + 5) & 0x20 == 0 {}
    output(COM1, byte);
}

/// Time since the start in microseconds.
pub fn micros() -> u64 {
    (cycles() - START.load(Ordering::Relaxed)) / RATE.load(Ordering::Relaxed)
}

/// Lets a moment pass.
pub fn sleep() {
    for _ in 0..64 {
        core::hint::spin_loop();
    }
}

/// Ends the run: QEMU's exit status is twice the outcome and one.
pub fn exit(outcome: Outcome) -> ! {
    output(EXIT, outcome as u8);
    loop {
        core::hint::spin_loop();
    }
}

/// Forgets how deep the stack was: what [`memory`] says counts from here on.
#[inline(never)]
pub fn paint() {
    let marker = 0_u64;
    let (mut at, end) = (&raw const __stack_bottom, (&raw const marker as usize) - 4096);
    while (at as usize) < end {
        // SAFETY: from the stack's bottom to a page below this function's frame nothing is in use.
        unsafe { at.cast_mut().write_volatile(PAINT) };
        at = at.wrapping_add(1);
    }
}

/// What was used of the memory so far.
pub fn memory() -> MemoryUse {
    let statics = &raw const __bss_end as usize - &raw const __data_start as usize;
    let (mut lowest, top) = (&raw const __stack_bottom, &raw const __stack_top);
    // SAFETY: between these two is the stack, which the start filled.
    while lowest < top && unsafe { lowest.read_volatile() } == PAINT {
        lowest = lowest.wrapping_add(1);
    }
    MemoryUse { statics, stack: top as usize - lowest as usize }
}
