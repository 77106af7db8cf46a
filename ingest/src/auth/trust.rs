//! Whose tokens are accepted: the `[trust.NAME]` entries, checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use shared::settings::SettingsError;
use url::Url;
use uuid::Uuid;

use super::refusal::Refusal;

/// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>
const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";

/// Section `[trust.NAME]` as written. What has a default here is what an entry may leave out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustSettings {
    /// Entra admin center > Overview > Tenant ID.
    tenant_id: Uuid,
    /// What the tokens carry as `aud`: the app registration's client id, its Application ID URI, or both.
    #[serde(deserialize_with = "shared::settings::list")]
    audiences: Vec<String>,
    /// Where the tenant logs in; clouds of governments have other addresses.
    #[serde(default = "public_cloud")]
    authority: String,
    /// The applications that may call; by default the AzNS AAD Webhook of the public cloud.
    #[serde(default = "azure_monitor", deserialize_with = "shared::settings::list")]
    app_ids: Vec<String>,
    /// The application role that the caller must hold.
    #[serde(default = "documented_role")]
    role: String,
    /// Whether callers without the role are refused.
    #[serde(default, deserialize_with = "shared::settings::choice")]
    role_check: RoleCheck,
    /// Subscriptions that alerts may be about; empty for all.
    #[serde(default, deserialize_with = "shared::settings::list")]
    subscriptions: Vec<String>,
}

/// Microsoft calls the role optional in one place and required in another, so leaving it out must be possible,
/// and be written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RoleCheck {
    #[default]
    Required,
    Disabled,
}

/// One trusted app registration, and who may call it.
#[derive(Debug)]
pub struct Trust {
    pub name: String,
    pub tenant_id: Uuid,
    pub authority: Url,
    pub audiences: Vec<String>,
    pub app_ids: Vec<String>,
    /// The application role that the caller must hold; `None` when the operator disabled the check.
    pub role: Option<String>,
    subscriptions: Option<BTreeSet<String>>,
}

/// All trust entries; never empty. The entries of one tenant share an authority and no audience.
#[derive(Debug)]
pub struct TrustList {
    by_tenant: HashMap<Uuid, Vec<Arc<Trust>>>,
}

impl Trust {
    /// Whether an alert about `subscription` (in lower case) may be delivered under this entry.
    #[must_use]
    pub fn allows_subscription(&self, subscription: &str) -> bool {
        self.subscriptions.as_ref().is_none_or(|allowed| allowed.contains(subscription))
    }

    /// Whether the entry names the subscriptions it accepts.
    #[must_use]
    pub fn limits_subscriptions(&self) -> bool {
        self.subscriptions.is_some()
    }

    #[cfg(test)]
    pub(super) fn for_tests(tenant_id: Uuid, audience: &str, app_id: &str, role: Option<&str>) -> Self {
        Self {
            name: "test".to_owned(),
            tenant_id,
            authority: authority(PUBLIC_CLOUD).unwrap(),
            audiences: vec![audience.to_owned()],
            app_ids: vec![app_id.to_owned()],
            role: role.map(str::to_owned),
            subscriptions: None,
        }
    }
}

impl TrustList {
    /// The entry that decides about a token, chosen by claims that nobody has verified yet: the audience decides
    /// between entries of one tenant, and is checked again with the rest.
    ///
    /// # Errors
    /// [`Refusal::Tenant`] when no entry names the tenant.
    pub fn entry(&self, tenant_id: Uuid, audience: Option<&str>) -> Result<&Arc<Trust>, Refusal> {
        let entries = self.by_tenant.get(&tenant_id).map_or(&[][..], Vec::as_slice);
        let listed =
            |trust: &&Arc<Trust>| trust.audiences.iter().any(|known| Some(known.as_str()) == audience);
        entries.iter().find(listed).or_else(|| entries.first()).ok_or(Refusal::Tenant { found: tenant_id })
    }

