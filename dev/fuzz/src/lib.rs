//! What strangers may send, sent at random. Each target takes bytes to the public functions that meet them first,
//! and fails when what these functions promise does not hold.
//!
//! The corpus in `corpus/TARGET/` is replayed by the tests; `make fuzz` goes on from it, guided by coverage.

#![expect(clippy::expect_used, reason = "a target that cannot be set up must stop the run")]

mod alert;
mod answer;
mod message;
mod product;
mod settings;
mod ticket;
mod token;

/// Something that takes bytes of a stranger's choice.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Fails when a promise is broken.
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 6] = [
    Target { name: "alert", run: alert::run },
    Target { name: "answer", run: answer::run },
    Target { name: "message", run: message::run },
    Target { name: "settings", run: settings::run },
    Target { name: "ticket", run: ticket::run },
    Target { name: "token", run: token::run },
];

/// What is logged, or shown in a terminal, must not be able to forge a line or move the cursor.
fn assert_one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters in {text:?}");
}
