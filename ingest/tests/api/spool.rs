//! The spool of the real program, in front of a broker that comes and goes.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ingest::config::Config;
use ingest::server::Application;
use serde_json::Value;
use shared::message::Message;
use stack::testing::{TestServices, TestVhost};
use stack::{Proxy, RabbitMq};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::app::{
    Options, QUEUE, TestApp, alert, amqp_url, broker_address, identity_provider, settings_file, until,
};
use crate::publishing::id;

/// A broker behind a proxy, and a folder that outlives the program.
struct Place {
    proxy: Proxy,
    folder: TempDir,
}

impl Place {
    async fn with_app(more: &str) -> (Self, TestApp) {
        let vhost = TestVhost::create().await.unwrap();
        let proxy = Proxy::start(broker_address(&vhost)).await.unwrap();
        let place = Self { proxy, folder: tempfile::tempdir().unwrap() };
        let app = TestApp::among(identity_provider().await, vhost, place.options(more)).await;
        (place, app)
    }

    /// As [`with_app`](Self::with_app); the program knows that the broker is gone.
    async fn without_broker(more: &str) -> (Self, TestApp) {
        let (place, app) = Self::with_app(more).await;
        place.proxy.refuse();
        until(async || readiness(&app).await["dependencies"]["amqp"]["ready"] == false).await;
        (place, app)
    }

    fn options(&self, more: &str) -> Options {
        let spool = format!("folder = {:?}\n{more}", self.folder.path());
        Options { broker: Some(self.proxy.address()), spool, ..Options::default() }
    }

    /// Oldest first.
    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
        files.sort();
        files
    }

    async fn drained(&self) {
        until(async || self.files("spool").is_empty()).await;
    }
}

async fn readiness(app: &TestApp) -> Value {
    serde_json::from_str(&app.admin("/readyz").await.1).unwrap()
}

async fn metric(app: &TestApp, name: &str) -> u64 {
    let (_, text) = app.admin("/metrics").await;
    let value =
        text.lines().find_map(|line| line.strip_prefix(&format!("secure_export_ingest_spool_{name} ")));
    value.unwrap().parse().unwrap()
}

async fn accept(app: &TestApp, numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    let token = app.token();
    let mut ids = Vec::new();
    for number in numbers {
        ids.push(id(app.post(&token, alert(number)).await).await);
    }
    ids
}

async fn queued(vhost: &TestVhost) -> Vec<Message> {
    let taken = vhost.take(QUEUE, 10_000).await.unwrap();
    taken.into_iter().map(|delivery| Message::decode(&delivery.properties, delivery.data).unwrap()).collect()
}

fn ids(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.id.to_string()).collect()
}

#[tokio::test]
async fn while_the_broker_is_gone_alerts_are_accepted_and_reach_it_later_in_order_as_they_were() {
    let (place, app) = Place::without_broker("patience = \"5s\"").await;
    let token = app.token();
    let (began, mut accepted) = (jiff::Timestamp::now(), Vec::new());
    for number in 0..20 {
        let traceparent = format!("00-0af7651916cd43dd8448eb211c80319c-{:016x}-01", number + 1);
        let request = app.request(&token, alert(number)).header("traceparent", &traceparent);
        accepted.push((id(request.send().await.unwrap()).await, Some(traceparent), alert(number)));
    }
    let ended = jiff::Timestamp::now();
    assert!(ended.duration_since(began).as_secs() < 4, "a broker that is known to be gone is not waited for");
    assert!(!place.files("spool").is_empty());

    until(async || {
        let reason = &readiness(&app).await["dependencies"]["spool"]["reason"];
        reason.as_str().is_some_and(|reason| reason.starts_with("20 notifications wait for the broker"))
    })
    .await;
    assert_eq!(app.admin("/readyz").await.0, 200);
    assert_eq!(readiness(&app).await["remark"], "amqp is down and spool takes its place");

    place.proxy.resume();
    place.drained().await;
    let messages = queued(&app.vhost).await;
    assert!(messages.iter().all(|it| (began..=ended).contains(&it.received_at)));
    let seen: Vec<_> = messages.into_iter().map(|it| (it.id.to_string(), it.traceparent, it.body)).collect();
    assert_eq!(seen, accepted);
    assert_eq!((metric(&app, "spooled_total").await, metric(&app, "published_total").await), (20, 20));
    until(async || metric(&app, "records").await == 0 && metric(&app, "bytes").await == 0).await;
}

