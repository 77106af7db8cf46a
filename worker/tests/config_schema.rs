//! `worker config-schema` prints the schema that is kept under `docs/schema`.

use std::path::Path;
use std::process::Command;

/// `UPDATE_SCHEMA=1` writes the file.
#[test]
fn the_schema_in_the_documentation_is_what_the_command_prints() {
    // No settings are needed, and those that cannot be used do not matter.
    let output = Command::new(env!("CARGO_BIN_EXE_worker"))
        .args(["--config", "/nowhere.toml", "config-schema"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/worker.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, &output.stdout).unwrap();
    }
    let kept = std::fs::read(&file).unwrap();
    assert!(kept == output.stdout, "docs/schema/worker.json is old: run the test with UPDATE_SCHEMA=1");
}
