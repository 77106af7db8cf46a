//! Who is right (pure): what was said and acknowledged, against what every ITSM and the ledger finally hold.
//!
//! All alerts of one rule are one subject and share a ticket. What was acknowledged is owed; what was not may have
//! happened all the same, so where only such a report decides, both ends are right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::product::Product;

mod said;

pub(crate) use self::said::{Condition, Expected, Said, by_subject, end_of_alert, expected};

/// What an ITSM holds of one work item.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) number: String,
    pub(crate) correlation_id: String,
    pub(crate) state: ItemState,
    /// A person closed, canceled, deleted or merged it, so that another may take its place.
    pub(crate) ended_by_person: bool,
    /// Any change by a person.
    pub(crate) touched: bool,
    /// It was closed as a duplicate with a link to the older one.
    pub(crate) closed_as_duplicate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemState {
    Open,
    /// Resolved, closed or canceled.
    Over,
    /// Deleted, or a part of another one: no search finds it.
    Gone,
}

/// What every ITSM holds of each subject.
pub(crate) type Held = BTreeMap<Product, BTreeMap<u64, Vec<Item>>>;

/// What the ledger holds.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) notifications: BTreeSet<Uuid>,
    /// Targets and alert ids in lower case for which the ledger says why there is no ticket.
    pub(crate) excused: BTreeSet<(Product, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Lost,
    Doubled,
    WrongState,
}

/// One promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    pub(crate) subject: u64,
    /// Where; none when the ledger has not even heard it.
    pub(crate) target: Option<Product>,
    pub(crate) verdict: Verdict,
    pub(crate) why: String,
}

impl Finding {
    /// Whether a person at the target's desk may be the cause: a work item is over because they said so.
    pub(crate) fn is_explained_by(&self, touched: &BTreeSet<(Product, u64)>) -> bool {
        let touched = self.target.is_some_and(|target| touched.contains(&(target, self.subject)));
        self.verdict == Verdict::WrongState && touched
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, verdict, why, .. } = self;
        match target {
            Some(target) => write!(formatter, "{verdict:?} at {target}: {why}"),
            None => write!(formatter, "{verdict:?}: {why}"),
        }
    }
}

/// Judges every subject that anything was said about at every target, and every work item.
pub(crate) fn judge(said: &[Said], held: &Held, ledger: &Ledger) -> Vec<Finding> {
    let subjects = by_subject(said);
    let mut findings = Vec::new();
    for (&subject, said) in &subjects {
        let finding = |(verdict, why)| Finding { subject, target: None, verdict, why };
        findings.extend(lost_notifications(said, ledger).map(finding));
    }
    for (&target, items) in held {
        for (&subject, said) in &subjects {
            let items = items.get(&subject).map_or(&[][..], Vec::as_slice);
            let excused = |one: &Said| ledger.excused.contains(&(target, one.alert_id.clone()));
            let finding = |(verdict, why)| Finding { subject, target: Some(target), verdict, why };
            findings.extend(doubles(items).chain(wrong_end(said, items, excused)).map(finding));
        }
        let unasked = items.iter().filter(|(subject, _)| !subjects.contains_key(subject));
        findings.extend(unasked.map(|(&subject, items)| Finding {
            subject,
            target: Some(target),
            verdict: Verdict::Doubled,
            why: format!("nobody asked for {}", numbers(items.iter())),
        }));
    }
    findings
}

fn lost_notifications(said: &[&Said], ledger: &Ledger) -> impl Iterator<Item = (Verdict, String)> {
    let nameless = said.iter().filter(|one| one.acknowledged && one.ids.is_empty()).map(|one| {
        (Verdict::Lost, format!("{:?} at {} was acknowledged without an id", one.condition, one.at))
    });
    let unheard = said
        .iter()
        .flat_map(|one| one.ids.iter().map(move |id| (one, id)))
        .filter(|(_, id)| !ledger.notifications.contains(*id))
        .map(|(one, id)| {
            (Verdict::Lost, format!("{:?} {id} was acknowledged, the ledger has not heard it", one.condition))
        });
    nameless.chain(unheard)
}

fn doubles(items: &[Item]) -> impl Iterator<Item = (Verdict, String)> {
    let mut findings = Vec::new();
    let standing = || items.iter().filter(|item| !item.closed_as_duplicate);
    let mut ids: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in standing().filter(|item| item.state != ItemState::Gone) {
        ids.entry(&item.correlation_id).or_default().push(item);
    }
    for (id, twins) in ids.iter().filter(|(_, twins)| twins.len() > 1) {
        findings.push(format!("{} have one correlation id, {id}", numbers(twins.iter().copied())));
    }
    let open = || standing().filter(|item| item.state == ItemState::Open);
    let ended = standing().filter(|item| item.ended_by_person).count();
    if findings.is_empty() && open().count() > 1 {
        findings.push(format!("{} are open at once", numbers(open())));
    } else if findings.is_empty() && standing().count() > ended + 1 {
        findings.push(format!("{} where nobody ended the first", numbers(standing())));
    }
    findings.into_iter().map(|why| (Verdict::Doubled, why))
}

