//! The schemas for editors take what the programs take; that they are up to date, the programs' own tests say.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exception for tests does not reach their functions"
)]

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

const SERVICES: [&str; 2] = ["ingest", "worker"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn schema(service: &str) -> Value {
    let file = root().join("docs/schema").join(service).with_extension("json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn validator(service: &str) -> Validator {
    jsonschema::draft7::new(&schema(service)).unwrap()
}

fn complaints(validator: &Validator, settings: &str) -> Vec<String> {
    let settings: Value = toml::from_str(settings).unwrap_or_else(|error| panic!("{error} in {settings}"));
    validator.iter_errors(&settings).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_defaults_fit_their_schemas() {
    for service in SERVICES {
        let defaults = fs::read_to_string(root().join(service).join("config.default.toml")).unwrap();
        assert_eq!(complaints(&validator(service), &defaults), [""; 0], "{service}");
    }
}

#[test]
fn the_examples_of_the_documentation_fit_the_schema_of_the_worker() {
    let worker = validator("worker");
    let examples = files(&root().join("docs/examples"), "toml");
    assert!(examples.len() >= 5, "the examples have moved: {examples:?}");
    for example in examples {
        let found = complaints(&worker, &fs::read_to_string(&example).unwrap());
        assert_eq!(found, [""; 0], "{}", example.display());
    }
}

#[test]
fn the_snippets_of_the_documentation_fit_a_schema() {
    let validators = SERVICES.map(|service| {
        let mut schema = schema(service);
        allow_parts(&mut schema);
        jsonschema::draft7::new(&schema).unwrap()
    });
    let mut checked = 0;
    for page in files(&root().join("docs"), "md") {
        let text = fs::read_to_string(&page).unwrap();
        for snippet in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let found = validators.each_ref().map(|validator| complaints(validator, snippet));
            let fits = found.iter().any(Vec::is_empty);
            assert!(fits, "{}: {found:?} in\n{snippet}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "the snippets have moved: {checked}");
}

/// A snippet need not have all that a file needs.
fn allow_parts(schema: &mut Value) {
    if let Value::Object(members) = schema {
        members.retain(|key, value| key != "required" || !value.is_array());
        members.values_mut().for_each(allow_parts);
    }
}

#[test]
fn what_the_worker_takes_fits_and_what_it_refuses_does_not() {
    let worker = validator("worker");
    for fits in [
        "",
        "route.target = 'snow'",
        "route.target = ['snow', 'pager']",
        "route.open_after = '1h 30m'",
        "route.open_after = 'PT5M'",
        "route.severity.sev1.impact = 2",
        "routes = [{ name = 'a', open.fields = { team = 'x' }, match.severity = 'Sev1' }]",
        "routes = [{ name = 'a', severity.none.urgency = 5 }]",
        "targets.rt.connector.request_tracker = { base_url = 'https://rt', queue = 'q', auth.token.value_file = '/t' }",
    ] {
        assert_eq!(complaints(&worker, fits), [""; 0], "{fits}");
    }
    for refused in [
        "nonsense = 1",
        "route.sumary = 'x'",
        "route.open_after = 5",
        "route.open_after = 'soon'",
        "route.already_resolved = 'never'",
        "route.severity.sev1.impact = 6",
        "routes = [{ target = 'nameless' }]",
        "routes = [{ name = 'a', open = { sumary = 'x' } }]",
        "routes = [{ name = 'a', match = { sevrity = 'Sev1' } }]",
        "targets.t.connector.nonsuch = {}",
        "targets.t.concurrency = 5",
        "intake.batch = 'many'",
    ] {
        assert_ne!(complaints(&worker, refused), [""; 0], "{refused}");
    }
}

#[test]
fn every_setting_says_what_it_is_and_takes_no_other_beside_it() {
    for service in SERVICES {
        assert_described(service, &schema(service));
    }
}

fn assert_described(key: &str, schema: &Value) {
    let Value::Object(members) = schema else { return };
    if let Some(Value::Object(settings)) = members.get("properties") {
        assert_eq!(members.get("additionalProperties"), Some(&Value::Bool(false)), "{key}");
        for (name, setting) in settings {
            let key = format!("{key}.{name}");
            let described = setting["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described, "{key} has no doc comment");
            assert_described(&key, setting);
        }
    }
    for below in ["items", "additionalProperties"] {
        if let Some(schema) = members.get(below) {
            assert_described(&format!("{key}[]"), schema);
        }
    }
}