#[tokio::test]
async fn a_silent_broker_is_waited_for_no_longer_than_patience_and_may_get_a_repeat() {
    let (place, app) = Place::with_app("patience = \"500ms\"").await;
    let first = accept(&app, [1]).await;
    place.proxy.hold_answers();
    let started = Instant::now();
    let second = accept(&app, [2]).await;
    assert!(started.elapsed() < Duration::from_secs(3));
    place.proxy.resume();
    place.drained().await;
    let seen: BTreeSet<_> = ids(&queued(&app.vhost).await).into_iter().collect();
    assert_eq!(seen, first.into_iter().chain(second).collect());
}

#[tokio::test]
async fn what_a_full_queue_refuses_waits_on_disk_until_there_is_room() {
    let vhost = TestVhost::create().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let spool = format!("folder = {:?}", folder.path());
    let options = Options { amqp: "max_queue_bytes = 10000", spool, ..Options::default() };
    let app = TestApp::among(identity_provider().await, vhost, options).await;
    let accepted: BTreeSet<_> = accept(&app, 0..30).await.into_iter().collect();
    assert!(metric(&app, "spooled_total").await > 0, "the queue should have refused some");
    let mut seen = BTreeSet::new();
    until(async || {
        seen.extend(ids(&queued(&app.vhost).await));
        seen == accepted
    })
    .await;
}

#[tokio::test]
async fn what_no_queue_takes_waits_on_disk_until_there_is_one() {
    let (place, app) = Place::with_app("").await;
    app.vhost.delete_queue(QUEUE).await.unwrap();
    let accepted = accept(&app, 0..3).await;
    // The next connection declares the queue.
    place.proxy.cut();
    place.drained().await;
    assert_eq!(ids(&queued(&app.vhost).await), accepted);
}

#[tokio::test]
async fn new_alerts_go_straight_to_the_broker_while_older_ones_wait() {
    let (place, app) = Place::without_broker("").await;
    let waiting = accept(&app, 0..5).await;
    place.proxy.resume();
    until(async || readiness(&app).await["dependencies"]["amqp"]["ready"] == true).await;
    let fresh = accept(&app, 5..8).await;
    assert_eq!(metric(&app, "spooled_total").await, 5);
    place.drained().await;
    let seen: BTreeSet<_> = ids(&queued(&app.vhost).await).into_iter().collect();
    assert_eq!(seen, waiting.into_iter().chain(fresh).collect());
}

#[tokio::test]
async fn many_requests_share_one_fsync() {
    let (_place, app) = Place::without_broker("").await;
    let token = app.token();
    let answers = join_all((0..500).map(|number| app.post(&token, alert(number)))).await;
    assert!(answers.iter().all(|answer| answer.status() == 202));
    let (spooled, commits) = (metric(&app, "spooled_total").await, metric(&app, "commits_total").await);
    assert_eq!(spooled, 500);
    // How many share one depends on the disk; the unit test of the writer is exact.
    assert!(commits < spooled, "{commits} fsyncs");
}

#[tokio::test]
async fn a_stop_leaves_the_rest_to_the_next_start() {
    let (place, app) = Place::without_broker("").await;
    let accepted = accept(&app, 0..10).await;
    let started = Instant::now();
    let app = app.restart(place.options("")).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(metric(&app, "records").await, 10);
    place.proxy.resume();
    place.drained().await;
    assert_eq!(ids(&queued(&app.vhost).await), accepted);
}