    /// Each tenant with the authority that signs for it.
    pub fn tenants(&self) -> impl Iterator<Item = (Uuid, &Url)> {
        self.by_tenant.iter().filter_map(|(tenant, entries)| Some((*tenant, &entries.first()?.authority)))
    }

    /// What the operator has chosen that lets more callers in than Microsoft's guidance does, to be said aloud.
    pub fn risks(&self) -> impl Iterator<Item = String> + '_ {
        self.by_tenant.values().flatten().flat_map(|trust| {
            let name = &trust.name;
            let roleless = trust.role.is_none().then(|| {
                format!(
                    "[trust.{name}] role_check is disabled: callers without the application role are accepted"
                )
            });
            let plain = (trust.authority.scheme() == "http").then(|| {
                format!(
                    "[trust.{name}] authority is not https: whoever sits in between decides whom to trust"
                )
            });
            roleless.into_iter().chain(plain)
        })
    }
}

impl TryFrom<BTreeMap<String, TrustSettings>> for TrustList {
    type Error = SettingsError;

    fn try_from(raw: BTreeMap<String, TrustSettings>) -> Result<Self, SettingsError> {
        let mut by_tenant: HashMap<Uuid, Vec<Arc<Trust>>> = HashMap::new();
        for (name, settings) in raw {
            let trust = checked(name, settings)?;
            let entries = by_tenant.entry(trust.tenant_id).or_default();
            for other in entries.iter() {
                let pair = format!("[trust.{}] and [trust.{}]", other.name, trust.name);
                if other.authority != trust.authority {
                    return invalid(format!(
                        "{pair}: one tenant lives in one cloud, give both the same authority"
                    ));
                }
                if other.audiences.iter().any(|audience| trust.audiences.contains(audience)) {
                    return invalid(format!(
                        "{pair}: the same audience in the same tenant, merge the entries"
                    ));
                }
            }
            entries.push(Arc::new(trust));
        }
        if by_tenant.is_empty() {
            return invalid(
                "nobody is trusted yet: add a section [trust.NAME] with tenant_id and audiences \
                 (the Application ID URI and the client id of your app registration)"
                    .to_owned(),
            );
        }
        Ok(Self { by_tenant })
    }
}

fn checked(name: String, raw: TrustSettings) -> Result<Trust, SettingsError> {
    let key = |key: &str| format!("trust.{name}.{key}");
    for (list, label) in [(&raw.audiences, "audiences"), (&raw.app_ids, "app_ids")] {
        if list.is_empty() || list.iter().any(|item| item.trim().is_empty()) {
            return invalid(format!("{}: give at least one, and no empty one", key(label)));
        }
    }
    let Some(authority) = authority(&raw.authority) else {
        return invalid(format!("{}: give an address such as {PUBLIC_CLOUD}", key("authority")));
    };
    let role = match raw.role_check {
        RoleCheck::Disabled => None,
        RoleCheck::Required if raw.role.trim().is_empty() => {
            return invalid(format!(
                "{}: name the application role; to accept callers without one set role_check = \"disabled\"",
                key("role")
            ));
        }
        RoleCheck::Required => Some(raw.role),
    };
    let mut subscriptions = BTreeSet::new();
    for subscription in &raw.subscriptions {
        let Ok(id) = subscription.parse::<Uuid>() else {
            return invalid(format!("{}: {subscription:?} is not a subscription id", key("subscriptions")));
        };
        subscriptions.insert(id.to_string());
    }
    Ok(Trust {
        tenant_id: raw.tenant_id,
        authority,
        audiences: raw.audiences,
        app_ids: raw.app_ids,
        role,
        subscriptions: (!subscriptions.is_empty()).then_some(subscriptions),
        name,
    })
}

fn invalid<T>(message: String) -> Result<T, SettingsError> {
    Err(SettingsError::Invalid(message))
}

/// An address that the tenant's path can be added to.
fn authority(text: &str) -> Option<Url> {
    let url =
        Url::parse(text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "https" | "http"))?;
    let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    bare.then_some(url)
}

fn public_cloud() -> String {
    PUBLIC_CLOUD.to_owned()
}

