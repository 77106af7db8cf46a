//! A server with a certificate of a private authority.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

/// The certificate of a new authority in PEM, and a server that has a certificate from it and grants tokens.
async fn private_server() -> (String, SocketAddr, JoinSet<()>) {
    install_tls();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever does not believe the certificate hangs up.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            connections.spawn(serve(stream));
        }
    });
    (authority.pem(), address, server)
}

/// Answers every request with a token, which does for a record, too.
async fn serve(mut stream: TlsStream<TcpStream>) {
    let body = r#"{"access_token":"t","expires_in":1800}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut received = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut received).await {
        // The body of a request may come by itself.
        if String::from_utf8_lossy(&received[..length]).contains(" HTTP/1.1\r\n") {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

/// Asks for a token and then for a record.
async fn ask(address: SocketAddr, authorities: Authorities) -> Result<Vec<u8>, ConnectorError> {
    let base = format!("https://localhost:{}", address.port());
    let secret = Secret::new("auth.client_secret", Some("hush".into()), None).unwrap();
    let client =
        ClientCredentials::new(format!("{base}/token").parse().unwrap(), "c".to_owned(), secret, None);
    let calls = CallSettings { authorities, ..CallSettings::within(DEADLINE) };
    let client = HttpClient::new(Credentials::ClientCredentials(client), &calls, |_: &[u8]| None).unwrap();
    alone(&client, &call(Purpose::Read, &base)).await
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_private_authority_is_believed_with_its_file_alone() {
    let (pem, address, _server) = private_server().await;
    let refused = ask(address, Authorities::default()).await.unwrap_err();
    let ConnectorError::Unavailable(words) = refused else { panic!("{refused}") };
    assert!(words.contains("tls.ca_file"), "{words}");
    let (another, _, _other_server) = private_server().await;
    for (certificates, is_believed) in [(another.clone(), false), (another + &pem, true)] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(certificates.as_bytes()).unwrap();
        let settings = TlsSettings { ca_file: Some(file.path().to_owned()) };
        let outcome = ask(address, settings.check("tls").unwrap()).await;
        assert_eq!(outcome.is_ok(), is_believed, "{outcome:?}");
    }
}
