//! What `stack with` leaves behind: nothing, however it ends.

#![expect(clippy::unwrap_used, reason = "a failed preparation ends its test")]

use std::{
    fs,
    path::Path,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use stack::testing;
use tokio::{net::TcpStream, time};
use url::Url;

/// A killed node takes a moment to let go of its ports.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_command_finds_its_servers_and_afterwards_they_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let status = stack_with("env > \"$0\"; exit 7", &folder.path().join("environment"));
    assert_eq!(status.code(), Some(7));
    assert_gone(folder.path()).await;
}

#[tokio::test]
async fn servers_do_not_outlive_a_stack_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let status = stack_with("env > \"$0\"; kill -9 $PPID", &folder.path().join("environment"));
    assert_eq!(status.code(), None);
    assert_gone(folder.path()).await;
}

fn stack_with(script: &str, environment: &Path) -> ExitStatus {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stack"));
    command.args(["with", "--", "sh", "-c", script]).arg(environment).status().unwrap()
}

/// Waits until no server accepts connections at the addresses that the command was given.
async fn assert_gone(folder: &Path) {
    let environment = fs::read_to_string(folder.join("environment")).unwrap();
    let begin = Instant::now();
    for name in [testing::DATABASE_URL, testing::AMQP_URL, testing::RABBITMQ_API] {
        let url = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
        let port = url.parse::<Url>().unwrap().port().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            assert!(begin.elapsed() < LIMIT, "{name} is still served");
            time::sleep(Duration::from_millis(20)).await;
        }
    }
}
