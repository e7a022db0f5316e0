//! Where the linker puts things.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let (script, flags): (&str, &[&str]) = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("arm") => ("cortex-m.ld", &[]),
        Ok("x86_64") => (
            "x86_64.ld",
            &[
                // The host's compiler links programs of the host unless it is told not to.
                "-nostartfiles",
                "-nostdlib",
                "-static",
                "-no-pie",
                "-Wl,--build-id=none",
                "-Wl,--gc-sections",
                "-Wl,-z,max-page-size=4096",
                "-Wl,-z,norelro",
                "-Wl,-z,noexecstack",
                "-Wl,--no-dynamic-linker",
                "-Wl,--no-eh-frame-hdr",
            ],
        ),
        other => panic!("no image for {other:?}: build for thumbv7em-none-eabihf or x86_64"),
    };
    for flag in flags {
        println!("cargo:rustc-link-arg-bins={flag}");
    }
    // The C compiler that links for the host hands the option on; rust-lld takes it as it is.
    println!("cargo:rustc-link-arg-bins=-T{directory}/{script}");
    println!("cargo:rerun-if-changed={script}");
}
