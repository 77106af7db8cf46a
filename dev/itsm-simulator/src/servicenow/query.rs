//! Encoded queries: `state!=7^nameLIKEweb^ORfqdn=web-07^NQpriority=1^ORDERBYDESCsys_created_on`.

use std::borrow::Cow;

/// Longer names first where one begins another.
const OPERATORS: &[(&str, Operator)] = &[
    ("ISNOTEMPTY", Operator::IsNotEmpty),
    ("ISEMPTY", Operator::IsEmpty),
    ("STARTSWITH", Operator::StartsWith),
    ("ENDSWITH", Operator::EndsWith),
    ("NOT LIKE", Operator::NotLike),
    ("LIKE", Operator::Like),
    ("NOT IN", Operator::NotIn),
    ("IN", Operator::In),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Equal),
];

/// A parsed query: any branch of `^NQ`, in which all groups hold, of which any condition holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Query {
    pub(super) branches: Vec<Vec<AnyOf>>,
    pub(super) order: Vec<Order>,
    /// Conditions that mean nothing here; the product leaves them out and says nothing.
    pub(super) ignored: usize,
}

pub(super) type AnyOf = Vec<Condition>;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Condition {
    pub(super) field: String,
    pub(super) operator: Operator,
    pub(super) value: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Like,
    NotLike,
    StartsWith,
    EndsWith,
    In,
    NotIn,
    IsEmpty,
    IsNotEmpty,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Order {
    pub(super) field: String,
    pub(super) descending: bool,
}

/// Whether letter case counts in comparisons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Case {
    Ignored,
    Counts,
}

impl Query {
    /// Reads an encoded query; conditions on fields that are not `known` match everything.
    pub(super) fn parse(text: &str, known: impl Fn(&str) -> bool) -> Self {
        let mut query = Self { branches: vec![Vec::new()], ..Self::default() };
        for term in text.split('^').filter(|term| !term.is_empty() && *term != "EQ") {
            query.add(term, &known);
        }
        query
    }

    /// Adds what the conditions on single fields of the URL ask for.
    pub(super) fn require(&mut self, field: &str, value: &str) {
        for branch in &mut self.branches {
            let (field, value) = (field.to_owned(), value.to_owned());
            branch.push(vec![Condition { field, operator: Operator::Equal, value }]);
        }
    }

    /// Whether a record with these values is meant.
    pub(super) fn matches<'a>(&self, case: Case, value: impl Fn(&str) -> Cow<'a, str>) -> bool {
        self.branches.iter().any(|branch| {
            branch
                .iter()
                .all(|group| group.iter().any(|condition| condition.holds(&value(&condition.field), case)))
        })
    }

    /// A group of equalities on indexed fields that every match must satisfy, if there is one.
    pub(super) fn narrowest(&self, indexed: impl Fn(&str) -> bool) -> Option<&AnyOf> {
        let [branch] = self.branches.as_slice() else { return None };
        branch
            .iter()
            .find(|group| group.iter().all(|one| one.operator == Operator::Equal && indexed(&one.field)))
    }

    fn add(&mut self, term: &str, known: impl Fn(&str) -> bool) {
        if let Some(field) = term.strip_prefix("ORDERBYDESC") {
            self.order.push(Order { field: field.to_owned(), descending: true });
            return;
        }
        if let Some(field) = term.strip_prefix("ORDERBY") {
            self.order.push(Order { field: field.to_owned(), descending: false });
            return;
        }
        let (joins_last, term) = match (term.strip_prefix("NQ"), term.strip_prefix("OR")) {
            (Some(rest), _) => {
                self.branches.push(Vec::new());
                (false, rest)
            }
            (None, Some(rest)) => (true, rest),
            (None, None) => (false, term),
        };
        let Some(condition) = Condition::parse(term).filter(|condition| known(&condition.field)) else {
            self.ignored += 1;
            return;
        };
        let Some(branch) = self.branches.last_mut() else { return };
        match branch.last_mut() {
            Some(group) if joins_last => group.push(condition),
            Some(_) | None => branch.push(vec![condition]),
        }
    }
}