#[tokio::test]
async fn a_write_that_a_crash_cut_off_costs_nothing_that_was_accepted() {
    let (place, app) = Place::without_broker("").await;
    let mut accepted = accept(&app, 0..4).await;
    let vhost = Arc::clone(&app.vhost);
    let identity = Arc::clone(&app.identity);
    app.shutdown.cancel();
    app.tasks.wait().await;
    let last = place.files("spool").pop().unwrap();
    let begun = fs::read(&last).unwrap()[..100].to_vec();
    OpenOptions::new().append(true).open(&last).unwrap().write_all(&begun).unwrap();

    let app = TestApp::among(identity, vhost, place.options("")).await;
    accepted.extend(accept(&app, 4..6).await);
    place.proxy.resume();
    place.drained().await;
    assert_eq!(ids(&queued(&app.vhost).await), accepted);
    assert_eq!(metric(&app, "damaged_total").await, 0);
    assert!(place.files("damaged").is_empty());
}

#[tokio::test]
async fn a_damaged_record_costs_only_itself_and_its_file_is_kept() {
    let (place, app) = Place::without_broker("").await;
    let accepted = accept(&app, 0..5).await;
    let last = place.files("spool").pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&last, &bytes).unwrap();

    place.proxy.resume();
    place.drained().await;
    let seen = ids(&queued(&app.vhost).await);
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|id| accepted.contains(id)));
    assert_eq!(metric(&app, "damaged_total").await, 1);
    assert_eq!(fs::read(&place.files("damaged")[0]).unwrap(), bytes);
    assert_eq!(metric(&app, "bytes").await, bytes.len() as u64, "what is kept aside takes room");
}

#[tokio::test]
async fn what_was_accepted_and_then_cut_off_is_counted_and_its_file_is_kept() {
    let (place, app) = Place::without_broker("").await;
    let accepted = accept(&app, 0..5).await;
    let last = place.files("spool").pop().unwrap();
    let bytes = fs::metadata(&last).unwrap().len();
    OpenOptions::new().write(true).open(&last).unwrap().set_len(bytes - 1).unwrap();

    place.proxy.resume();
    place.drained().await;
    assert_eq!(ids(&queued(&app.vhost).await), accepted[..4]);
    assert_eq!(metric(&app, "damaged_total").await, 1);
    assert_eq!(fs::metadata(&place.files("damaged")[0]).unwrap().len(), bytes - 1);
}

