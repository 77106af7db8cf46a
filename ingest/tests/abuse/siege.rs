//! An attack: what is tried, what may come of it, and the count of what came of it.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::app::{Options, QUEUE, TestApp, alert};

/// `http.request_deadline` of the program under attack.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
pub(crate) const DEADLINE_SETTING: &str = "5s";
/// What an answer may be late on a machine that also does other work.
const GRACE: Duration = Duration::from_secs(1);
/// When to stop waiting for the end of a connection.
const PATIENCE: Duration = Duration::from_secs(20);
const AT_ONCE: usize = 32;
/// The number of the alert that attackers try to get in.
pub(crate) const FORGED: u64 = 666;

/// Panics of any thread of this process, those of the program among them.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// One attempt: the bytes as they are sent, and what may come of them.
pub(crate) struct Attempt {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// 401 or 403.
    Refused,
    /// One of these, once.
    Status(&'static [u16]),
    /// One of these, for what is read as a request, and again for what is left over.
    Each(&'static [u16]),
    /// One of these, once, or an end without a word.
    StatusOrEnd(&'static [u16]),
}

/// What came of an attempt.
pub(crate) struct Outcome {
    /// Final statuses in the order of their arrival.
    pub(crate) statuses: Vec<u16>,
    pub(crate) text: String,
    /// Until the first byte of the answer, or the end without one.
    pub(crate) took: Duration,
    /// Whether the other side ended the connection.
    pub(crate) ended: bool,
}

/// The count of one kind of attack.
pub(crate) struct Tally {
    kind: &'static str,
    tried: usize,
    let_in: usize,
    slowest: Duration,
    wrong: Vec<String>,
}

pub(crate) async fn app() -> TestApp {
    watch_for_panics();
    TestApp::with(Options { request_deadline: DEADLINE_SETTING, ..Options::default() }).await
}

pub(crate) fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(panic);
        }));
    });
}

/// Makes all attempts, says what came of them, and shows that the program is none the worse.
pub(crate) async fn lay(app: &TestApp, kind: &'static str, attempts: Vec<Attempt>) {
    let port = app.port;
    let outcomes = stream::iter(attempts)
        .map(|attempt| async move {
            let outcome = exchange(port, &attempt.bytes).await;
            (attempt, outcome)
        })
        .buffer_unordered(AT_ONCE);
    let tally = outcomes
        .fold(Tally::new(kind), async |mut tally, (attempt, outcome)| {
            tally.count(&attempt, &outcome);
            tally
        })
        .await;
    tally.report();
    is_unharmed(app).await;
}

/// A good alert still gets in, and it is the only one that ever did.
pub(crate) async fn is_unharmed(app: &TestApp) {
    let answer = app.post(&app.token(), alert(1)).await;
    assert_eq!(answer.status(), 202, "a good request after the attack");
    assert_eq!(app.vhost.take(QUEUE, 100).await.unwrap().len(), 1, "only the good request is on the queue");
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "panics");
}

/// Sends the bytes on a connection of their own, and reads until its end.
pub(crate) async fn exchange(port: u16, bytes: &[u8]) -> Outcome {
    let started = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut received = Vec::new();
    let mut first = None;
    let write = async {
        // The other side may have heard enough before the end.
        drop(to.write_all(bytes).await);
        std::future::pending::<()>().await;
    };
    let read = async {
        while let Ok(1..) = from.read_buf(&mut received).await {
            first.get_or_insert_with(|| started.elapsed());
        }
    };
    let both = async {
        tokio::select! { () = write => {}, () = read => {} }
    };
    let ended = timeout(PATIENCE, both).await.is_ok();
    let text = String::from_utf8_lossy(&received).into_owned();
    Outcome { statuses: statuses(&text), text, took: first.unwrap_or_else(|| started.elapsed()), ended }
}

fn statuses(text: &str) -> Vec<u16> {
    let heads = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
    heads.filter(|status| *status >= 200).collect()
}

impl Tally {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { kind, tried: 0, let_in: 0, slowest: Duration::ZERO, wrong: Vec::new() }
    }

    pub(crate) fn count(&mut self, attempt: &Attempt, outcome: &Outcome) {
        let Outcome { statuses, took, ended, text } = outcome;
        self.tried += 1;
        self.let_in += statuses.iter().filter(|status| **status == 202).count();
        self.slowest = self.slowest.max(*took);
        let as_expected = match (statuses.as_slice(), attempt.expected) {
            ([401 | 403], Expected::Refused) => true,
            ([status], Expected::Status(allowed) | Expected::StatusOrEnd(allowed)) => {
                allowed.contains(status)
            }
            ([_, ..], Expected::Each(allowed)) => statuses.iter().all(|status| allowed.contains(status)),
            ([], Expected::StatusOrEnd(_)) => *ended,
            _ => false,
        };
        if !as_expected || *took > DEADLINE + GRACE {
            let head: String = text.chars().take(300).collect();
            self.wrong.push(format!("{}: {statuses:?} after {took:?}, ended {ended}: {head}", attempt.name));
        }
    }

    /// Adds what came of others of the same kind.
    pub(crate) fn add(&mut self, others: Self) {
        self.tried += others.tried;
        self.let_in += others.let_in;
        self.slowest = self.slowest.max(others.slowest);
        self.wrong.extend(others.wrong);
    }

    pub(crate) fn report(&self) {
        let Self { kind, tried, let_in, slowest, wrong } = self;
        say(kind, *tried, *let_in, *slowest, "");
        assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Says what came of an attack, and fails if anybody was let in or anything has crashed.
pub(crate) fn say(kind: &str, tried: usize, let_in: usize, slowest: Duration, more: &str) {
    let (crashes, slowest) = (PANICS.load(Ordering::SeqCst), slowest.as_millis());
    println!("abuse: {kind}: tried {tried}, let in {let_in}, crashes {crashes}, slowest {slowest} ms{more}");
    assert_eq!((let_in, crashes), (0, 0), "{kind}");
}

impl Attempt {
    /// The forged alert with this text in its `Authorization` header.
    pub(crate) fn authorization(name: impl Into<String>, authorization: impl AsRef<[u8]>) -> Self {
        let lines = [b"Authorization: ", authorization.as_ref(), b"\r\n"].concat();
        Self { name: name.into(), bytes: request(&lines, &alert(FORGED)), expected: Expected::Refused }
    }

    pub(crate) fn bearer(name: impl Into<String>, token: &str) -> Self {
        Self::authorization(name, format!("Bearer {token}"))
    }

    pub(crate) fn expecting(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }
}

/// A request for `/v1/alerts` with these header lines, on a connection that ends with it.
pub(crate) fn request(lines: &[u8], body: &[u8]) -> Vec<u8> {
    let head = "POST /v1/alerts HTTP/1.1\r\nHost: ingest\r\nConnection: close\r\n";
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), lines, length.as_bytes(), body].concat()
}
