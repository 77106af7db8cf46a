//! The client against a server that answers as told.

use serde_json::json;
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

mod rotation;
mod tls;

const DEADLINE: Duration = Duration::from_secs(10);

fn install_tls() {
    // Another test of this process may have been first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

fn client(credentials: Credentials, deadline: Duration) -> HttpClient {
    install_tls();
    HttpClient::new(credentials, &CallSettings::within(deadline), |body: &[u8]| {
        String::from_utf8(body.to_vec()).ok()
    })
    .unwrap()
}

fn basic() -> Credentials {
    let password = Secret::new("auth.password", Some("pass".into()), None).unwrap();
    Credentials::Fixed(Fixed::basic("auth", "user".to_owned(), password).unwrap())
}

fn tokens(server: &MockServer) -> Credentials {
    tokens_for(server, Secret::new("auth.client_secret", Some("hush".into()), None).unwrap())
}

fn tokens_for(server: &MockServer, client_secret: Secret) -> Credentials {
    let token_url = format!("{}/token", server.uri()).parse().unwrap();
    let client_id = "client".to_owned();
    Credentials::ClientCredentials(ClientCredentials::new(token_url, client_id, client_secret, None))
}

fn call(purpose: Purpose, base: &str) -> Call {
    let url = format!("{base}/records").parse().unwrap();
    Call { purpose, method: Method::POST, url, body: Some(Body::Json(json!({"a": "b"}))) }
}

/// An act of one call.
async fn alone(client: &HttpClient, call: &Call) -> Result<Vec<u8>, ConnectorError> {
    client.act().call(call).await
}

async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/records")).respond_with(template).mount(&server).await;
    server
}

async fn granting(server: &MockServer, token: &str, times: u64) {
    let grant = json!({"access_token": token, "expires_in": 1799, "token_type": "Bearer"});
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(body_string_contains("grant_type=client_credentials&client_id=client&client_secret=hush"))
        .respond_with(ResponseTemplate::new(200).set_body_json(grant))
        .up_to_n_times(times)
        .expect(times)
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_host_that_is_down_is_unavailable_even_for_a_write() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = alone(&client(basic(), DEADLINE), &call(Purpose::Create, &format!("http://{nobody}")))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_leaves_a_write_unknown_and_a_read_unavailable() {
    let server = answering(ResponseTemplate::new(201).set_delay(Duration::from_secs(60))).await;
    // Half of it is left for the connection, which even a busy machine makes in that time.
    let client = client(basic(), Duration::from_millis(500));
    let (create, look) = (call(Purpose::Create, &server.uri()), call(Purpose::Read, &server.uri()));
    let (write, read) = tokio::join!(alone(&client, &create), alone(&client, &look));
    let (write, read) = (write.unwrap_err(), read.unwrap_err());
    assert!(matches!(write, ConnectorError::Ambiguous(_)), "{write}");
    assert!(matches!(read, ConnectorError::Unavailable(_)), "{read}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let server = answering(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; MAX_ANSWER_BYTES + 1])).await;
    let error = alone(&client(basic(), DEADLINE), &call(Purpose::Create, &server.uri())).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Ambiguous(reason) if reason.contains("larger")), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/login");
    let server = answering(elsewhere).await;
    let error = alone(&client(basic(), DEADLINE), &call(Purpose::Create, &server.uri())).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Rejected(reason) if reason.contains("base_url")), "{error}");
}

