//! Secrets that are replaced under a running client.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use reqwest::header::HeaderName;

use super::*;

/// A secret in a folder as Kubernetes mounts it: the file is a link into a folder that is a link itself.
struct Mounted {
    folder: tempfile::TempDir,
    versions: Cell<u8>,
}

impl Mounted {
    fn with(content: &str) -> Self {
        let mounted = Self { folder: tempfile::tempdir().unwrap(), versions: Cell::new(0) };
        symlink("..data/secret", mounted.path()).unwrap();
        mounted.replace(content);
        mounted
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn replace(&self, content: &str) {
        let version = self.versions.get() + 1;
        self.versions.set(version);
        let at = |name: &str| self.folder.path().join(name);
        fs::create_dir(at(&version.to_string())).unwrap();
        fs::write(at(&version.to_string()).join("secret"), content).unwrap();
        symlink(version.to_string(), at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
    }

    fn secret(&self) -> Secret {
        Secret::new("auth.secret", None, Some(self.path())).unwrap()
    }

    fn header(&self) -> Credentials {
        let name = HeaderName::from_static("x-api-key");
        Credentials::Fixed(Fixed::prefixed(name, "Key ", self.secret()).unwrap())
    }
}

async fn answering_key(server: &MockServer, key: &str, status: u16, times: u64) {
    Mock::given(path("/records"))
        .and(header("x-api-key", format!("Key {key}").as_str()))
        .respond_with(ResponseTemplate::new(status))
        .up_to_n_times(times)
        .expect(times)
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_secret_that_was_replaced_under_a_running_client_is_taken_when_the_old_one_is_refused() {
    let (server, mounted) = (MockServer::start().await, Mounted::with("old\n"));
    answering_key(&server, "old", 200, 1).await;
    answering_key(&server, "old", 401, 1).await;
    answering_key(&server, "new", 201, 2).await;
    let (client, call) = (client(mounted.header(), DEADLINE), call(Purpose::Create, &server.uri()));
    alone(&client, &call).await.unwrap();
    mounted.replace("new\n");
    alone(&client, &call).await.unwrap();
    alone(&client, &call).await.unwrap();
}

#[tokio::test]
async fn a_refused_secret_whose_file_says_the_same_or_is_gone_is_not_tried_again() {
    let (server, mounted) = (MockServer::start().await, Mounted::with("old"));
    answering_key(&server, "old", 200, 1).await;
    answering_key(&server, "old", 401, 2).await;
    let call = call(Purpose::Read, &server.uri());
    let rewritten = client(mounted.header(), DEADLINE);
    mounted.replace("old\n");
    let orphaned = client(mounted.header(), DEADLINE);
    fs::remove_file(mounted.path()).unwrap();
    alone(&orphaned, &call).await.unwrap();
    for client in [rewritten, orphaned] {
        let error = alone(&client, &call).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Unauthorized(_)), "{error}");
    }
}

#[tokio::test]
async fn a_client_secret_that_was_replaced_gets_a_token_in_the_same_act() {
    let (server, mounted) = (MockServer::start().await, Mounted::with("old"));
    Mock::given(path("/token"))
        .and(body_string_contains("client_secret=old"))
        .respond_with(ResponseTemplate::new(401).set_body_json(json!({"error": "invalid_client"})))
        .expect(1)
        .mount(&server)
        .await;
    granting(&server, "fresh", 1).await;
    Mock::given(header("authorization", "Bearer fresh"))
        .respond_with(ResponseTemplate::new(201))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(tokens_for(&server, mounted.secret()), DEADLINE);
    mounted.replace("hush");
    alone(&client, &call(Purpose::Create, &server.uri())).await.unwrap();
}
