//! What Azure Monitor delivers where an action was saved without the common alert schema: one payload of each shape.
//!
//! Source: <https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-non-common-schema-definitions>.

/// One shape.
#[derive(Debug, Clone, Copy)]
pub struct Legacy {
    /// As in the name of its file.
    pub name: &'static str,
    /// The notification that it fired.
    pub fired: &'static str,
    /// Whether Azure documents a notification that it is resolved.
    resolves: Resolves,
}

#[derive(Debug, Clone, Copy)]
enum Resolves {
    Yes,
    Never,
}

macro_rules! payload {
    ($name:literal, $resolves:ident) => {
        Legacy {
            name: $name,
            fired: include_str!(concat!("../payloads/legacy/", $name, ".json")),
            resolves: Resolves::$resolves,
        }
    };
}

impl Legacy {
    /// All shapes.
    pub const ALL: [Self; 10] = [
        payload!("classic-metric", Yes),
        payload!("metric", Yes),
        payload!("log-analytics", Never),
        payload!("log-application-insights", Never),
        payload!("activity-administrative", Never),
        payload!("activity-security", Never),
        payload!("activity-recommendation", Never),
        payload!("service-health", Never),
        payload!("resource-health", Never),
        payload!("cost-budget", Never),
    ];

    /// The notification that the same alert is resolved, half an hour later; none for shapes that never say so.
    pub fn resolved(&self) -> Option<String> {
        match self.resolves {
            Resolves::Yes => {
                let resolved = self.fired.replace("\"Activated\"", "\"Deactivated\"");
                Some(resolved.replace("T13:58:24", "T14:28:24"))
            }
            Resolves::Never => None,
        }
    }
}
