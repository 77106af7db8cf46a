//! Connections that take their time, and very many of them.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};

use crate::app::{Options, QUEUE, TestApp, alert};
use crate::program::Program;
use crate::siege::{DEADLINE, app, exchange, is_unharmed, request, say};

const SLOW_ONES: usize = 200;
/// They ask as fast as they can, so a few are many.
const DEAF_ONES: usize = 20;
const IDLE_ONES: usize = 10_000;
/// Alerts that must get in past them.
const GOOD_ONES: u32 = 100;
/// How often a slow sender sends its next byte.
const DRIP: Duration = Duration::from_millis(100);
/// What a connection may take to end after its answer.
const FAREWELL: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(2);
/// What this process needs open files for besides the connections.
const OTHER_FILES: u64 = 500;

/// Sends all of `first`, then one byte of `slow` after the other. Says what came back, and after how long the other
/// side was done with it.
async fn drip(port: u16, first: String, slow: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let started = Instant::now();
    let (mut from, mut to) = stream.split();
    let write = async {
        let mut tick = interval(DRIP);
        for byte in slow {
            tick.tick().await;
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut received = Vec::new();
    let read = async { while let Ok(1..) = from.read_buf(&mut received).await {} };
    tokio::select! { () = write => {}, () = read => {} }
    (String::from_utf8_lossy(&received).into_owned(), started.elapsed())
}

/// Lays siege by slow connections, while good requests must be served in time.
async fn outlast(
    kind: &str,
    app: &TestApp,
    first: String,
    slow: &'static [u8],
    limit: Duration,
    status: &str,
) {
    let siege = join_all((0..SLOW_ONES).map(|_| drip(app.port, first.clone(), slow)));
    let mut siege = std::pin::pin!(siege);
    let line = format!("Authorization: Bearer {}\r\n", app.token());
    let (mut good, mut slowest_good) = (0, Duration::ZERO);
    let slow_ones = loop {
        let request = request(line.as_bytes(), &alert(1));
        tokio::select! {
            slow_ones = &mut siege => break slow_ones,
            outcome = exchange(app.port, &request) => {
                assert_eq!(outcome.statuses, [202]);
                good += 1;
                slowest_good = slowest_good.max(outcome.took);
            }
        }
    };
    assert!(slowest_good < DEADLINE, "{good} good ones, the slowest took {slowest_good:?}");
    let slowest = slow_ones.iter().map(|(_, took)| *took).max().unwrap();
    let let_in = slow_ones.iter().filter(|(answer, _)| answer.contains("HTTP/1.1 202")).count();
    let more = format!("; {good} good requests meanwhile, slowest {} ms", slowest_good.as_millis());
    say(kind, SLOW_ONES, let_in, slowest, &more);
    for (answer, took) in &slow_ones {
        assert!(*took < limit + GRACE, "{kind}: {took:?}");
        let last = answer.rmatch_indices("HTTP/1.1 ").next().map_or("", |(at, _)| &answer[at..]);
        // What arrives after the end makes the system forget an answer that was not read yet.
        assert!(last.is_empty() || last.starts_with(status), "{kind}: {answer}");
    }
    app.vhost.purge(QUEUE).await.unwrap();
    is_unharmed(app).await;
}

const NEVER_ENDING_HEAD: &[u8] = &[b'x'; 1_000];

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let app = app().await;
    let first = "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nX-Slow: ".to_owned();
    outlast("slowloris: heads", &app, first, NEVER_ENDING_HEAD, DEADLINE, "HTTP/1.1 408").await;
}

#[tokio::test]
async fn a_second_head_that_never_ends_is_cut_off_too() {
    let app = app().await;
    let first = "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /v1/alerts HTTP/1.1\r\nX-Slow: ".to_owned();
    outlast("slowloris: second heads", &app, first, NEVER_ENDING_HEAD, FAREWELL, "HTTP/1.1 404").await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_off() {
    let app = app().await;
    let token = app.token();
    let first = format!(
        "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{{"
    );
    outlast("slowloris: bodies", &app, first, NEVER_ENDING_HEAD, DEADLINE + FAREWELL, "HTTP/1.1 408").await;
}

#[tokio::test]
async fn a_body_of_a_stranger_that_never_ends_is_not_waited_for() {
    let app = app().await;
    let first = "POST /v1/alerts HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{".to_owned();
    outlast("slowloris: strangers' bodies", &app, first, NEVER_ENDING_HEAD, FAREWELL, "HTTP/1.1 401").await;
}

#[tokio::test]
async fn a_body_of_dripping_chunks_is_cut_off_with_its_connection() {
    let chunks: &'static [u8] = Box::leak("1\r\nx\r\n".repeat(170).into_bytes().into_boxed_slice());
    let app = app().await;
    let first = |line: &str| {
        format!("POST /v1/alerts HTTP/1.1\r\nHost: a\r\n{line}Transfer-Encoding: chunked\r\n\r\n")
    };
    let ours = first(&format!("Authorization: Bearer {}\r\n", app.token()));
    outlast("slowloris: chunks", &app, ours, chunks, DEADLINE + FAREWELL, "HTTP/1.1 408").await;
    outlast("slowloris: strangers' chunks", &app, first(""), chunks, FAREWELL, "HTTP/1.1 401").await;
}

#[tokio::test]
async fn each_request_of_a_pipeline_is_judged_by_itself() {
    let app = app().await;
    let good = request(format!("Authorization: Bearer {}\r\n", app.token()).as_bytes(), &alert(1));
    let pipeline = [&request(b"", &alert(2))[..], &good, &request(b"", &alert(3))].concat();
    let pipeline = String::from_utf8(pipeline).unwrap().replace("Connection: close\r\n", "");
    let outcome = exchange(app.port, pipeline.as_bytes()).await;
    assert_eq!(outcome.statuses, [401, 202, 401]);
    assert_eq!(app.vhost.depth(QUEUE).await.unwrap(), 1);
    let let_in = outcome.statuses.iter().filter(|status| **status == 202).count() - 1;
    say("pipelined strangers", 2, let_in, outcome.took, "");
}

/// Nothing is read of what the program answers, and ever more is asked.
#[tokio::test]
async fn who_does_not_read_the_answers_is_cut_off() {
    let app = app().await;
    let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
    let started = Instant::now();
    let deaf = join_all((0..DEAF_ONES).map(async |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", app.port)).await.unwrap();
        while stream.write_all(requests.as_bytes()).await.is_ok() {}
        stream
    }));
    let deaf = deaf.await.len();
    let took = started.elapsed();
    let let_in = app.vhost.depth(QUEUE).await.unwrap();
    say("answers not read", deaf, usize::try_from(let_in).unwrap(), took, "");
    assert!(took < DEADLINE, "{took:?}");
    is_unharmed(&app).await;
}

#[tokio::test]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    let count = idle_ones();
    let options = Options { request_deadline: "10s", http: "max_connections = 12000", ..Options::default() };
    let mut program = Program::start(options, &[]).await;
    let port = program.port;
    let started = Instant::now();
    let mut idle: Vec<TcpStream> = stream::iter(0..count)
        .map(|_| async move { TcpStream::connect(("127.0.0.1", port)).await.unwrap() })
        .buffer_unordered(64)
        .collect()
        .await;
    let opened = started.elapsed();
    let line = format!("Authorization: Bearer {}\r\n", program.token());
    let mut slowest = Duration::ZERO;
    for number in 0..GOOD_ONES {
        let outcome = exchange(port, &request(line.as_bytes(), &alert(number.into()))).await;
        assert_eq!(outcome.statuses, [202]);
        slowest = slowest.max(outcome.took);
    }
    let mut byte = [0];
    let open = idle.iter().filter(|stream| stream.try_read(&mut byte).is_err()).count();
    let memory = std::fs::read_to_string(format!("/proc/{}/status", program.process.id().unwrap())).unwrap();
    let memory =
        memory.lines().find(|line| line.starts_with("VmRSS")).unwrap().split_whitespace().nth(1).unwrap();
    let let_in = program.vhost.depth(QUEUE).await.unwrap().saturating_sub(GOOD_ONES);
    let opened_ms = opened.as_millis();
    let more = format!("; {open} were open, opened in {opened_ms} ms, {memory} kB resident");
    say("idle connections", count, usize::try_from(let_in).unwrap(), slowest, &more);
    assert!(slowest < DEADLINE, "{slowest:?}");
    assert!(open * 10 > count * 9, "{open} of {count} were still open");
    // They do not stay for ever either.
    let ends = join_all(idle.iter_mut().map(async |stream| {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.is_ok()
    }));
    ends.await;
    assert!(started.elapsed() < opened + Duration::from_secs(12) + GRACE + GRACE, "{:?}", started.elapsed());
    assert!(program.process.try_wait().unwrap().is_none(), "the program is gone");
    assert_eq!(program.vhost.depth(QUEUE).await.unwrap(), GOOD_ONES);
}

/// As many as this process, and so the program that it starts, may open.
fn idle_ones() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let possible = limit
        .maximum
        .map_or(IDLE_ONES, |maximum| usize::try_from(maximum.saturating_sub(OTHER_FILES)).unwrap());
    possible.min(IDLE_ONES)
}
