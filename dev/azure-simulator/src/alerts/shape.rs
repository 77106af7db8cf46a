//! Per kind: the template, and where in it the particulars of an alert go.
//!
//! Templates are embedded with every particular blank; a test makes sure that each blank is filled.

/// A kind's payload.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) template: &'static str,
    /// The stem of a rule's name.
    pub(super) rule: &'static str,
    /// The stem of a resource's name.
    pub(super) resource: &'static str,
    pub(super) alert_id: Fill,
    pub(super) fills: &'static [(&'static str, Fill)],
    /// What a resolved notification changes besides the condition; none when Azure never sends one.
    pub(super) when_resolved: Option<&'static [(&'static str, Option<f64>)]>,
}

/// A particular of an alert. Provider paths are ARM types such as `Microsoft.Compute/virtualMachines`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fill {
    AlertId,
    /// Service health ends the id with 64 hexadecimal digits instead of a GUID.
    ServiceHealthAlertId,
    /// Budgets have alerts of another provider.
    CostAlertId,
    RuleName,
    RuleId(&'static str),
    /// The group's name and the rule's.
    PrometheusRuleName,
    /// The resource that the rule watches, in lower case.
    TargetId(&'static str),
    /// The same in the case in which Azure Resource Manager writes it.
    ResourceId(&'static str),
    /// A resource that is the same for all alerts of the group, such as a workspace; in lower case.
    Neighbour(&'static str),
    Subscription,
    BudgetId,
    ResourceGroup,
    ResourceName,
    MetricOriginId,
    ActivityOriginId,
    /// A GUID that differs by alert and by purpose.
    Guid(&'static str),
    /// 64 hexadecimal digits that differ by alert and by purpose.
    Hex64(&'static str),
    /// A time, counted back from the firing.
    SecondsBefore(i64),
    /// The same, as the activity log writes it: with an offset instead of a `Z`.
    EventTime(i64),
    TrackingId,
}

const MACHINE: &str = "Microsoft.Compute/virtualMachines";
const COMPONENT: &str = "Microsoft.Insights/components";
const METRIC_RULE: &str = "microsoft.insights/metricAlerts";
const LOG_RULE: &str = "microsoft.insights/scheduledQueryRules";

const RULE: (&str, Fill) = ("/data/essentials/alertRule", Fill::RuleName);
const TARGET: &str = "/data/essentials/alertTargetIDs/0";
const ITEM: (&str, Fill) = ("/data/essentials/configurationItems/0", Fill::ResourceName);
const RULE_ID: &str = "/data/essentials/alertRuleId";
const ORIGIN: &str = "/data/essentials/originAlertId";
const WINDOW_START: &str = "/data/alertContext/condition/windowStartTime";
const WINDOW_END: (&str, Fill) = ("/data/alertContext/condition/windowEndTime", Fill::SecondsBefore(45));
const METRIC_VALUE: &str = "/data/alertContext/condition/allOf/0/metricValue";
const FIRST_DIMENSION: &str = "/data/alertContext/condition/allOf/0/dimensions/0/value";

const CORRELATION: (&str, Fill) = ("/data/alertContext/correlationId", Fill::Guid("correlation"));
const EVENT_TIME: (&str, Fill) = ("/data/alertContext/eventTimestamp", Fill::EventTime(150));
const EVENT_ID: (&str, Fill) = ("/data/alertContext/eventDataId", Fill::Guid("event"));
const OPERATION: (&str, Fill) = ("/data/alertContext/operationId", Fill::Guid("operation"));
const SUBMITTED: (&str, Fill) = ("/data/alertContext/submissionTimestamp", Fill::EventTime(90));

pub(super) static METRIC_STATIC: Shape = Shape {
    name: "metric-static",
    template: include_str!("../../payloads/metric-static.json"),
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
};

pub(super) static METRIC_DYNAMIC: Shape = Shape {
    name: "metric-dynamic",
    template: include_str!("../../payloads/metric-dynamic.json"),
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
};

pub(super) static METRIC_MULTI_RESOURCE: Shape = Shape {
    name: "metric-multi-resource",
    template: include_str!("../../payloads/metric-multi-resource.json"),
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
};

pub(super) static WEBTEST: Shape = Shape {
    name: "webtest",
    template: include_str!("../../payloads/webtest.json"),
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
};

/// The target is the workspace; the machine is only a dimension and a configuration item.
/// A log alert resolves by time, so the value of a resolved one is null.
pub(super) static LOG_V2: Shape = Shape {
    name: "log-v2",
    template: include_str!("../../payloads/log-v2.json"),
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
};

pub(super) static LOG_V2_RESOURCE_CENTRIC: Shape = Shape {
    name: "log-v2-resource-centric",
    template: include_str!("../../payloads/log-v2-resource-centric.json"),
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
};

pub(super) static SIMPLE_LOG: Shape = Shape {
    name: "simple-log",
    template: include_str!("../../payloads/simple-log.json"),
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
};

/// The target is the Azure Monitor workspace; the cluster is a label and a configuration item.
pub(super) static PROMETHEUS: Shape = Shape {
    name: "prometheus",
    template: include_str!("../../payloads/prometheus.json"),
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
};

pub(super) static ACTIVITY_ADMINISTRATIVE: Shape = Shape {
    name: "activity-administrative",
    template: include_str!("../../payloads/activity-administrative.json"),
    rule: "machine-restarted",
    resource: "jump-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(MACHINE)),
        ITEM,
        (ORIGIN, Fill::ActivityOriginId),
        ("/data/alertContext/authorization/scope", Fill::ResourceId(MACHINE)),
        ("/data/alertContext/properties/entity", Fill::ResourceId(MACHINE)),
        CORRELATION,
        EVENT_TIME,
        EVENT_ID,
        OPERATION,
        SUBMITTED,
    ],
    when_resolved: None,
};

pub(super) static ACTIVITY_SECURITY: Shape = Shape {
    name: "activity-security",
    template: include_str!("../../payloads/activity-security.json"),
    rule: "malware-found",
    resource: "mail-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(MACHINE)),
        ITEM,
        (ORIGIN, Fill::ActivityOriginId),
        ("/data/alertContext/properties/compromisedEntity", Fill::ResourceName),
        CORRELATION,
        EVENT_TIME,
        EVENT_ID,
        OPERATION,
        SUBMITTED,
    ],
    when_resolved: None,
};

pub(super) static RESOURCE_HEALTH: Shape = Shape {
    name: "resource-health",
    template: include_str!("../../payloads/resource-health.json"),
    rule: "machine-unavailable",
    resource: "node-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(MACHINE)),
        ITEM,
        (ORIGIN, Fill::ActivityOriginId),
        CORRELATION,
        EVENT_TIME,
        EVENT_ID,
        OPERATION,
        SUBMITTED,
    ],
    when_resolved: None,
};

/// The end of a service issue is an alert of its own, so this one never resolves.
pub(super) static SERVICE_HEALTH: Shape = Shape {
    name: "service-health",
    template: include_str!("../../payloads/service-health.json"),
    rule: "azure-trouble",
    resource: "region-",
    alert_id: Fill::ServiceHealthAlertId,
    fills: &[
        RULE,
        (TARGET, Fill::Subscription),
        (ORIGIN, Fill::Guid("origin")),
        ("/data/alertContext/properties/trackingId", Fill::TrackingId),
        ("/data/alertContext/properties/impactStartTime", Fill::SecondsBefore(1_800)),
        ("/data/alertContext/properties/communicationId", Fill::Guid("communication")),
        CORRELATION,
        EVENT_TIME,
        EVENT_ID,
        OPERATION,
        SUBMITTED,
    ],
    when_resolved: None,
};

/// Azure resolves these after hours, but tells nobody.
pub(super) static SMART_DETECTION: Shape = Shape {
    name: "smart-detection",
    template: include_str!("../../payloads/smart-detection.json"),
    rule: "failure-anomalies",
    resource: "api-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(COMPONENT)),
        ITEM,
        (ORIGIN, Fill::Hex64("origin")),
        ("/data/alertContext/FormattedOccurrenceTime", Fill::SecondsBefore(600)),
        ("/data/alertContext/AnalysisTimestamp", Fill::SecondsBefore(300)),
    ],
    when_resolved: None,
};

pub(super) static COST_BUDGET: Shape = Shape {
    name: "cost-budget",
    template: include_str!("../../payloads/cost-budget.json"),
    rule: "budget",
    resource: "budget-",
    alert_id: Fill::CostAlertId,
    fills: &[
        ("/data/alertContext/AlertData/Scope", Fill::Subscription),
        ("/data/alertContext/AlertData/BudgetName", Fill::RuleName),
        ("/data/alertContext/AlertData/BudgetId", Fill::BudgetId),
    ],
    when_resolved: None,
};
