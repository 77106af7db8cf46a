//! A product that answers every request with the same bytes, and what the connector makes of it.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use worker::connector::servicenow::ServiceNow;
use worker::connector::{CallSettings, Connector};

const DEADLINE: Duration = Duration::from_secs(5);
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// One of them is made for each thread: connections live in their runtime.
pub(crate) struct Product {
    runtime: Runtime,
    listener: TcpListener,
    connector: ServiceNow,
}

thread_local! {
    static PRODUCT: Product = Product::start();
}

/// Makes one call of the connector while the product gives `answer` to all that is asked. The outcome, and
/// the body of the last request.
pub(crate) fn exchange<T>(answer: &[u8], call: impl AsyncFnOnce(&dyn Connector) -> T) -> (T, Vec<u8>) {
    let heard = RefCell::new(Vec::new());
    let outcome = PRODUCT.with(|product| {
        product.runtime.block_on(async {
            tokio::select! {
                outcome = call(&product.connector) => outcome,
                () = product.answer(answer, &heard) => unreachable!("it answers for ever"),
            }
        })
    });
    (outcome, heard.into_inner())
}

impl Product {
    fn start() -> Self {
        // An error says that there is one already.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let settings = json!({
            "base_url": format!("http://{address}"),
            "auth": { "basic": { "username": "fuzz", "password": "fuzz" } },
        });
        let settings = serde_json::from_value(settings).expect("settings of the connector");
        let connector =
            ServiceNow::new("fuzz", settings, &CallSettings::within(DEADLINE)).expect("a connector");
        Self { runtime, listener, connector }
    }

    async fn answer(&self, answer: &[u8], heard: &RefCell<Vec<u8>>) {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else { continue };
            if let Some(body) = request(&mut stream).await {
                heard.replace(body);
                // The caller may hang up as soon as it has read enough.
                drop(stream.write_all(answer).await);
                drop(stream.shutdown().await);
            }
        }
    }
}

/// The body of one request.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) {
            let (head, body) = bytes.split_at(end + END_OF_HEAD.len());
            if body.len() >= content_length(head) {
                return Some(body.to_vec());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}