impl Condition {
    fn parse(term: &str) -> Option<Self> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
        let end = term.find(|c| !is_name(c))?;
        let (field, rest) = term.split_at_checked(end)?;
        OPERATORS.iter().filter(|_| !field.is_empty()).find_map(|(name, operator)| {
            let value = rest.strip_prefix(name)?;
            Some(Self { field: field.to_owned(), operator: *operator, value: value.to_owned() })
        })
    }

    fn holds(&self, actual: &str, case: Case) -> bool {
        let folded = |text: &str| match case {
            Case::Ignored => text.to_lowercase(),
            Case::Counts => text.to_owned(),
        };
        let (actual, wanted) = (folded(actual), folded(&self.value));
        match self.operator {
            Operator::Equal => actual == wanted,
            Operator::NotEqual => actual != wanted,
            Operator::Like => actual.contains(&wanted),
            Operator::NotLike => !actual.contains(&wanted),
            Operator::StartsWith => actual.starts_with(&wanted),
            Operator::EndsWith => actual.ends_with(&wanted),
            Operator::In => wanted.split(',').any(|one| one == actual),
            Operator::NotIn => wanted.split(',').all(|one| one != actual),
            Operator::IsEmpty => actual.is_empty(),
            Operator::IsNotEmpty => !actual.is_empty(),
            Operator::Less => compare(&actual, &wanted).is_lt(),
            Operator::AtMost => compare(&actual, &wanted).is_le(),
            Operator::Greater => compare(&actual, &wanted).is_gt(),
            Operator::AtLeast => compare(&actual, &wanted).is_ge(),
        }
    }
}

/// As numbers when both are, else as text: dates are written so that text order is time order.
pub(super) fn compare(left: &str, right: &str) -> std::cmp::Ordering {
    match (left.parse::<i64>(), right.parse::<i64>()) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) | (Err(_), Err(_)) => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[(&str, &str)] = &[
        ("name", "web-07"),
        ("state", "2"),
        ("fqdn", ""),
        ("cmdb_ci.name", "Host A"),
        ("reopen_count", "10"),
    ];

    fn check(text: &str, expected: bool) {
        let value = |field: &str| RECORD.iter().find(|(name, _)| *name == field).map(|(_, value)| *value);
        let query = Query::parse(text, |field| value(field).is_some());
        let matched = query.matches(Case::Ignored, |field| value(field).unwrap_or_default().into());
        assert_eq!(matched, expected, "{text}");
    }

    #[test]
    fn every_operator_selects_what_it_says() {
        check("name=web-07", true);
        check("name=WEB-07", true);
        check("name!=web-07", false);
        check("nameLIKEb-0", true);
        check("nameNOT LIKEb-0", false);
        check("nameSTARTSWITHweb", true);
        check("nameENDSWITHweb", false);
        check("stateIN1,2,3", true);
        check("stateNOT IN6,7,8", true);
        check("stateNOT IN1,2", false);
        check("fqdnISEMPTY", true);
        check("nameISNOTEMPTY", true);
        check("reopen_count>9", true);
        check("reopen_count<9", false);
        check("reopen_count>=10^reopen_count<=10", true);
        check("cmdb_ci.name=host a", true);
    }

    #[test]
    fn and_binds_groups_of_or_and_new_queries_are_alternatives() {
        check("name=x^ORstate=2", true);
        check("name=x^ORstate=2^fqdn=y", false);
        check("name=x^NQstate=2", true);
        check("name=x^NQstate=3", false);
    }

    #[test]
    fn an_unknown_field_or_a_lower_case_operator_is_ignored() {
        check("u_gone=anything", true);
        check("namelikeweb", true);
        check("u_gone=anything^state=3", false);
        assert_eq!(Query::parse("a=1^b=2", |field| field == "a").ignored, 1);
    }

    #[test]
    fn letter_case_can_count() {
        let query = Query::parse("name=WEB", |_| true);
        assert!(!query.matches(Case::Counts, |_| "web".into()));
    }

    #[test]
    fn orders_are_not_conditions() {
        let query = Query::parse("ORDERBYname^ORDERBYDESCsys_created_on", |_| true);
        assert_eq!(query.order.len(), 2);
        assert!(query.order[1].descending);
        assert_eq!(query.ignored, 0);
    }
}
