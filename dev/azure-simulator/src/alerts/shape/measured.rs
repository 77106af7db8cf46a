//! Alerts on what is measured: metrics, logs, Prometheus.

use super::*;

pub(in super::super) static METRIC_STATIC: Shape = Shape {
    name: "metric-static",
    template: include_str!("../../../payloads/metric-static.json"),
    rule: "cpu-high",
    resource: "web-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        ("/data/essentials/alertRuleID", Fill::RuleId(METRIC_RULE)),
        (TARGET, Fill::TargetId(MACHINE)),
        ITEM,
        (ORIGIN, Fill::MetricOriginId),
        ("/data/essentials/targetResourceGroup", Fill::ResourceGroup),
        (WINDOW_START, Fill::SecondsBefore(345)),
        WINDOW_END,
    ],
    when_resolved: Some(&[(METRIC_VALUE, Some(41.5))]),
    when_over: None,
};

pub(in super::super) static METRIC_DYNAMIC: Shape = Shape {
    name: "metric-dynamic",
    template: include_str!("../../../payloads/metric-dynamic.json"),
    rule: "egress-unusual",
    resource: "prodstore",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (RULE_ID, Fill::RuleId(METRIC_RULE)),
        (TARGET, Fill::TargetId("Microsoft.Storage/storageAccounts")),
        ITEM,
        (ORIGIN, Fill::MetricOriginId),
        (WINDOW_START, Fill::SecondsBefore(945)),
        WINDOW_END,
    ],
    when_resolved: Some(&[(METRIC_VALUE, Some(90_112.0))]),
    when_over: None,
};

pub(in super::super) static METRIC_MULTI_RESOURCE: Shape = Shape {
    name: "metric-multi-resource",
    template: include_str!("../../../payloads/metric-multi-resource.json"),
    rule: "memory-low",
    resource: "app-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (RULE_ID, Fill::RuleId(METRIC_RULE)),
        (TARGET, Fill::TargetId(MACHINE)),
        ITEM,
        (ORIGIN, Fill::MetricOriginId),
        (FIRST_DIMENSION, Fill::ResourceId(MACHINE)),
        (WINDOW_START, Fill::SecondsBefore(345)),
        WINDOW_END,
    ],
    when_resolved: Some(&[(METRIC_VALUE, Some(1_610_612_736.0))]),
    when_over: None,
};

pub(in super::super) static WEBTEST: Shape = Shape {
    name: "webtest",
    template: include_str!("../../../payloads/webtest.json"),
    rule: "shop-availability",
    resource: "shop-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (RULE_ID, Fill::RuleId(METRIC_RULE)),
        (TARGET, Fill::TargetId(COMPONENT)),
        ITEM,
        (ORIGIN, Fill::MetricOriginId),
        ("/data/alertContext/condition/allOf/0/webTestName", Fill::RuleName),
        (WINDOW_START, Fill::SecondsBefore(345)),
        WINDOW_END,
    ],
    when_resolved: Some(&[(METRIC_VALUE, Some(0.0))]),
    when_over: None,
};

/// The target is the workspace; the machine is only a dimension and a configuration item.
/// A log alert resolves by time, so the value of a resolved one is null.
pub(in super::super) static LOG_V2: Shape = Shape {
    name: "log-v2",
    template: include_str!("../../../payloads/log-v2.json"),
    rule: "heartbeat-missing",
    resource: "db-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (RULE_ID, Fill::RuleId(LOG_RULE)),
        (TARGET, Fill::Neighbour("microsoft.operationalinsights/workspaces/prod-logs")),
        ITEM,
        (ORIGIN, Fill::Guid("origin")),
        (FIRST_DIMENSION, Fill::ResourceName),
        (WINDOW_START, Fill::SecondsBefore(645)),
        WINDOW_END,
    ],
    when_resolved: Some(&[(METRIC_VALUE, None)]),
    when_over: None,
};

