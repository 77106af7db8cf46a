//! The alerts of one outage (pure): many resources, each with several rules that watch it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use azure_simulator::alerts::{Alert, AlertRule, Kind};
use azure_simulator::sender::Due;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::alert::Notification;

/// Processor, memory, disk, network and heartbeat of a machine.
const RULES_PER_RESOURCE: u64 = 5;
const SEED: u64 = 1;

pub(super) struct Outage {
    /// With the time from the first of them.
    alerts: Vec<(Duration, Alert)>,
}

impl Outage {
    /// So many alerts, evenly over this time from now on.
    pub(super) fn new(count: u32, over: Duration) -> Self {
        let (start, step) = (Timestamp::now(), over / count.max(1));
        let resources = u64::from(count).div_ceil(RULES_PER_RESOURCE);
        let alerts = (0..count).map(|number| {
            let resource = AlertRule::new(Kind::MetricStatic, SEED, u64::from(number) % resources + 1);
            let rule = AlertRule::new(Kind::MetricStatic, SEED, u64::from(number) + 1);
            let after = step.saturating_mul(number);
            (after, rule.on(resource.target().clone()).fire(start.saturating_add(after).unwrap_or(start)))
        });
        Self { alerts: alerts.collect() }
    }

    /// What the CMDB has to know of the resources.
    pub(super) fn configuration_items(&self) -> anyhow::Result<Vec<Value>> {
        let mut items = BTreeMap::new();
        for (_, alert) in &self.alerts {
            let name = &alert.rule().target().name;
            if !items.contains_key(name) {
                let body = alert.fired();
                let targets = Notification::parse(&body)?.essentials.target_ids;
                let id = targets.first().context("this kind of alert has a target")?;
                items.insert(name, json!({"class": "cmdb_ci_vm_instance", "name": name, "object_id": id}));
            }
        }
        Ok(items.into_values().collect())
    }

    pub(super) fn firing(&self) -> Vec<Due> {
        self.alerts.iter().map(|(after, alert)| Due { after: *after, body: alert.fired() }).collect()
    }

    /// In the same order and over the same time, from `start` on.
    pub(super) fn resolving(&self, start: Timestamp) -> Vec<Due> {
        let due = |(after, alert): &(Duration, Alert)| {
            let body = alert.resolved(start.saturating_add(*after).unwrap_or(start))?;
            Some(Due { after: *after, body })
        };
        self.alerts.iter().filter_map(due).collect()
    }
}
