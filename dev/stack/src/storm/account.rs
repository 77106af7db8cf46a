//! What a storm did to the ITSM, for people, and whether anything went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ledger::Findings;
use crate::desk::Incident;

/// One run.
pub(super) struct Account {
    pub(super) limit: u32,
    pub(super) alerts: u32,
    /// Notifications that Azure has given up.
    pub(super) refused: u64,
    pub(super) first_ticket: Duration,
    pub(super) open_after: Duration,
    pub(super) resolved_after: Duration,
    /// Calls by operation, as the ITSM counts them.
    pub(super) calls: BTreeMap<String, u64>,
    /// Calls for tickets by what they were for, as the ledger has them: to the ITSM, a note and a resolution are both updates.
    pub(super) actions: BTreeMap<String, i64>,
    pub(super) busiest_minute: i64,
    pub(super) found: Findings,
    pub(super) incidents: Vec<Incident>,
}

/// Prints the runs side by side.
pub(super) fn print(accounts: &[Account]) {
    let columns: Vec<Vec<(&str, String)>> = accounts.iter().map(Account::rows).collect();
    let Some(first) = columns.first() else { return };
    for (row, (label, _)) in first.iter().enumerate() {
        let values =
            columns.iter().filter_map(|column| column.get(row)).map(|(_, value)| format!("{value:>10}"));
        println!("{label:<46}{}", values.collect::<String>());
    }
}

impl Account {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let action = |name: &str| self.actions.get(name).copied().unwrap_or(0).to_string();
        let calls = |names: &[&str]| -> u64 { names.iter().filter_map(|name| self.calls.get(*name)).sum() };
        let seconds = |duration: Duration| format!("{:.1}", duration.as_secs_f64());
        vec![
            ("route.storm.limit", self.limit.to_string()),
            ("tickets", self.incidents.len().to_string()),
            ("calls of the ITSM", self.calls.values().sum::<u64>().to_string()),
            ("  create", calls(&["create"]).to_string()),
            ("  read", calls(&["read"]).to_string()),
            ("  note", action("note")),
            ("  resolve", action("resolve")),
            ("  look for a ticket", calls(&["query_incident"]).to_string()),
            ("  look for a configuration item", calls(&["query_ci", "query_key_value"]).to_string()),
            ("most calls for tickets in a minute", self.busiest_minute.to_string()),
            ("first alert to first ticket, s", seconds(self.first_ticket)),
            ("last alert to the last ticket, s", seconds(self.open_after)),
            ("last Resolved to the last ticket resolved, s", seconds(self.resolved_after)),
        ]
    }

    /// What must not be.
    pub(super) fn faults(&self) -> Vec<String> {
        let found = &self.found;
        let of = |name: &str| self.actions.get(name).copied().unwrap_or(0);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let open = self.incidents.iter().filter(|incident| incident.text("state") != "6").count();
        let ids: BTreeSet<&str> =
            self.incidents.iter().map(|incident| incident.text("correlation_id")).collect();
        let updates = self.calls.get("update").copied().unwrap_or(0);
        [
            ("notifications were given up by Azure", i64::try_from(self.refused).unwrap_or(i64::MAX)),
            ("alerts too many are in the ledger", found.alerts - i64::from(self.alerts)),
            ("alerts have no ticket in the ledger", found.alerts_without_ticket),
            ("alerts have several tickets", found.alerts_of_several_tickets),
            ("tickets of the ledger are not resolved", found.tickets_not_resolved),
            ("tickets of the ledger share a work item", found.tickets - found.work_items),
            ("incidents are open", count(open)),
            ("incidents have the correlation id of another", count(self.incidents.len() - ids.len())),
            ("incidents are unknown to the ledger", count(self.incidents.len()) - found.work_items),
            (
                "updates are neither notes nor resolutions",
                i64::try_from(updates).unwrap_or(i64::MAX) - of("note") - of("resolve"),
            ),
        ]
        .into_iter()
        .filter(|(_, number)| *number != 0)
        .map(|(what, number)| format!("with limit {}: {number} {what}", self.limit))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account() -> Account {
        let incident = |id: &str| {
            let fields = json!({"state": "6", "correlation_id": id});
            serde_json::from_value(json!({"number": id, "fields": fields})).unwrap()
        };
        Account {
            limit: 1,
            alerts: 9,
            refused: 0,
            first_ticket: Duration::ZERO,
            open_after: Duration::ZERO,
            resolved_after: Duration::ZERO,
            calls: BTreeMap::from([("create".to_owned(), 2), ("update".to_owned(), 3)]),
            actions: BTreeMap::from([("note".to_owned(), 1), ("resolve".to_owned(), 2)]),
            busiest_minute: 0,
            found: Findings {
                alerts: 9,
                alerts_without_ticket: 0,
                alerts_of_several_tickets: 0,
                tickets: 2,
                tickets_not_resolved: 0,
                work_items: 2,
            },
            incidents: vec![incident("a"), incident("b")],
        }
    }

    #[test]
    fn a_run_in_which_everything_fits_has_no_fault() {
        assert_eq!(account().faults(), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_lost_doubled_or_left_open_is_a_fault() {
        let fault = |spoil: fn(&mut Account), expected: &str| {
            let mut account = account();
            spoil(&mut account);
            assert_eq!(account.faults(), [format!("with limit 1: {expected}")]);
        };
        fault(|it| it.refused = 1, "1 notifications were given up by Azure");
        fault(|it| it.found.alerts = 10, "1 alerts too many are in the ledger");
        fault(|it| it.found.alerts_without_ticket = 2, "2 alerts have no ticket in the ledger");
        fault(|it| it.found.alerts_of_several_tickets = 1, "1 alerts have several tickets");
        fault(|it| it.found.tickets_not_resolved = 1, "1 tickets of the ledger are not resolved");
        fault(|it| it.found.tickets = 3, "1 tickets of the ledger share a work item");
        fault(
            |it| it.calls.extend([("update".to_owned(), 4)]),
            "1 updates are neither notes nor resolutions",
        );
        fault(
            |it| {
                it.found.work_items = 3;
                it.found.tickets = 3;
                it.incidents.push(
                    serde_json::from_value(
                        json!({"number": "c", "fields": {"state": "6", "correlation_id": "a"}}),
                    )
                    .unwrap(),
                );
            },
            "1 incidents have the correlation id of another",
        );
    }
}
