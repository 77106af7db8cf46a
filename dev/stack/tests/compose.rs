//! What `docker-compose.yml` promises, checked without an engine.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test file that is not as expected fails its test"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

const FILE: &str = include_str!("../../../docker-compose.yml");

fn services() -> BTreeMap<String, Value> {
    let file: Value = serde_saphyr::from_str(FILE).unwrap();
    serde_json::from_value(file["services"].clone()).unwrap()
}

#[test]
fn nothing_is_published_beyond_this_machine() {
    for (name, service) in services() {
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

#[test]
fn our_containers_cannot_write_and_have_no_privileges() {
    let ours =
        services().into_iter().filter(|(_, it)| it["image"].as_str().unwrap().starts_with("secure-export/"));
    for (name, service) in ours {
        assert_eq!(service["read_only"], json!(true), "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        assert!(
            service["build"].is_object(),
            "{name}: without it, compose would ask a registry for our image"
        );
    }
}

#[test]
fn no_two_services_build_the_same_image() {
    let mut built = BTreeMap::new();
    for (name, service) in services().into_iter().filter(|(_, it)| it["build"].is_object()) {
        let image = service["image"].as_str().unwrap().to_owned();
        let other = built.insert(image, name.clone());
        assert_eq!(other, None, "{name} too: compose builds at the same time, and one of the two would fail");
    }
}

#[test]
fn any_number_of_workers_can_run() {
    let worker = services().remove("worker").unwrap();
    assert_eq!((&worker["ports"], &worker["container_name"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_spool_of_ingest_is_a_volume_that_its_user_may_write() {
    let ingest = services().remove("ingest").unwrap();
    let folder = ingest["environment"]["SECURE_EXPORT__SPOOL__FOLDER"].as_str().unwrap();
    assert_eq!(ingest["volumes"], json!([format!("spool:{folder}")]));
    let file: Value = serde_saphyr::from_str(FILE).unwrap();
    assert!(file["volumes"].as_object().unwrap().contains_key("spool"));
    let image = include_str!("../../../deploy/Dockerfile");
    assert!(image.contains(&format!("--chown=10001:10001 /spool {folder}")));
}
