//! Per kind: the template, and where in it the particulars of an alert go.
//!
//! Templates are embedded with every particular blank; a test makes sure that each blank is filled.

mod events;
mod measured;

pub(super) use events::*;
pub(super) use measured::*;

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
    /// What an alert changes that says that the incident of an earlier one is over; none when there is no such alert.
    pub(super) when_over: Option<&'static [(&'static str, &'static str)]>,
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
const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";
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

const V1_START: (&str, Fill) = ("/data/alertContext/SearchIntervalStartTimeUtc", Fill::SecondsBefore(960));
const V1_END: (&str, Fill) = ("/data/alertContext/SearchIntervalEndtimeUtc", Fill::SecondsBefore(60));

const CORRELATION: (&str, Fill) = ("/data/alertContext/correlationId", Fill::Guid("correlation"));
const EVENT_TIME: (&str, Fill) = ("/data/alertContext/eventTimestamp", Fill::EventTime(150));
const EVENT_ID: (&str, Fill) = ("/data/alertContext/eventDataId", Fill::Guid("event"));
const OPERATION: (&str, Fill) = ("/data/alertContext/operationId", Fill::Guid("operation"));
const SUBMITTED: (&str, Fill) = ("/data/alertContext/submissionTimestamp", Fill::EventTime(90));
