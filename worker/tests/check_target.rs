//! `worker check-target` as an operator runs it, against the simulators.

#![expect(clippy::unwrap_used, reason = "a failed preparation ends its test")]

use std::io::Write;
use std::process::Output;

use itsm_simulator::servicenow::{CiSeed, Switches};
use itsm_simulator::{ItsmSimulator, Running, Settings};
use serde_json::Value;
use tokio::process::Command;

async fn simulator() -> Running {
    ItsmSimulator::start(Settings::default(), ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// The command, with two targets on the simulator and further settings.
async fn check_target(simulator: &Running, settings: &str, arguments: &[&str]) -> Output {
    check_target_at(&simulator.base_url(), settings, arguments, &[]).await
}

async fn check_target_at(
    base: &str,
    settings: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Output {
    run(base, settings, &[&["check-target"], arguments].concat(), variables).await
}

/// A command of the worker with these settings.
async fn run(base: &str, settings: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        r#"
        amqp.url = "amqp://localhost"
        database.url = "postgres://localhost/x"
        route.target = "snow"
        [targets.snow.connector.servicenow]
        base_url = "{base}/servicenow"
        auth.basic = {{ username = "secure-export", password = "secure-export" }}
        [targets.rt.connector.request_tracker]
        base_url = "{base}/request-tracker"
        auth.token.value = "1-14-secure-export"
        queue = "Azure Alerts"
        ci.catalog = "Azure CIs"
        {settings}
        "#
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command.arg("--config").arg(file.path()).args(arguments);
    command.envs(variables.iter().copied()).output().await.unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn resolution_codes_that_a_connector_does_not_give_are_found_by_both_checks() {
    let simulator = simulator().await;
    let settings = r#"
        [[routes]]
        name = "both"
        target = ["rt", "snow"]
        people.wont_fix = ["Won't fix"]
    "#;
    let output = check_target(&simulator, settings, &[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let limited: Vec<&str> =
        said.lines().filter(|line| line.contains("resolution codes of people")).collect();
    assert_eq!(limited.len(), 1, "ServiceNow gives them: {said}");
    let output = run(&simulator.base_url(), settings, &["check-config"], &[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    let warning = "warning: people.wont_fix of \"both\" has no effect in rt";
    assert!(said.contains(warning) && !said.contains("in snow"), "{said}");
}

#[tokio::test]
async fn every_target_is_checked_and_nothing_is_written_there() {
    let simulator = simulator().await;
    let output = check_target(&simulator, "", &["--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let reports = json(&output);
    for (report, name) in reports.as_array().unwrap().iter().zip(["rt", "snow"]) {
        assert_eq!((&report["target"], &report["usable"]), (&name.into(), &true.into()));
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.len() >= 6 && findings.iter().all(|one| one["verdict"] == "fine"), "{findings:?}");
    }
    assert!(simulator.servicenow().tickets().is_empty() && simulator.request_tracker().tickets().is_empty());
}

#[tokio::test]
async fn a_target_that_works_less_well_is_a_success_that_says_what_to_change() {
    let simulator = simulator().await;
    let settings = r#"
        [targets.snow]
        ci.default = "web-07"
        [targets.snow.connector.servicenow.ci]
        arm_id_tables = ["cmdb_ci", "cmdb_ci_nonsuch"]
        "#;
    simulator.servicenow().seed_ci(CiSeed { name: "web-07".to_owned(), ..CiSeed::default() }).unwrap();
    let output = check_target(&simulator, settings, &["snow"]).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let limited: Vec<_> = text.lines().filter(|line| line.starts_with("  limited")).collect();
    assert!(text.starts_with("snow can be used\n") && limited.len() == 2, "{text}");
    assert!(limited[0].contains("set ci.default to the sys_id"), "{text}");
    // Every class of no use is named, not only the first.
    assert!(limited[1].contains("object_id") && limited[1].contains("cmdb_ci_nonsuch"), "{text}");
}

#[tokio::test]
async fn a_target_that_cannot_be_used_is_a_failure_that_says_what_to_change() {
    let simulator = simulator().await;
    let close_codes = vec!["Solved (Permanently)".to_owned()];
    simulator.servicenow().configure(Switches { close_codes, ..Switches::default() });
    let output = check_target(&simulator, "", &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("rt can be used\n") && text.contains("snow cannot be used\n"), "{text}");
    assert!(text.contains("set close_code to one of: Solved (Permanently)"), "{text}");
}

#[tokio::test]
async fn a_target_that_cannot_be_asked_and_one_that_does_not_exist_are_failures() {
    let simulator = simulator().await;
    simulator.request_tracker().revoke_tokens();
    let output = check_target(&simulator, "", &["rt", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report = &json(&output)[0];
    assert_eq!((&report["usable"], &report["error"]["class"]), (&false.into(), &"unauthorized".into()));
    let output = check_target(&simulator, "", &["nonsuch"]).await;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("[targets.NAME]; there are: rt, snow"), "{told}");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_and_left_out_as_it_says() {
    let simulator = simulator().await;
    let allowed = ("SECURE_EXPORT__TARGETS__SNOW__CONNECTOR__SERVICENOW__DANGER_ALLOW_HTTP", "true");
    let allowed_too = ("SECURE_EXPORT__TARGETS__RT__CONNECTOR__REQUEST_TRACKER__DANGER_ALLOW_HTTP", "true");
    let address = simulator.base_url();
    let proxy = ("HTTP_PROXY", &*address);
    // No name server knows this host: only the proxy can.
    for (exempt, is_success) in [("", true), ("itsm.invalid", false)] {
        let variables = [allowed, allowed_too, proxy, ("NO_PROXY", exempt)];
        let output = check_target_at("http://itsm.invalid", "", &["snow"], &variables).await;
        assert_eq!(output.status.success(), is_success, "{output:?}");
    }
    assert!(simulator.servicenow().calls().total > 0);
}
