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
    Ledger { notifications: (0..100).map(id).collect(), ..Ledger::default() }
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
    let ledger = Ledger { notifications: [id(2)].into(), ..Ledger::default() };
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
