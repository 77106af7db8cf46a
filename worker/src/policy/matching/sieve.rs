//! Which rules an alert may be for, without asking each of them (pure).
//!
//! Most patterns need some text to occur: `*/resourcegroups/web/*` needs what stands between its stars. One automaton for
//! each part of an alert finds all such texts in one pass, so the cost hardly grows with the rules. Neither does it with
//! the values: one regular expression made of all patterns would have to work out new states for every new resource.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, BuildError};
use fixedbitset::FixedBitSet;

use super::Matcher;
use super::facts::{Fact, Facts, Part};

/// What rules need, by the part of an alert that they look at.
#[derive(Debug)]
pub struct Sieve {
    rules: usize,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    part: Part,
    needed: AhoCorasick,
    /// The rules that each of the needed texts admits.
    admits: Vec<Vec<usize>>,
    /// The rules that need nothing here.
    open: FixedBitSet,
}

impl Sieve {
    /// Rules are known by their place among these.
    ///
    /// # Errors
    /// When there is more text in the patterns than an automaton takes.
    pub fn new<'m, M: ExactSizeIterator<Item = &'m Matcher>>(matchers: M) -> Result<Self, BuildError> {
        let rules = matchers.len();
        let mut parts: HashMap<&Part, Vec<(usize, Vec<String>)>> = HashMap::new();
        for (rule, matcher) in matchers.enumerate() {
            matcher.needs().for_each(|(part, texts)| parts.entry(part).or_default().push((rule, texts)));
        }
        let layers = parts.into_iter().map(|(part, needs)| Layer::new(part.clone(), needs, rules));
        Ok(Self { rules, layers: layers.collect::<Result<_, _>>()? })
    }

    /// The rules that may be for the alert, in their order: all that are, and few that are not.
    pub fn candidates(&self, alert: &Facts<'_>) -> impl Iterator<Item = usize> + use<> {
        let mut candidates = all_of(self.rules);
        for layer in &self.layers {
            candidates.intersect_with(&layer.admitted(alert.at(&layer.part)));
        }
        candidates.into_ones()
    }
}

impl Layer {
    fn new(part: Part, needs: Vec<(usize, Vec<String>)>, rules: usize) -> Result<Self, BuildError> {
        let (mut open, mut admits) = (all_of(rules), HashMap::<String, Vec<usize>>::new());
        for (rule, texts) in needs {
            open.remove(rule);
            for text in texts {
                admits.entry(text).or_default().push(rule);
            }
        }
        let (texts, admits): (Vec<_>, Vec<_>) = admits.into_iter().unzip();
        Ok(Self { part, needed: AhoCorasick::new(texts)?, admits, open })
    }

    fn admitted(&self, has: &[Fact<'_>]) -> FixedBitSet {
        let (mut admitted, mut seen) = (self.open.clone(), FixedBitSet::with_capacity(self.admits.len()));
        let found = has.iter().flat_map(|fact| self.needed.find_overlapping_iter(&fact.folded));
        // A text that occurs often tells no more than once.
        let texts = found.map(|found| found.pattern().as_usize()).filter(|text| !seen.put(*text));
        admitted.extend(texts.filter_map(|text| self.admits.get(text)).flatten().copied());
        admitted
    }
}

fn all_of(rules: usize) -> FixedBitSet {
    let mut all = FixedBitSet::with_capacity(rules);
    all.insert_range(..);
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::MatchSettings;
    use super::*;
    use crate::policy::view::{AlertView, Dimension};

    fn matcher(conditions: Value) -> Matcher {
        serde_json::from_value::<MatchSettings>(conditions).unwrap().check("match").unwrap()
    }

    fn candidates(matchers: &[Matcher], alert: &AlertView) -> Vec<usize> {
        Sieve::new(matchers.iter()).unwrap().candidates(&Facts::of(alert)).collect()
    }

    #[test]
    fn of_the_rules_of_many_teams_those_of_one_are_left() {
        let teams = (0..50).flat_map(|team| {
            [
                json!({"severity": "Sev?", "resource_group": [format!("team-{team:02}-*"), format!("*-app-{team:02}")]}),
                json!({"signal_type": "Metric", "rule": format!("regex:^(team|app)-{team:02}-.*(cpu|memory)")}),
                json!({"dimensions": {"host": format!("web-{team:02}?")}, "custom": {"team": format!("TEAM {team:02}")}}),
            ]
        });
        let matchers: Vec<_> = teams.map(matcher).collect();
        let alert = AlertView {
            severity: "Sev1".to_owned(),
            signal_type: "Metric".to_owned(),
            resource_group: "Team-07-prod".to_owned(),
            rule: "App-07-is low on CPU".to_owned(),
            custom: json!({"Team": "team 07"}),
            dimensions: vec![Dimension { name: "Host".to_owned(), value: "web-07a".to_owned() }],
            ..AlertView::default()
        };
        assert_eq!(candidates(&matchers, &alert), [21, 22, 23]);
        assert!(candidates(&matchers, &AlertView::default()).is_empty());
    }

    proptest! {
        #[test]
        fn no_rule_is_lost_that_is_for_the_alert(
            rules in prop::collection::vec(prop::collection::btree_map(
                prop::sample::select(vec!["rule", "resource_group", "tenant"]),
                prop::collection::vec(r"(regex:\^?(\(a\|bK\)|\[ab\]|b)?(a|B|s|k|ẞ|\.|\?|\*|\\b|\(\?-i\)|\[\^a\]|\[a-z&&\[A-K\]\]|\[\[:upper:\]&&\[ab\]\]|\[A--\[\^a\]\]){0,3}\$?)|[aBß*?]{0,4}", 1..3),
                0..3,
            ), 1..8),
            values in prop::array::uniform3("[abAſKkßẞS]{0,5}"),
        ) {
            let matchers: Vec<Matcher> = rules.iter().filter_map(|conditions| {
                let settings: MatchSettings = serde_json::from_value(json!(conditions)).unwrap();
                settings.check("match").ok()
            }).collect();
            let [rule, resource_group, tenant_id] = values;
            let alert = AlertView { rule, resource_group, tenant_id, ..AlertView::default() };
            let candidates = candidates(&matchers, &alert);
            for (index, matcher) in matchers.iter().enumerate().filter(|(_, it)| it.fits(&Facts::of(&alert))) {
                prop_assert!(candidates.contains(&index), "{matcher:?}");
            }
        }
    }
}