/// AzNS AAD Webhook in the public cloud, the application that action groups call as.
/// <https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups#authentication-for-secure-webhook>
fn azure_monitor() -> Vec<String> {
    vec!["461e8683-5575-4561-ac7f-899cc907d62a".to_owned()]
}

fn documented_role() -> String {
    "ActionGroupsSecureWebhook".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "tenant_id = \"00000000-0000-0000-0000-0000000000aa\"";

    fn read(toml: &str) -> Result<TrustList, String> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            trust: BTreeMap<String, TrustSettings>,
        }
        let file: File = shared::settings::load(toml, None).map_err(|error| error.to_string())?;
        TrustList::try_from(file.trust).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_needs_only_a_tenant_and_an_audience() {
        let list = read(&format!("[trust.a]\n{TENANT}\naudiences = [\"api://x\"]")).unwrap();
        let trust = list.entry(Uuid::from_u128(0xaa), None).unwrap();
        assert_eq!(trust.authority.as_str(), "https://login.microsoftonline.com/");
        assert_eq!(trust.app_ids, azure_monitor());
        assert_eq!(trust.role, Some(documented_role()));
        assert!(trust.allows_subscription("any") && !trust.limits_subscriptions());
    }

    #[test]
    fn the_audience_decides_between_entries_of_one_tenant() {
        let list = read(&format!(
            "[trust.a]\n{TENANT}\naudiences = [\"api://a\"]\n[trust.b]\n{TENANT}\naudiences = [\"api://b\"]"
        ))
        .unwrap();
        let name = |audience| &list.entry(Uuid::from_u128(0xaa), Some(audience)).unwrap().name;
        assert_eq!((name("api://a").as_str(), name("api://b").as_str()), ("a", "b"));
        assert!(matches!(list.entry(Uuid::nil(), Some("api://a")), Err(Refusal::Tenant { .. })));
    }

    #[test]
    fn a_subscription_is_compared_in_lower_case() {
        let id = "ABCDEF00-0000-0000-0000-000000000001";
        let list =
            read(&format!("[trust.a]\n{TENANT}\naudiences = [\"x\"]\nsubscriptions = [\"{id}\"]")).unwrap();
        let trust = list.entry(Uuid::from_u128(0xaa), None).unwrap();
        assert!(trust.allows_subscription(&id.to_lowercase()) && !trust.allows_subscription("other"));
    }

    #[test]
    fn what_cannot_be_trusted_says_what_to_mend() {
        let one = |rest: &str| format!("[trust.a]\n{TENANT}\n{rest}");
        let two = |a: &str, b: &str| format!("[trust.a]\n{TENANT}\n{a}\n[trust.b]\n{TENANT}\n{b}");
        let cases = [
            ("".to_owned(), "add a section [trust.NAME]"),
            (one("audiences = []"), "trust.a.audiences"),
            (one("audiences = [\" \"]"), "trust.a.audiences"),
            (one("audiences = [\"x\"]\napp_ids = []"), "trust.a.app_ids"),
            (one("audiences = [\"x\"]\nrole = \"\""), "role_check = \"disabled\""),
            (one("audiences = [\"x\"]\nauthority = \"ftp://x\""), "trust.a.authority"),
            (one("audiences = [\"x\"]\nauthority = \"https://x/?y\""), "trust.a.authority"),
            (one("audiences = [\"x\"]\nauthority = \"login\""), "trust.a.authority"),
            (one("audiences = [\"x\"]\nsubscriptions = [\"prod\"]"), "not a subscription id"),
            (one("audiences = [\"x\"]\ncheck = false"), "check"),
            (two("audiences = [\"x\"]", "audiences = [\"x\"]"), "merge the entries"),
            (two("audiences = [\"x\"]", "audiences = [\"y\"]\nauthority = \"https://z\""), "same authority"),
        ];
        for (toml, expected) in cases {
            let error = read(&toml).unwrap_err();
            assert!(error.contains(expected), "{error} does not say {expected}");
        }
    }
}
