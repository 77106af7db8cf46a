//! Ways in which discovery and key sets go wrong.

use std::time::Duration;

use actix_web::{HttpResponse, http::header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest delay, so that a forgotten fault does not hang a test run.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Largest answer, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// One fault per kind of document. What a request leaves out is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    pub discovery: Fault,
    pub keys: Fault,
}

/// How a document goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    #[default]
    None,
    /// 503.
    Down,
    /// The right answer, late. At most a minute.
    Slow { milliseconds: u64 },
    /// 200 with a page, as a captive proxy answers.
    Html,
    /// The right shape, but another tenant's issuer.
    WrongIssuer,
    /// The right answer with this many bytes of padding, at most 64 MiB.
    Huge { bytes: usize },
    /// 200 with this text instead of the right answer.
    Says { text: String },
    /// 302 to this address.
    Redirect { url: String },
}

/// The answer that the fault makes of a good document.
pub(super) async fn answer(fault: Fault, mut document: Value) -> HttpResponse {
    match fault {
        Fault::None => {}
        Fault::Down => return HttpResponse::ServiceUnavailable().finish(),
        Fault::Slow { milliseconds } => {
            tokio::time::sleep(Duration::from_millis(milliseconds).min(LONGEST_DELAY)).await;
        }
        Fault::Html => {
            return HttpResponse::Ok().content_type("text/html").body("<html><body>Sign in</body></html>");
        }
        Fault::WrongIssuer => replace_issuer(&mut document),
        Fault::Huge { bytes } => {
            if let Some(document) = document.as_object_mut() {
                document.insert("padding".to_owned(), json!("x".repeat(bytes.min(LARGEST_ANSWER))));
            }
        }
        Fault::Says { text } => {
            return HttpResponse::Ok().content_type("application/json").body(text);
        }
        Fault::Redirect { url } => {
            return HttpResponse::Found().insert_header((header::LOCATION, url)).finish();
        }
    }
    HttpResponse::Ok().json(document)
}

/// A discovery document names its issuer once, a key set in each key.
fn replace_issuer(document: &mut Value) {
    const ELSEWHERE: &str = "https://sts.windows.net/00000000-0000-4000-8000-00000000dead/";
    match document.get_mut("keys").and_then(Value::as_array_mut) {
        Some(keys) => {
            for key in keys.iter_mut().filter_map(|key| key.get_mut("issuer")) {
                *key = json!(ELSEWHERE);
            }
        }
        None => {
            if let Some(issuer) = document.get_mut("issuer") {
                *issuer = json!(ELSEWHERE);
            }
        }
    }
}
