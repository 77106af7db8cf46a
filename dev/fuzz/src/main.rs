//! Runs the target that `FUZZ_TARGET` names under libFuzzer, which also reads the command line.

#![no_main]
#![expect(clippy::panic, reason = "without its target there is nothing to run")]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = TARGETS.into_iter().find(|target| target.name == name) else {
        panic!("FUZZ_TARGET is {name:?}: give one of {:?}", TARGETS.map(|target| target.name));
    };
    target
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
