//! What kind of alert a notification is about (pure).
//!
//! Azure writes no kind. The monitoring service decides where it is one that we know; the set is open, so any other
//! is told by the shape of its context, and what has no shape that we know is [`Kind::Other`], which gets a ticket too.
//!
//! Services: <https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema>

use serde_json::Value;
use shared::alert::Essentials;

mod sample;

pub(crate) use sample::has_sample_id;
pub use sample::is_test;

/// What an alert is about, which decides the shape of its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    MetricStatic,
    MetricDynamic,
    MetricMultiResource,
    /// A metric of a namespace that is none of Azure's: sent by an agent, Application Insights or a program.
    MetricCustom,
    WebTest,
    LogV2,
    SimpleLog,
    LogV1,
    ApplicationInsightsV1,
    ActivityAdministrative,
    ActivityPolicy,
    ActivityAutoscale,
    ActivitySecurity,
    ActivityRecommendation,
    ServiceHealth,
    ResourceHealth,
    SmartDetection,
    Prometheus,
    CostBudget,
    AzureBackup,
    Other,
}

/// How an alert of a kind comes to its end, as far as Azure tells us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By a Resolved, unless its rule is stateless, which no payload says.
    Notified,
    /// By another Fired, whose context says that the incident is over.
    InsideFired,
    /// It is an event, or Azure keeps its end to itself.
    Never,
}

impl Kind {
    pub const ALL: [Self; 21] = [
        Self::MetricStatic,
        Self::MetricDynamic,
        Self::MetricMultiResource,
        Self::MetricCustom,
        Self::WebTest,
        Self::LogV2,
        Self::SimpleLog,
        Self::LogV1,
        Self::ApplicationInsightsV1,
        Self::ActivityAdministrative,
        Self::ActivityPolicy,
        Self::ActivityAutoscale,
        Self::ActivitySecurity,
        Self::ActivityRecommendation,
        Self::ServiceHealth,
        Self::ResourceHealth,
        Self::SmartDetection,
        Self::Prometheus,
        Self::CostBudget,
        Self::AzureBackup,
        Self::Other,
    ];

    /// Recognises the kind; `context` is `alertContext`, or null.
    #[must_use]
    pub fn recognise(essentials: &Essentials<'_>, context: &Value) -> Self {
        let service = squeezed(essentials.monitoring_service.as_deref().unwrap_or_default());
        let known = of_service(&service, context).or_else(|| of_shape(context)).unwrap_or(Self::Other);
        // A metric alert of a service that is not Azure's platform names a custom namespace there.
        let is_custom = !matches!(service.as_str(), "" | "platform") || has_custom_namespace(context);
        if is_custom && matches!(known, Self::MetricStatic | Self::MetricMultiResource) {
            return Self::MetricCustom;
        }
        known
    }

    /// Whether the context of this alert can change which incident it belongs to. Cheap, and true when in doubt.
    #[must_use]
    pub fn may_be_health(essentials: &Essentials<'_>) -> bool {
        let service = squeezed(essentials.monitoring_service.as_deref().unwrap_or_default());
        of_service(&service, &Value::Null)
            .is_none_or(|kind| matches!(kind, Self::ServiceHealth | Self::ResourceHealth))
    }

    /// The kind as templates see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MetricStatic => "metric_static",
            Self::MetricDynamic => "metric_dynamic",
            Self::MetricMultiResource => "metric_multi_resource",
            Self::MetricCustom => "metric_custom",
            Self::WebTest => "web_test",
            Self::LogV2 => "log_v2",
            Self::SimpleLog => "simple_log",
            Self::LogV1 => "log_v1",
            Self::ApplicationInsightsV1 => "application_insights_v1",
            Self::ActivityAdministrative => "activity_administrative",
            Self::ActivityPolicy => "activity_policy",
            Self::ActivityAutoscale => "activity_autoscale",
            Self::ActivitySecurity => "activity_security",
            Self::ActivityRecommendation => "activity_recommendation",
            Self::ServiceHealth => "service_health",
            Self::ResourceHealth => "resource_health",
            Self::SmartDetection => "smart_detection",
            Self::Prometheus => "prometheus",
            Self::CostBudget => "cost_budget",
            Self::AzureBackup => "azure_backup",
            Self::Other => "other",
        }
    }

    #[must_use]
    pub fn ending(self) -> Ending {
        match self {
            Self::MetricStatic
            | Self::MetricDynamic
            | Self::MetricMultiResource
            | Self::MetricCustom
            | Self::WebTest
            | Self::LogV2
            | Self::Prometheus
            | Self::AzureBackup
            | Self::Other => Ending::Notified,
            Self::ServiceHealth | Self::ResourceHealth => Ending::InsideFired,
            Self::SimpleLog
            | Self::LogV1
            | Self::ApplicationInsightsV1
            | Self::ActivityAdministrative
            | Self::ActivityPolicy
            | Self::ActivityAutoscale
            | Self::ActivitySecurity
            | Self::ActivityRecommendation
            | Self::SmartDetection
            | Self::CostBudget => Ending::Never,
        }
    }
}

