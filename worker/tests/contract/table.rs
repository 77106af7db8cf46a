//! The table of the documentation says what is tested, no more and no less.

use std::fmt::Write;
use std::path::Path;

use crate::CASES;

const BEGIN: &str = "<!-- written by the test `the_table_of_the_documentation_is_current` -->\n";
const END: &str = "<!-- end of the table -->";
const PRODUCTS: [&str; 5] = [
    "ServiceNow",
    "Request Tracker",
    "Request Tracker, real",
    "Zammad, described",
    "ServiceDesk Plus, described",
];
/// Set to write the table instead of checking it.
const UPDATE: &str = "UPDATE_CONTRACT_TABLE";

#[test]
fn the_table_of_the_documentation_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/connectors.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let current = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, current).unwrap();
    } else {
        assert_eq!(page, current, "run `{UPDATE}=1 cargo test -p worker --test contract table`");
    }
}

fn table() -> String {
    let mut table =
        format!("| it … | {} |\n| --- |{}\n", PRODUCTS.join(" | "), " --- |".repeat(PRODUCTS.len()));
    for (case, impossible) in CASES {
        let mark = |product: &&str| if impossible.contains(product) { "–" } else { "✓" };
        let marks: Vec<&str> = PRODUCTS.iter().map(mark).collect();
        writeln!(table, "| {} | {} |", case.replace('_', " "), marks.join(" | ")).unwrap();
    }
    table
}
