//! A settings file. Input: TOML.

use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    #[serde(with = "shared::settings::duration")]
    wait: Duration,
    #[serde(default, deserialize_with = "shared::settings::list")]
    names: Vec<String>,
}

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(sample) = shared::settings::load::<Sample>(text, None) else { return };
    let written = format!("wait = \"{}s {}ns\"", sample.wait.as_secs(), sample.wait.subsec_nanos());
    let read = shared::settings::load::<Sample>(&written, None).expect("a duration, written plainly");
    assert_eq!(read.wait, sample.wait, "{written}");
}
