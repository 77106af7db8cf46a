//! The rules of the house that no compiler knows.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exception for tests does not reach their functions"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ingest::problem::Code;
use prometheus_client::registry::Registry;
use worker::metrics::{DeadLetterMetrics, IntakeMetrics, SelfTest, SyncMetrics};

/// A file that is longer tells more than one story.
const MOST_LINES: usize = 600;

#[test]
fn no_source_file_is_too_long() {
    let long: Vec<_> = sources(&["shared", "ingest", "worker", "dev"])
        .into_iter()
        .filter(|source| source.text.lines().count() > MOST_LINES)
        .map(|source| source.path)
        .collect();
    assert!(long.is_empty(), "over {MOST_LINES} lines: {long:?}");
}

#[test]
fn ingest_knows_no_database() {
    assert_absent(&sources(&["ingest/src"]), &["sqlx", "postgres"]);
    assert!(!read("ingest/Cargo.toml").contains("sqlx"));
}

#[test]
fn the_two_services_share_nothing_but_the_crate_made_for_it() {
    assert!(!read("ingest/Cargo.toml").contains("worker"));
    assert!(!read("worker/Cargo.toml").contains("ingest"));
    for service in ["ingest", "worker"] {
        let dependencies = read(&format!("{service}/Cargo.toml"));
        let (products, _for_tests) = dependencies.split_once("[dev-dependencies]").unwrap();
        for tool in ["stack", "azure-simulator", "itsm-simulator"] {
            assert!(!products.contains(tool), "{service} must not link {tool}");
        }
    }
}

#[test]
fn what_decides_neither_waits_nor_asks_for_the_time() {
    let pure = sources(&[
        "worker/src/connector/markup.rs",
        "worker/src/kind",
        "worker/src/kind.rs",
        "worker/src/reconcile",
        "worker/src/policy",
        "worker/src/sync/doubles.rs",
        "worker/src/sync/pace.rs",
        "worker/src/sync/plan.rs",
        "worker/src/sync/retry.rs",
    ]);
    assert!(pure.len() >= 8, "the modules have moved: {}", pure.len());
    let impure = ["async ", ".await", "tokio::", "sqlx", "reqwest", "::now()", "std::fs", "rand::"];
    assert_absent(&pure, &impure);
}

#[test]
fn sql_stands_in_the_store_alone() {
    let others =
        sources(&["worker/src"]).into_iter().filter(|source| !is_part_of(source, "worker/src/store"));
    assert_absent(&others.collect::<Vec<_>>(), &["sqlx::query"]);
}

#[test]
fn products_are_named_by_their_connectors_alone() {
    let others = sources(&["worker/src", "ingest/src", "shared/src"])
        .into_iter()
        .filter(|source| !is_part_of(source, "worker/src/connector"));
    assert_absent(
        &others.collect::<Vec<_>>(),
        &["ServiceNow", "servicenow", "service-now", "RequestTracker", "request_tracker"],
    );
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "#[ign".to_owned() + "ore",
        "unimpl".to_owned() + "emented!",
    ];
    let all = sources(&["shared", "ingest", "worker", "dev"]);
    assert_absent_anywhere(&all, &marks.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn every_setting_is_documented() {
    let reference = read("docs/configuration.md");
    for service in ["ingest", "worker"] {
        let defaults: toml::Table = toml::from_str(&read(&format!("{service}/config.default.toml"))).unwrap();
        let mut keys = Vec::new();
        collect_keys("", &defaults, &mut keys);
        let missing: Vec<_> = keys.iter().filter(|key| !reference.contains(&format!("`{key}`"))).collect();
        assert!(
            missing.is_empty(),
            "docs/configuration.md does not name these keys of {service}: {missing:?}"
        );
    }
}

#[test]
fn every_metric_is_documented() {
    let mut registry = Registry::default();
    shared::telemetry::register(&mut registry);
    drop(ingest::metrics::Metrics::register(&mut registry));
    drop(IntakeMetrics::register(&mut registry));
    drop(DeadLetterMetrics::register(&mut registry));
    // A family shows up with its first member.
    let sync = SyncMetrics::register(&mut registry);
    sync.call("target", "create", "ok", Duration::ZERO);
    sync.settled("target", "in_sync");
    sync.ci("target", "found");
    sync.self_test("target", SelfTest::Passed);
    sync.backlog(std::iter::once(&"target".to_owned()), &[], &[]);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let metrics: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    assert!(metrics.len() > 20, "{metrics:?}");
    let reference = read("docs/operations.md");
    let missing: Vec<_> = metrics.iter().filter(|metric| !reference.contains(**metric)).collect();
    assert!(missing.is_empty(), "docs/operations.md does not explain {missing:?}");
}

#[test]
fn every_error_code_is_documented() {
    let reference = read("docs/azure-setup.md");
    let codes = Code::ALL.iter().map(|code| format!("`{}`", code.name()));
    let missing: Vec<_> = codes.filter(|code| !reference.contains(code)).collect();
    assert!(missing.is_empty(), "docs/azure-setup.md does not explain {missing:?}");
}

struct Source {
    path: PathBuf,
    text: String,
}

/// Whether a file is a module or in its folder.
fn is_part_of(source: &Source, module: &str) -> bool {
    source.path.starts_with(module) || source.path == Path::new(module).with_extension("rs")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust sources below the places, which may be files.
fn sources(places: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = places.iter().map(|place| root().join(place)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(Source { path: path.strip_prefix(root()).unwrap().to_owned(), text });
        }
    }
    assert!(!found.is_empty(), "nothing at {places:?}");
    found
}

/// Tests at the end of a file may do what the file itself may not.
/// Tests may name anything, beside the code or in a file of their own.
fn assert_absent(sources: &[Source], words: &[&str]) {
    for Source { path, text } in sources.iter().filter(|source| !source.path.ends_with("tests.rs")) {
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for (number, line) in
            product.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let word = words.iter().find(|word| line.contains(**word));
            assert!(word.is_none(), "{}:{} must not name {word:?}: {line}", path.display(), number + 1);
        }
    }
}

fn assert_absent_anywhere(sources: &[Source], words: &[&str]) {
    for Source { path, text } in sources {
        let word = words.iter().find(|word| text.contains(**word));
        assert!(word.is_none(), "{} names {word:?}", path.display());
    }
}

fn collect_keys(prefix: &str, table: &toml::Table, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if let Some(inner) = value.as_table().filter(|inner| !inner.is_empty()) {
            collect_keys(&key, inner, keys);
        } else {
            keys.push(key);
        }
    }
}