/// By the monitoring service, in the letters that its spellings share: `Resource Health` and `ResourceHealth`,
/// `Smart Detector` and `SmartDetector`, `Activity Log - Policy` and `ActivityLog Policy` are each the same.
fn of_service(service: &str, context: &Value) -> Option<Kind> {
    Some(match service {
        "platform" => metric(context),
        "logalertsv2" => Kind::LogV2,
        "simplelogalert" => Kind::SimpleLog,
        "loganalytics" => Kind::LogV1,
        // Metric alerts on a component may carry the name too.
        "applicationinsights" if context.get("conditionType").is_none() => Kind::ApplicationInsightsV1,
        "activitylogadministrative" => Kind::ActivityAdministrative,
        "activitylogpolicy" => Kind::ActivityPolicy,
        "activitylogautoscale" => Kind::ActivityAutoscale,
        "activitylogsecurity" => Kind::ActivitySecurity,
        "activitylogrecommendation" => Kind::ActivityRecommendation,
        "servicehealth" | "activitylogservicehealth" => Kind::ServiceHealth,
        "resourcehealth" | "activitylogresourcehealth" => Kind::ResourceHealth,
        "smartdetector" => Kind::SmartDetection,
        "prometheus" => Kind::Prometheus,
        "costalerts" => Kind::CostBudget,
        "azurebackup" => Kind::AzureBackup,
        _ => return None,
    })
}

/// By what only one kind of context has.
fn of_shape(context: &Value) -> Option<Kind> {
    let has = |pointer: &str| context.pointer(pointer).is_some_and(|value| !value.is_null());
    if has("/condition/allOf/0/searchQuery") || text(context, "/conditionType") == "logquerycriteria" {
        return Some(if has("/condition/allOf/0/event") { Kind::SimpleLog } else { Kind::LogV2 });
    }
    if has("/condition/allOf/0/metricName") {
        return Some(metric(context));
    }
    if has("/SearchQuery") {
        return Some(if has("/ApplicationId") { Kind::ApplicationInsightsV1 } else { Kind::LogV1 });
    }
    if has("/expression") && has("/labels") {
        return Some(Kind::Prometheus);
    }
    if has("/AlertData/BudgetName") {
        return Some(Kind::CostBudget);
    }
    if has("/SmartDetectorId") || has("/DetectionSummary") {
        return Some(Kind::SmartDetection);
    }
    if has("/operationName") {
        return activity(context);
    }
    None
}

fn metric(context: &Value) -> Kind {
    let condition = text(context, "/conditionType");
    let first = |name: &str| text(context, &format!("/condition/allOf/0/{name}"));
    if condition == "dynamicthresholdcriteria" || !first("alertSensitivity").is_empty() {
        Kind::MetricDynamic
    } else if condition == "webtestlocationavailabilitycriteria" || !first("webTestName").is_empty() {
        Kind::WebTest
    } else if condition == "multipleresourcemultiplemetriccriteria" {
        Kind::MetricMultiResource
    } else {
        Kind::MetricStatic
    }
}

/// A namespace of Azure's own metrics is a resource type, such as `Microsoft.Compute/virtualMachines`.
fn has_custom_namespace(context: &Value) -> bool {
    let namespace = context.pointer("/condition/allOf/0/metricNamespace").and_then(Value::as_str);
    namespace.is_some_and(|text| {
        !text.trim().is_empty() && !text.trim().to_ascii_lowercase().starts_with("microsoft.")
    })
}

fn activity(context: &Value) -> Option<Kind> {
    let operation =
        context.get("operationName").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    if operation.starts_with("microsoft.servicehealth/") {
        return Some(Kind::ServiceHealth);
    }
    if operation.starts_with("microsoft.resourcehealth/") {
        return Some(Kind::ResourceHealth);
    }
    let by_source = match text(context, "/eventSource").as_str() {
        "administrative" => Kind::ActivityAdministrative,
        "policy" => Kind::ActivityPolicy,
        "autoscale" => Kind::ActivityAutoscale,
        "security" => Kind::ActivitySecurity,
        "recommendation" => Kind::ActivityRecommendation,
        _ => return None,
    };
    Some(by_source)
}

fn text(context: &Value, pointer: &str) -> String {
    squeezed(context.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

/// Letters and digits alone, in lower case.
fn squeezed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
