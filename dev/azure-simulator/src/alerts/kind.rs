//! The kinds of alerts, by monitoring service and shape.

use std::sync::LazyLock;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{
    document::Document,
    shape::{self, Shape},
};

/// What an alert is about, which decides its payload's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    MetricStatic,
    MetricDynamic,
    MetricMultiResource,
    Webtest,
    LogV2,
    LogV2ResourceCentric,
    SimpleLog,
    Prometheus,
    ActivityAdministrative,
    ActivitySecurity,
    ResourceHealth,
    ServiceHealth,
    SmartDetection,
    CostBudget,
    MetricCustom,
    LogV1,
    ApplicationInsightsV1,
    ActivityPolicy,
    ActivityAutoscale,
    ActivityRecommendation,
    AzureBackup,
}

impl Kind {
    /// All kinds.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The name as on the command line.
    pub fn name(self) -> &'static str {
        self.shape().name
    }

    /// Whether Azure ever says that an alert of this kind is resolved.
    pub fn resolves(self) -> bool {
        self.shape().when_resolved.is_some()
    }

    pub(super) fn shape(self) -> &'static Shape {
        match self {
            Self::MetricStatic => &shape::METRIC_STATIC,
            Self::MetricDynamic => &shape::METRIC_DYNAMIC,
            Self::MetricMultiResource => &shape::METRIC_MULTI_RESOURCE,
            Self::Webtest => &shape::WEBTEST,
            Self::LogV2 => &shape::LOG_V2,
            Self::LogV2ResourceCentric => &shape::LOG_V2_RESOURCE_CENTRIC,
            Self::SimpleLog => &shape::SIMPLE_LOG,
            Self::Prometheus => &shape::PROMETHEUS,
            Self::ActivityAdministrative => &shape::ACTIVITY_ADMINISTRATIVE,
            Self::ActivitySecurity => &shape::ACTIVITY_SECURITY,
            Self::ResourceHealth => &shape::RESOURCE_HEALTH,
            Self::ServiceHealth => &shape::SERVICE_HEALTH,
            Self::SmartDetection => &shape::SMART_DETECTION,
            Self::CostBudget => &shape::COST_BUDGET,
            Self::MetricCustom => &shape::METRIC_CUSTOM,
            Self::LogV1 => &shape::LOG_V1,
            Self::ApplicationInsightsV1 => &shape::APPLICATION_INSIGHTS_V1,
            Self::ActivityPolicy => &shape::ACTIVITY_POLICY,
            Self::ActivityAutoscale => &shape::ACTIVITY_AUTOSCALE,
            Self::ActivityRecommendation => &shape::ACTIVITY_RECOMMENDATION,
            Self::AzureBackup => &shape::AZURE_BACKUP,
        }
    }

    /// The kind's template, parsed once.
    pub(super) fn template(self) -> &'static Document {
        static TEMPLATES: LazyLock<Vec<Document>> = LazyLock::new(|| {
            let parse = |kind: &Kind| serde_json::from_str(kind.shape().template).unwrap_or(Document::Null);
            Kind::all().iter().map(parse).collect()
        });
        TEMPLATES.get(self as usize).unwrap_or(&Document::Null)
    }
}
