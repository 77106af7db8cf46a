//! Settings files put together. Pure.

use anyhow::Context;
use toml::{Table, Value};

/// `settings` with what `extra` says otherwise or besides.
pub(super) fn laid_over(settings: &str, extra: &str) -> anyhow::Result<String> {
    let (mut settings, extra): (Table, Table) = (toml::from_str(settings)?, toml::from_str(extra)?);
    lay_over(&mut settings, extra);
    Ok(toml::to_string(&settings)?)
}

/// A worker's settings with these targets, `(name, base URL)`, instead of the one that it has, and a route to all.
pub(super) fn with_targets(settings: &str, targets: &[(&str, String)]) -> anyhow::Result<String> {
    let mut settings: Table = toml::from_str(settings)?;
    let old = settings.get_mut("targets").and_then(Value::as_table_mut).context("there are no targets")?;
    let (_, pattern) = std::mem::take(old).into_iter().next().context("there is no target")?;
    for (name, base_url) in targets {
        let mut target = pattern.clone();
        let connector = target.get_mut("connector").and_then(|all| all.get_mut("servicenow"));
        let connector = connector.and_then(Value::as_table_mut).context("the target has no connector")?;
        connector.insert("base_url".to_owned(), base_url.clone().into());
        old.insert((*name).to_owned(), target);
    }
    let names: Vec<Value> = targets.iter().map(|(name, _)| Value::from(*name)).collect();
    let target = match names.as_slice() {
        [only] => only.clone(),
        several => several.to_vec().into(),
    };
    let route = settings.get_mut("route").and_then(Value::as_table_mut).context("there is no route")?;
    route.insert("target".to_owned(), target);
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
    fn each_target_has_an_address_of_its_own() {
        let one = "[route]\ntarget = 's'\n[targets.s.connector.servicenow]\nbase_url = 'old'\n";
        let two = with_targets(one, &[("s", "here".to_owned()), ("t", "there".to_owned())]).unwrap();
        let expected = "[route]\ntarget = ['s', 't']\n[targets.s.connector.servicenow]\nbase_url = 'here'\n\
                        [targets.t.connector.servicenow]\nbase_url = 'there'\n";
        assert_eq!(parsed(&two), parsed(expected));
        assert_eq!(parsed(&with_targets(one, &[("s", "old".to_owned())]).unwrap()), parsed(one));
    }
}