#[tokio::test]
async fn a_damaged_file_is_published_again_once_it_is_mended_and_has_its_name_back() {
    let (place, app) = Place::without_broker("").await;
    let accepted = accept(&app, 0..3).await;
    let last = place.files("spool").pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    fs::write(&last, &bytes).unwrap();
    place.proxy.resume();
    place.drained().await;
    let seen = ids(&queued(&app.vhost).await);
    let missing: Vec<_> = accepted.iter().filter(|id| !seen.contains(id)).collect();
    assert_eq!(missing.len(), 1);

    fs::write(&last, &whole).unwrap();
    fs::remove_file(place.files("damaged").pop().unwrap()).unwrap();
    let app = app.restart(place.options("")).await;
    place.drained().await;
    assert!(ids(&queued(&app.vhost).await).contains(missing[0]));
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_waits_until_it_can_and_the_others_do_not_wait_for_it() {
    let (place, app) = Place::without_broker("").await;
    let stuck = accept(&app, 0..1).await;
    // An error of the disk cannot be had, but a folder cannot be read either.
    let segment = place.files("spool").pop().unwrap();
    let elsewhere = place.folder.path().join("elsewhere");
    fs::rename(&segment, &elsewhere).unwrap();
    fs::create_dir(&segment).unwrap();
    let app = app.restart(place.options("")).await;
    assert_eq!(metric(&app, "records").await, 1, "how many it has is not known, but it has some");

    let fresh = accept(&app, 1..4).await;
    place.proxy.resume();
    let mut seen = Vec::new();
    until(async || {
        seen.extend(ids(&queued(&app.vhost).await));
        seen == fresh
    })
    .await;

    fs::remove_dir(&segment).unwrap();
    fs::rename(&elsewhere, &segment).unwrap();
    place.drained().await;
    assert_eq!(ids(&queued(&app.vhost).await), stuck);
    assert_eq!(metric(&app, "damaged_total").await, 0);
}

#[tokio::test]
async fn a_full_spool_means_503_until_the_broker_has_made_room_and_loses_nothing_that_was_accepted() {
    let (place, app) = Place::without_broker("max_bytes = 10000").await;
    let token = app.token();
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = app.post(&token, alert(accepted.len() as u64)).await;
        if answer.status() != 202 {
            break answer;
        }
        accepted.push(id(answer).await);
    };
    assert!(accepted.len() > 1, "the spool should take some");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    until(async || app.admin("/readyz").await.0 == 503).await;
    let reason = readiness(&app).await["dependencies"]["spool"]["reason"].to_string();
    assert!(reason.contains("full") && reason.contains("spool.max_bytes"), "{reason}");
    assert_eq!(metric(&app, "refused_total").await, 1);

    place.proxy.resume();
    place.drained().await;
    until(async || readiness(&app).await["dependencies"]["spool"]["ready"] == true).await;
    assert_eq!(ids(&queued(&app.vhost).await), accepted);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_means_503_and_readyz_says_so_until_it_can() {
    let (place, app) = Place::without_broker("").await;
    // A folder without write permission would not stop a test that runs as root.
    let elsewhere = place.folder.path().with_extension("elsewhere");
    fs::rename(place.folder.path(), &elsewhere).unwrap();
    let answer = app.post(&app.token(), alert(1)).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    until(async || app.admin("/readyz").await.0 == 503).await;
    let reason = readiness(&app).await["dependencies"]["spool"]["reason"].to_string();
    assert!(reason.contains("cannot be written"), "{reason}");

    fs::rename(&elsewhere, place.folder.path()).unwrap();
    until(async || app.admin("/readyz").await.0 == 200).await;
    accept(&app, [1]).await;
}

#[tokio::test]
async fn after_the_folder_was_replaced_nothing_is_accepted_into_files_that_no_restart_finds() {
    let (place, app) = Place::without_broker("").await;
    accept(&app, 0..2).await;
    let elsewhere = place.folder.path().with_extension("elsewhere");
    fs::rename(place.folder.path(), &elsewhere).unwrap();
    assert_eq!(app.post(&app.token(), alert(2)).await.status(), 503);
    fs::create_dir(place.folder.path()).unwrap();
    until(async || app.admin("/readyz").await.1.contains("restart ingest")).await;
    assert_eq!(app.post(&app.token(), alert(2)).await.status(), 503);
    fs::remove_dir_all(place.folder.path()).unwrap();
    fs::rename(&elsewhere, place.folder.path()).unwrap();
    until(async || app.post(&app.token(), alert(3)).await.status() == 202).await;
    place.proxy.resume();
    until(async || metric(&app, "records").await == 0).await;
    assert_eq!(queued(&app.vhost).await.len(), 3);
}

#[tokio::test]
async fn a_second_ingest_does_not_start_on_the_folder_of_another() {
    let (place, app) = Place::with_app("").await;
    let url = amqp_url(&app.vhost, None);
    let settings = settings_file(&app.identity, &url, &place.options(""));
    let error = Application::build(Config::load(Some(settings.path())).unwrap()).await.err().unwrap();
    assert!(error.to_string().contains("another ingest uses it"), "{error}");
}

// The proxy and the identity provider must answer while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_between_202_and_the_broker_publishes_after_the_next_start() {
    let vhost = TestVhost::create().await.unwrap();
    let proxy = Proxy::start(broker_address(&vhost)).await.unwrap();
    let place = Place { proxy, folder: tempfile::tempdir().unwrap() };
    place.proxy.refuse();
    let identity = identity_provider().await;
    let token = identity.directory().mint(&Default::default()).unwrap();
    let url = amqp_url(&vhost, Some(place.proxy.address()));
    let settings = settings_file(&identity, &url, &place.options(""));

    let killed = Served::start(settings.path());
    let posts = (0..10).map(|number| killed.post(&token, number));
    let mut accepted = BTreeSet::new();
    for answer in join_all(posts).await {
        accepted.insert(id(answer).await);
    }
    drop(killed);

    let _next = Served::start(settings.path());
    place.proxy.resume();
    place.drained().await;
    assert_eq!(ids(&queued(&vhost).await).into_iter().collect::<BTreeSet<_>>(), accepted);
}

