//! Replays the corpus: seeds, and whatever once broke a promise.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "the exception for tests does not reach their functions"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

/// What a checkout should carry, all targets together.
const MAX_CORPUS_BYTES: u64 = 500_000;
const MAX_CORPUS_FILES: usize = 300;

macro_rules! replayed {
    ($($test:ident: $target:literal;)*) => {
        $(#[test]
        fn $test() {
            replay($target);
        })*

        #[test]
        fn every_target_has_a_corpus_that_is_replayed() {
            let replayed: BTreeSet<String> = [$($target),*].map(str::to_owned).into();
            assert_eq!(replayed, TARGETS.iter().map(|target| target.name.to_owned()).collect());
            let folders = fs::read_dir(corpus()).unwrap();
            let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
            assert_eq!(replayed, folders.collect());
        }
    };
}

replayed! {
    no_body_breaks_the_alert_reader: "alert";
    no_answer_breaks_the_connector: "answer";
    no_message_breaks_the_intake: "message";
    no_text_breaks_the_settings: "settings";
    no_alert_breaks_its_ticket: "ticket";
    no_token_breaks_the_door: "token";
}

#[test]
fn the_corpus_stays_small() {
    let files: Vec<PathBuf> = TARGETS.iter().flat_map(|target| inputs(target.name)).collect();
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes <= MAX_CORPUS_BYTES && files.len() <= MAX_CORPUS_FILES, "{} files, {bytes} B", files.len());
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let inputs = inputs(name);
    assert!(!inputs.is_empty(), "no corpus for {name}");
    for input in &inputs {
        let bytes = fs::read(input).unwrap();
        if std::panic::catch_unwind(|| (target.run)(&bytes)).is_err() {
            panic!("{} breaks {name}", input.display());
        }
    }
    eprintln!("fuzz: {name}: {} inputs", inputs.len());
}

fn inputs(name: &str) -> Vec<PathBuf> {
    let mut inputs: Vec<PathBuf> =
        fs::read_dir(corpus().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}