#[tokio::test]
async fn many_calls_at_once_ask_for_one_token() {
    let server = MockServer::start().await;
    granting(&server, "first", 1).await;
    Mock::given(header("authorization", "Bearer first"))
        .respond_with(ResponseTemplate::new(200))
        .expect(8)
        .mount(&server)
        .await;
    let client = client(tokens(&server), DEADLINE);
    let call = call(Purpose::Create, &server.uri());
    let calls = tokio::join!(
        alone(&client, &call),
        alone(&client, &call),
        alone(&client, &call),
        alone(&client, &call),
        alone(&client, &call),
        alone(&client, &call),
        alone(&client, &call),
        alone(&client, &call),
    );
    assert!(calls.0.is_ok() && calls.7.is_ok());
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_made_again() {
    let server = MockServer::start().await;
    granting(&server, "old", 1).await;
    granting(&server, "new", 1).await;
    Mock::given(header("authorization", "Bearer old"))
        .respond_with(ResponseTemplate::new(401))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(header("authorization", "Bearer new"))
        .respond_with(ResponseTemplate::new(201))
        .expect(1)
        .mount(&server)
        .await;
    assert!(alone(&client(tokens(&server), DEADLINE), &call(Purpose::Create, &server.uri())).await.is_ok());
}

#[tokio::test]
async fn a_user_without_rights_is_not_asked_about_for_ever() {
    let server = answering(ResponseTemplate::new(401).set_body_string("no rights")).await;
    granting(&server, "same", 2).await;
    let error =
        alone(&client(tokens(&server), DEADLINE), &call(Purpose::Read, &server.uri())).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unauthorized(_)), "{error}");
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.iter().filter(|request| request.url.path() == "/records").count(), 2);
}

#[tokio::test]
async fn a_client_that_is_not_accepted_is_told_so_without_its_secret() {
    let server = MockServer::start().await;
    let refusal = json!({"error": "invalid_client", "error_description": "unknown client"});
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(401).set_body_json(refusal))
        .mount(&server)
        .await;
    let error =
        alone(&client(tokens(&server), DEADLINE), &call(Purpose::Create, &server.uri())).await.unwrap_err();
    let ConnectorError::Unauthorized(reason) = error else { panic!("{error}") };
    assert!(reason.contains("invalid_client: unknown client"), "{reason}");
    assert!(!reason.contains("hush"), "{reason}");
}

#[tokio::test]
async fn a_product_that_repeats_what_was_sent_to_it_shows_no_credential() {
    let server = answering(
        ResponseTemplate::new(403)
            .set_body_string("bad Basic dXNlcjpwYXNzd29yZA==, dXNlcjpwYXNzd29yZA==, password"),
    )
    .await;
    let password = Secret::new("auth.password", Some("password".to_owned().into()), None).unwrap();
    let basic = Credentials::Fixed(Fixed::basic("auth", "user".to_owned(), password).unwrap());
    let error = alone(&client(basic, DEADLINE), &call(Purpose::Create, &server.uri())).await.unwrap_err();
    assert_eq!(error, ConnectorError::Rejected("403 Forbidden: bad ***, ***, ***".to_owned()));
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_leaves_no_write_unknown() {
    let server = MockServer::start().await;
    Mock::given(path("/token")).respond_with(ResponseTemplate::new(502)).mount(&server).await;
    let error =
        alone(&client(tokens(&server), DEADLINE), &call(Purpose::Create, &server.uri())).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn nothing_is_sent_once_the_deadline_is_over() {
    let server = answering(ResponseTemplate::new(200)).await;
    let late = client(basic(), Duration::ZERO);
    let outcome = alone(&late, &call(Purpose::Create, &server.uri())).await;
    assert!(matches!(outcome, Err(ConnectorError::Unavailable(_))), "{outcome:?}");
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_calls_of_an_act_have_one_deadline_together() {
    let server = answering(ResponseTemplate::new(200).set_delay(Duration::from_millis(600))).await;
    let client = client(basic(), Duration::from_secs(1));
    let (act, call) = (client.act(), call(Purpose::Create, &server.uri()));
    act.call(&call).await.unwrap();
    let second = act.call(&call).await.unwrap_err();
    assert!(matches!(second, ConnectorError::Ambiguous(_)), "{second}");
    let third = act.call(&call).await.unwrap_err();
    assert!(
        matches!(&third, ConnectorError::Unavailable(reason) if reason.contains("nothing was sent")),
        "{third}"
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}