/// `ingest serve` as a process of its own, killed when dropped.
struct Served {
    process: Child,
    address: String,
    client: reqwest::Client,
}

impl Served {
    fn start(settings: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
        command.arg("--config").arg(settings).arg("serve").stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = process.stderr.take().unwrap();
        let mut lines = BufReader::new(output).lines();
        let address = lines
            .find_map(|line| {
                let line = line.unwrap();
                let (_, address) = line.split_once("ingest listens on ")?;
                Some(address.split(',').next().unwrap().to_owned())
            })
            .unwrap();
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address, client: reqwest::Client::new() }
    }

    async fn post(&self, token: &str, number: u64) -> reqwest::Response {
        let url = format!("http://{}/v1/alerts", self.address);
        self.client.post(url).bearer_auth(token).body(alert(number)).send().await.unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_broker_that_blocks_publishers_means_503_without_a_spool_and_a_wait_on_disk_with_one() {
    // The alarm is the whole node's, so this node is nobody else's.
    let home = tempfile::tempdir().unwrap();
    let node = RabbitMq::start(home.path()).await.unwrap();
    let services = TestServices {
        database_url: String::new(),
        amqp_url: node.amqp_url(),
        rabbitmq_api: node.management_url(),
    };
    let folder = tempfile::tempdir().unwrap();
    let with_spool = Options {
        spool: format!("folder = {:?}\npatience = \"500ms\"", folder.path()),
        ..Options::default()
    };
    let without_spool = Options { request_deadline: "2s", ..Options::default() };
    let vhosts =
        (TestVhost::create_on(&services).await.unwrap(), TestVhost::create_on(&services).await.unwrap());
    let spooling = TestApp::among(identity_provider().await, vhosts.0, with_spool).await;
    let plain = TestApp::among(identity_provider().await, vhosts.1, without_spool).await;
    let mut accepted: BTreeSet<_> = accept(&spooling, [0]).await.into_iter().collect();
    assert_eq!(plain.post(&plain.token(), alert(0)).await.status(), 202);

    control(&node, &["set_vm_memory_high_watermark", "absolute", "1"]);
    // The broker tells a connection that it is blocked when the next publish arrives.
    assert_eq!(plain.post(&plain.token(), alert(1)).await.status(), 503);
    accepted.extend(accept(&spooling, [1]).await);
    until(async || readiness(&spooling).await["dependencies"]["amqp"]["ready"] == false).await;
    let reason = readiness(&spooling).await["dependencies"]["amqp"]["reason"].to_string();
    assert!(reason.contains("takes no messages"), "{reason}");
    assert_eq!(spooling.admin("/readyz").await.0, 200);
    let started = Instant::now();
    accepted.extend(accept(&spooling, 2..12).await);
    assert!(started.elapsed() < Duration::from_secs(4), "a broker that is known to block is not waited for");
    until(async || plain.admin("/readyz").await.0 == 503).await;
    let started = Instant::now();
    assert_eq!(plain.post(&plain.token(), alert(2)).await.status(), 503);
    assert!(started.elapsed() < Duration::from_secs(1), "nor without a spool");

    control(&node, &["set_vm_memory_high_watermark", "0.4"]);
    until(async || metric(&spooling, "records").await == 0).await;
    until(async || plain.post(&plain.token(), alert(2)).await.status() == 202).await;
    let seen: BTreeSet<_> = ids(&queued(&spooling.vhost).await).into_iter().collect();
    assert_eq!(seen, accepted);
    drop((spooling, plain));
    node.stop().await;
}

fn control(node: &RabbitMq, arguments: &[&str]) {
    let output = node.control(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
