//! Settings files put together. Pure.

use anyhow::Context;
use toml::{Table, Value};

use crate::product::Product;

/// A target in the simulated Request Tracker, as far as the simulator knows it from the start.
const REQUEST_TRACKER: &str = r#"
[connector.request_tracker]
queue = "Azure Alerts"

[connector.request_tracker.auth.token]
value = "1-14-secure-export"
"#;

/// `settings` with what `extra` says otherwise or besides.
pub(super) fn laid_over(settings: &str, extra: &str) -> anyhow::Result<String> {
    let (mut settings, extra): (Table, Table) = (toml::from_str(settings)?, toml::from_str(extra)?);
    lay_over(&mut settings, extra);
    Ok(toml::to_string(&settings)?)
}

/// A worker's settings with these targets, each with its base URL, and a route to all. The settings have one already,
/// in ServiceNow.
pub(super) fn with_targets(settings: &str, targets: &[(Product, String)]) -> anyhow::Result<String> {
    let mut settings: Table = toml::from_str(settings)?;
    let all = settings.get_mut("targets").and_then(Value::as_table_mut).context("there are no targets")?;
    let given = std::mem::take(all);
    for (product, base_url) in targets {
        let mut target = match product {
            Product::ServiceNow => given.get(product.name()).cloned().context("there is no such target")?,
            Product::RequestTracker => Value::Table(toml::from_str(REQUEST_TRACKER)?),
        };
        let connectors = target.get_mut("connector").and_then(Value::as_table_mut);
        let connector =
            connectors.and_then(|all| all.iter_mut().next()).and_then(|(_, only)| only.as_table_mut());
        let connector = connector.context("the target has no connector")?;
        connector.insert("base_url".to_owned(), base_url.clone().into());
        all.insert(product.name().to_owned(), target);
    }
    let names: Vec<Value> = targets.iter().map(|(product, _)| Value::from(product.name())).collect();
    let route = settings.get_mut("route").and_then(Value::as_table_mut).context("there is no route")?;
    route.insert("target".to_owned(), names.into());
    Ok(toml::to_string(&settings)?)
}

fn lay_over(settings: &mut Table, extra: Table) {
    for (key, value) in extra {
        match (settings.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => lay_over(old, new),
            (_, value) => drop(settings.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(settings: &str) -> Table {
        toml::from_str(settings).unwrap()
    }

    #[test]
    fn what_is_laid_over_wins_and_the_rest_stays() {
        let settings = laid_over("[a]\nx = 1\ny = 2", "[a]\ny = 3\n[b]\nz = 4").unwrap();
        assert_eq!(parsed(&settings), parsed("[a]\nx = 1\ny = 3\n[b]\nz = 4"));
    }

    #[test]
    fn each_target_has_an_address_and_a_login_of_its_own() {
        let one = "[route]\ntarget = 'servicenow'\n[targets.servicenow.connector.servicenow]\nbase_url = 'old'\n\
                   [targets.servicenow.connector.servicenow.auth.oauth]\nclient_id = 'c'\n";
        let targets =
            [(Product::ServiceNow, "here".to_owned()), (Product::RequestTracker, "there".to_owned())];
        let expected = "[route]\ntarget = ['servicenow', 'request-tracker']\n\
                        [targets.servicenow.connector.servicenow]\nbase_url = 'here'\n\
                        [targets.servicenow.connector.servicenow.auth.oauth]\nclient_id = 'c'\n\
                        [targets.request-tracker.connector.request_tracker]\n\
                        base_url = 'there'\nqueue = 'Azure Alerts'\n\
                        [targets.request-tracker.connector.request_tracker.auth.token]\n\
                        value = '1-14-secure-export'\n";
        assert_eq!(parsed(&with_targets(one, &targets).unwrap()), parsed(expected));
    }
}
