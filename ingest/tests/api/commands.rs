use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use azure_simulator::identity::{MintKey, Recipe};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::app::{Options, identity_provider, ingest, settings_file};

async fn verify(recipe: Recipe) -> (bool, String) {
    let identity = identity_provider().await;
    let token = identity.directory().mint(&recipe).unwrap();
    let settings = settings_file(&identity, "amqp://guest:guest@127.0.0.1:1/%2f", &Options::default());
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "{token}").unwrap();
    let output = ingest(settings.path()).arg("verify-token").arg(file.path()).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(&token), "the token must not be shown");
    (output.status.success(), text)
}

#[tokio::test]
async fn verify_token_passes_a_good_token() {
    let (good, text) = verify(Recipe::default()).await;
    assert!(good, "{text}");
    assert!(!text.contains('✗') && text.contains("the token is accepted"), "{text}");
}

#[tokio::test]
async fn verify_token_names_every_failed_check_and_what_to_change() {
    let (good, text) =
        verify(Recipe::default().claim("roles", Value::Null).claim("aud", "api://another")).await;
    assert!(!good);
    assert!(text.contains("✓ signed with the tenant's key"), "{text}");
    assert!(text.contains("✗ meant for this app registration"), "{text}");
    assert!(text.contains("Expose an API"), "{text}");
    assert!(text.contains("New-MgServicePrincipalAppRoleAssignment"), "{text}");
}

#[tokio::test]
async fn verify_token_stops_where_there_is_nothing_to_check_against() {
    let (good, text) = verify(Recipe::default().signed_with(MintKey::None)).await;
    assert!(!good);
    assert!(text.contains("not RS256") && text.contains("could not be made"), "{text}");
}

#[tokio::test]
async fn check_config_says_what_to_add() {
    let empty = NamedTempFile::new().unwrap();
    let output = ingest(empty.path()).arg("check-config").output().await.unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("add a section [trust.NAME]"), "{text}");
}

#[tokio::test]
async fn check_config_warns_of_what_lets_more_callers_in() {
    let identity = identity_provider().await;
    let options = Options { trust: "role_check = \"disabled\"".to_owned(), ..Options::default() };
    let settings = settings_file(&identity, "amqp://guest:guest@127.0.0.1:1/%2f", &options);
    let output = ingest(settings.path()).arg("check-config").stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("role_check is disabled") && text.contains("authority is not https"), "{text}");
}

#[tokio::test]
async fn a_full_standard_error_changes_no_answer() {
    let unready = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let identity = identity_provider().await;
    let settings = settings_file(&identity, "amqp://guest:guest@127.0.0.1:1/%2f", &Options::default());
    let run = |command| {
        let mut process = ingest(settings.path());
        process.env("SECURE_EXPORT__ADMIN__LISTEN", unready.local_addr().unwrap().to_string());
        process.arg(command).stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
        process.spawn().unwrap()
    };
    assert_eq!(run("check-config").wait().await.unwrap().code(), Some(0));
    let mut healthcheck = run("healthcheck");
    let (mut question, _) = unready.accept().await.unwrap();
    question.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
    assert_eq!(healthcheck.wait().await.unwrap().code(), Some(1));
}

/// `UPDATE_SCHEMA=1` writes the file.
#[tokio::test]
async fn the_schema_in_the_documentation_is_what_the_command_prints() {
    // No settings are needed, and those that cannot be used do not matter.
    let output = ingest(Path::new("/nowhere.toml")).arg("config-schema").output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/ingest.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, &output.stdout).unwrap();
    }
    let kept = std::fs::read(&file).unwrap();
    assert!(kept == output.stdout, "docs/schema/ingest.json is old: run the test with UPDATE_SCHEMA=1");
}