fn wrong_end(
    said: &[&Said],
    items: &[Item],
    is_excused: impl Fn(&Said) -> bool,
) -> Option<(Verdict, String)> {
    let open = items.iter().filter(|item| item.state == ItemState::Open && !item.closed_as_duplicate);
    let acknowledged = || said.iter().filter(|one| one.acknowledged);
    let excused = || acknowledged().all(|one| is_excused(one));
    match (expected(said), open.clone().count()) {
        (Expected::Open, 0) if items.is_empty() => {
            Some((Verdict::Lost, "an alert fires and there is no ticket".to_owned()))
        }
        (Expected::Open, 0) => {
            Some((Verdict::WrongState, format!("an alert fires and {} is over", numbers(items.iter()))))
        }
        (Expected::Over, 1..) => {
            Some((Verdict::WrongState, format!("every alert is resolved and {} is open", numbers(open))))
        }
        (Expected::Over | Expected::Either, 0)
            if items.is_empty() && acknowledged().next().is_some() && !excused() =>
        {
            Some((Verdict::Lost, "there is no ticket and the ledger does not say why".to_owned()))
        }
        (Expected::Open | Expected::Over | Expected::Either, _) => None,
    }
}

fn numbers<'a>(items: impl Iterator<Item = &'a Item>) -> String {
    items.map(|item| item.number.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use Condition::{Fired, Resolved};

    fn said(condition: Condition, second: i64, acknowledged: bool) -> Said {
        Said {
            subject: 1,
            alert_id: "/a".to_owned(),
            condition,
            at: Timestamp::from_second(second).unwrap(),
            acknowledged,
            ids: if acknowledged { [id(second)].into() } else { BTreeSet::new() },
        }
    }

    fn id(second: i64) -> Uuid {
        Uuid::from_u128(u128::try_from(second).unwrap())
    }

    fn item(number: &str, correlation_id: &str, state: ItemState) -> Item {
        Item {
            number: number.to_owned(),
            correlation_id: correlation_id.to_owned(),
            state,
            ended_by_person: false,
            touched: false,
            closed_as_duplicate: false,
        }
    }

    fn ended_by_person(number: &str, correlation_id: &str, state: ItemState) -> Item {
        Item { ended_by_person: true, touched: true, ..item(number, correlation_id, state) }
    }

    fn held(subject: u64, items: Vec<Item>) -> Held {
        let of_subject = if items.is_empty() { BTreeMap::new() } else { [(subject, items)].into() };
        [(HERE, of_subject)].into()
    }

    fn ledger() -> Ledger {
        Ledger { notifications: (0..100).map(id).collect(), excused: BTreeSet::new() }
    }

    fn verdicts(said: &[Said], items: Vec<Item>) -> Vec<Verdict> {
        let findings = judge(said, &held(1, items), &ledger());
        findings.into_iter().map(|finding| finding.verdict).collect()
    }

    const HERE: Product = Product::ServiceNow;
    const THERE: Product = Product::RequestTracker;

    const OPEN: ItemState = ItemState::Open;
    const OVER: ItemState = ItemState::Over;

    #[test]
    fn an_alert_that_fires_has_exactly_one_open_ticket() {
        let fires = [said(Fired, 1, true)];
        assert_eq!(verdicts(&fires, vec![item("I1", "k-1", OPEN)]), []);
        assert_eq!(verdicts(&fires, vec![]), [Verdict::Lost]);
        assert_eq!(verdicts(&fires, vec![item("I1", "k-1", OVER)]), [Verdict::WrongState]);
        let both = vec![item("I1", "k-1", OPEN), item("I2", "k-2", OPEN)];
        assert_eq!(verdicts(&fires, both), [Verdict::Doubled]);
    }

    #[test]
    fn an_alert_that_is_resolved_has_none_open() {
        let resolved = [said(Fired, 1, true), said(Resolved, 2, true)];
        assert_eq!(verdicts(&resolved, vec![item("I1", "k-1", OVER)]), []);
        assert_eq!(verdicts(&resolved, vec![item("I1", "k-1", OPEN)]), [Verdict::WrongState]);
    }

    #[test]
    fn no_ticket_at_all_needs_a_reason_in_the_ledger() {
        let resolved = [said(Fired, 1, true), said(Resolved, 2, true)];
        assert_eq!(verdicts(&resolved, vec![]), [Verdict::Lost]);
        let excused = |target| Ledger { excused: [(target, "/a".to_owned())].into(), ..ledger() };
        assert_eq!(judge(&resolved, &held(1, vec![]), &excused(HERE)), []);
        assert_eq!(judge(&resolved, &held(1, vec![]), &excused(THERE)).len(), 1);
    }

    #[test]
    fn every_target_has_a_ticket_of_its_own() {
        let fires = [said(Fired, 1, true)];
        let mut both = held(1, vec![item("I1", "k-1", OPEN)]);
        both.insert(THERE, [(1, vec![item("1", "k-2", OPEN)])].into());
        assert_eq!(judge(&fires, &both, &ledger()), []);
        both.insert(THERE, BTreeMap::new());
        let findings = judge(&fires, &both, &ledger());
        let places: Vec<_> = findings.iter().map(|finding| (finding.target, finding.verdict)).collect();
        assert_eq!(places, [(Some(THERE), Verdict::Lost)]);
    }

    #[test]
    fn a_notification_that_was_acknowledged_must_be_in_the_ledger() {
        let ledger = Ledger { notifications: [id(2)].into(), excused: BTreeSet::new() };
        let resolved = [said(Fired, 1, true), said(Resolved, 2, true)];
        let findings = judge(&resolved, &held(1, vec![item("I1", "k-1", OVER)]), &ledger);
        let places: Vec<_> = findings.iter().map(|finding| (finding.target, finding.verdict)).collect();
        assert_eq!(places, [(None, Verdict::Lost)]);
    }

    #[test]
    fn an_acknowledgement_without_an_id_proves_nothing() {
        let nameless = [Said { ids: BTreeSet::new(), ..said(Fired, 1, true) }];
        assert_eq!(verdicts(&nameless, vec![item("I1", "k-1", OPEN)]), [Verdict::Lost]);
    }

    #[test]
    fn a_person_explains_a_wrong_state_and_nothing_else() {
        let finding = |verdict| Finding { subject: 1, target: Some(HERE), verdict, why: String::new() };
        let touched = BTreeSet::from([(HERE, 1)]);
        assert!(finding(Verdict::WrongState).is_explained_by(&touched));
        assert!(!finding(Verdict::WrongState).is_explained_by(&BTreeSet::from([(HERE, 2), (THERE, 1)])));
        assert!(!finding(Verdict::Lost).is_explained_by(&touched));
        assert!(!finding(Verdict::Doubled).is_explained_by(&touched));
    }

    #[test]
    fn what_was_not_acknowledged_may_have_happened_or_not() {
        let unsure = [said(Fired, 1, true), said(Resolved, 2, false)];
        assert_eq!(verdicts(&unsure, vec![item("I1", "k-1", OPEN)]), []);
        assert_eq!(verdicts(&unsure, vec![item("I1", "k-1", OVER)]), []);
        assert_eq!(verdicts(&[said(Fired, 1, false)], vec![]), []);
        assert_eq!(verdicts(&[said(Fired, 1, false)], vec![item("I1", "k-1", OPEN)]), []);
        // A report in between that may be missing changes nothing about the end.
        let over = [said(Fired, 1, true), said(Fired, 2, false), said(Resolved, 3, true)];
        assert_eq!(verdicts(&over, vec![item("I1", "k-1", OPEN)]), [Verdict::WrongState]);
    }

    #[test]
    fn a_ticket_is_open_while_any_alert_of_its_subject_fires() {
        let mut other = said(Fired, 1, true);
        other.alert_id = "/b".to_owned();
        let two = [said(Fired, 1, true), said(Resolved, 2, true), other];
        assert_eq!(verdicts(&two, vec![item("I1", "k-1", OPEN)]), []);
        assert_eq!(verdicts(&two, vec![item("I1", "k-1", OVER)]), [Verdict::WrongState]);
    }

    #[test]
    fn two_tickets_of_one_correlation_id_are_a_double_whatever_their_state() {
        let resolved = [said(Fired, 1, true), said(Resolved, 2, true)];
        let twins = vec![item("I1", "k-1", OVER), item("I2", "k-1", OVER)];
        assert_eq!(verdicts(&resolved, twins), [Verdict::Doubled]);
    }

    #[test]
    fn a_double_that_was_closed_as_one_is_none() {
        let younger = Item { closed_as_duplicate: true, ..item("I2", "k-1", OVER) };
        assert_eq!(verdicts(&[said(Fired, 1, true)], vec![item("I1", "k-1", OPEN), younger]), []);
    }

    #[test]
    fn another_ticket_may_follow_one_that_a_person_ended_and_no_other() {
        let fires = [said(Fired, 1, true)];
        let follows = vec![ended_by_person("I1", "k-1", OVER), item("I2", "k-2", OPEN)];
        assert_eq!(verdicts(&fires, follows), []);
        let deleted = vec![ended_by_person("I1", "k-1", ItemState::Gone), item("I2", "k-1", OPEN)];
        assert_eq!(verdicts(&fires, deleted), []);
        let unasked = vec![item("I1", "k-1", OVER), item("I2", "k-2", OPEN)];
        assert_eq!(verdicts(&fires, unasked), [Verdict::Doubled]);
    }

    #[test]
    fn a_ticket_that_nobody_asked_for_is_a_finding() {
        let findings = judge(&[], &held(7, vec![item("I1", "k-1", OPEN)]), &ledger());
        assert_eq!(findings.len(), 1);
    }
}
