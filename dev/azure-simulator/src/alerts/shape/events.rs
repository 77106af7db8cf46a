//! Alerts on what happens: the activity log, health, smart detection, budgets, backup.

use super::*;

pub(in super::super) static ACTIVITY_ADMINISTRATIVE: Shape = Shape {
    name: "activity-administrative",
    template: include_str!("../../../payloads/activity-administrative.json"),
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
    when_over: None,
};

pub(in super::super) static ACTIVITY_SECURITY: Shape = Shape {
    name: "activity-security",
    template: include_str!("../../../payloads/activity-security.json"),
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
    when_over: None,
};

pub(in super::super) static RESOURCE_HEALTH: Shape = Shape {
    name: "resource-health",
    template: include_str!("../../../payloads/resource-health.json"),
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
    when_over: Some(&[
        ("/data/alertContext/properties/title", "Available"),
        ("/data/alertContext/properties/currentHealthStatus", "Available"),
        ("/data/alertContext/properties/previousHealthStatus", "Unavailable"),
        ("/data/alertContext/operationName", "Microsoft.Resourcehealth/healthevent/Resolved/action"),
        ("/data/alertContext/status", "Resolved"),
    ]),
};

/// The end of a service issue is an alert of its own, so this one never resolves.
pub(in super::super) static SERVICE_HEALTH: Shape = Shape {
    name: "service-health",
    template: include_str!("../../../payloads/service-health.json"),
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
    when_over: Some(&[
        ("/data/alertContext/properties/stage", "Resolved"),
        ("/data/alertContext/status", "Resolved"),
        (
            "/data/alertContext/properties/communication",
            "<p>The issue is mitigated. Nothing is left to do.</p>",
        ),
    ]),
};

/// Azure resolves these after hours, but tells nobody.
pub(in super::super) static SMART_DETECTION: Shape = Shape {
    name: "smart-detection",
    template: include_str!("../../../payloads/smart-detection.json"),
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
    when_over: None,
};

pub(in super::super) static COST_BUDGET: Shape = Shape {
    name: "cost-budget",
    template: include_str!("../../../payloads/cost-budget.json"),
    rule: "budget",
    resource: "budget-",
    alert_id: Fill::CostAlertId,
    fills: &[
        ("/data/alertContext/AlertData/Scope", Fill::Subscription),
        ("/data/alertContext/AlertData/BudgetName", Fill::RuleName),
        ("/data/alertContext/AlertData/BudgetId", Fill::BudgetId),
    ],
    when_resolved: None,
    when_over: None,
};

pub(in super::super) static ACTIVITY_POLICY: Shape = Shape {
    name: "activity-policy",
    template: include_str!("../../../payloads/activity-policy.json"),
    rule: "policy-violated",
    resource: "open-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(MACHINE)),
        ITEM,
        (ORIGIN, Fill::ActivityOriginId),
        ("/data/alertContext/authorization/scope", Fill::ResourceId(MACHINE)),
        CORRELATION,
        EVENT_TIME,
        EVENT_ID,
        OPERATION,
        SUBMITTED,
    ],
    when_resolved: None,
    when_over: None,
};

pub(in super::super) static ACTIVITY_AUTOSCALE: Shape = Shape {
    name: "activity-autoscale",
    template: include_str!("../../../payloads/activity-autoscale.json"),
    rule: "scaled-out",
    resource: "pool-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::TargetId(SCALE_SET)),
        ITEM,
        (ORIGIN, Fill::ActivityOriginId),
        ("/data/alertContext/properties/resourceName", Fill::ResourceId(SCALE_SET)),
        CORRELATION,
        EVENT_TIME,
        EVENT_ID,
        OPERATION,
        SUBMITTED,
    ],
    when_resolved: None,
    when_over: None,
};

pub(in super::super) static ACTIVITY_RECOMMENDATION: Shape = Shape {
    name: "activity-recommendation",
    template: include_str!("../../../payloads/activity-recommendation.json"),
    rule: "advice-given",
    resource: "idle-",
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
    when_over: None,
};

/// No rule makes these; the vault is the target, and the machine stands in the context alone.
pub(in super::super) static AZURE_BACKUP: Shape = Shape {
    name: "azure-backup",
    template: include_str!("../../../payloads/azure-backup.json"),
    rule: "Backup Failure",
    resource: "erp-",
    alert_id: Fill::AlertId,
    fills: &[
        RULE,
        (TARGET, Fill::Neighbour("microsoft.recoveryservices/vaults/prod-vault")),
        (ORIGIN, Fill::Hex64("origin")),
        ("/data/essentials/targetResourceGroup", Fill::ResourceGroup),
        ("/data/alertContext/sourceId", Fill::ResourceId(MACHINE)),
        ("/data/alertContext/affectedItems", Fill::ResourceId(MACHINE)),
        ("/data/alertContext/linkedResourceId", Fill::ResourceId(MACHINE)),
        ("/data/alertContext/linkedResourceName", Fill::ResourceName),
        ("/data/alertContext/extendedInfo/jobId", Fill::Guid("job")),
    ],
    when_resolved: None,
    when_over: None,
};