pub(in super::super) static LOG_V2_RESOURCE_CENTRIC: Shape = Shape {
    name: "log-v2-resource-centric",
    template: include_str!("../../../payloads/log-v2-resource-centric.json"),
    rule: "jobs-failed",
    resource: "batch-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(MACHINE)),
        (ORIGIN, Fill::Guid("origin")),
        (FIRST_DIMENSION, Fill::ResourceId(MACHINE)),
        (WINDOW_START, Fill::SecondsBefore(645)),
        WINDOW_END,
    ],
    when_resolved: Some(&[(METRIC_VALUE, None)]),
    when_over: None,
};

pub(in super::super) static SIMPLE_LOG: Shape = Shape {
    name: "simple-log",
    template: include_str!("../../../payloads/simple-log.json"),
    rule: "order-not-stored",
    resource: "orders-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (RULE_ID, Fill::RuleId(LOG_RULE)),
        (TARGET, Fill::TargetId(COMPONENT)),
        ITEM,
        (ORIGIN, Fill::Guid("origin")),
        ("/data/alertContext/condition/allOf/0/event/0/0/value", Fill::SecondsBefore(60)),
    ],
    when_resolved: None,
    when_over: None,
};

/// The target is the Azure Monitor workspace; the cluster is a label and a configuration item.
pub(in super::super) static PROMETHEUS: Shape = Shape {
    name: "prometheus",
    template: include_str!("../../../payloads/prometheus.json"),
    rule: "PodsRestart",
    resource: "aks-",
    alert_id: Fill::AlertId,
    fills: &[
        ("/data/essentials/alertRule", Fill::PrometheusRuleName),
        (TARGET, Fill::Neighbour("microsoft.monitor/accounts/prod-metrics")),
        ITEM,
        (ORIGIN, Fill::Guid("origin")),
        ("/data/alertContext/labels/cluster", Fill::ResourceName),
        (
            "/data/alertContext/labels/microsoft.resourceid",
            Fill::TargetId("Microsoft.ContainerService/managedClusters"),
        ),
        (
            "/data/alertContext/ruleGroup",
            Fill::Neighbour("microsoft.alertsmanagement/prometheusrulegroups/shop"),
        ),
    ],
    when_resolved: Some(&[]),
    when_over: None,
};

/// What an agent inside a machine measures has a namespace that is none of Azure's.
pub(in super::super) static METRIC_CUSTOM: Shape = Shape {
    name: "metric-custom",
    template: include_str!("../../../payloads/metric-custom.json"),
    rule: "disk-full",
    resource: "file-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (RULE_ID, Fill::RuleId(METRIC_RULE)),
        (TARGET, Fill::TargetId(MACHINE)),
        ITEM,
        (ORIGIN, Fill::MetricOriginId),
        (WINDOW_START, Fill::SecondsBefore(945)),
        WINDOW_END,
    ],
    when_resolved: Some(&[(METRIC_VALUE, Some(38.0))]),
    when_over: None,
};

pub(in super::super) static LOG_V1: Shape = Shape {
    name: "log-v1",
    template: include_str!("../../../payloads/log-v1.json"),
    rule: "errors-logged",
    resource: "print-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::Neighbour("microsoft.operationalinsights/workspaces/prod-logs")),
        ITEM,
        (ORIGIN, Fill::Guid("origin")),
        V1_START,
        V1_END,
        ("/data/alertContext/AffectedConfigurationItems/0", Fill::ResourceName),
        ("/data/alertContext/SearchResults/tables/0/rows/0/0", Fill::SecondsBefore(200)),
        ("/data/alertContext/SearchResults/tables/0/rows/0/1", Fill::ResourceName),
        ("/data/alertContext/SearchResults/tables/0/rows/1/0", Fill::SecondsBefore(100)),
        ("/data/alertContext/SearchResults/tables/0/rows/1/1", Fill::ResourceName),
    ],
    when_resolved: None,
    when_over: None,
};

pub(in super::super) static APPLICATION_INSIGHTS_V1: Shape = Shape {
    name: "application-insights-v1",
    template: include_str!("../../../payloads/application-insights-v1.json"),
    rule: "requests-failed",
    resource: "pay-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(COMPONENT)),
        ITEM,
        (ORIGIN, Fill::Guid("origin")),
        V1_START,
        V1_END,
    ],
    when_resolved: None,
    when_over: None,
};
