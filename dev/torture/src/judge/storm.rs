//! Where alerts come in storms, the ledger says which ticket stands for which of them (pure). Each may have one of its own
//! or share that of the storm, so a subject has no one ticket that must be open.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, Ledger, Said, Verdict, doubles, left_open, missing};
use crate::product::Product;

/// What is wrong at one target.
pub(super) struct AtTarget<'a> {
    pub(super) target: Product,
    /// The work items that name no subject.
    pub(super) of_storms: &'a [Item],
    pub(super) ledger: &'a Ledger,
    /// Everything that was said, by alert.
    pub(super) said: &'a BTreeMap<&'a str, Vec<&'a Said>>,
}

impl AtTarget<'_> {
    /// What is wrong with a subject and the work items that name it.
    pub(super) fn of_subject(&self, said: &[&Said], own: &[Item]) -> Vec<(Verdict, String)> {
        let ids: BTreeSet<&str> = said.iter().map(|one| one.alert_id.as_str()).collect();
        let mut wrong = Vec::new();
        for id in ids {
            let stands_for = |item: &&Item| self.ledger.alerts_of(self.target, item).any(|alert| alert == id);
            let items: Vec<Item> = own.iter().chain(self.of_storms).filter(stands_for).cloned().collect();
            let excused = |one: &Said| self.ledger.excused.contains(&(self.target, one.alert_id.clone()));
            wrong.extend(missing(self.said.get(id).map_or(&[][..], Vec::as_slice), &items, excused));
        }
        let unknown = |item: &&Item| self.ledger.alerts_of(self.target, item).next().is_none();
        wrong.extend(own.iter().filter(unknown).map(unasked));
        wrong.extend(own.iter().filter_map(|item| self.open_for_nothing(item)));
        wrong
    }

    /// What is wrong with the work items that name no subject.
    pub(super) fn of_storms(&self) -> Vec<(Verdict, String)> {
        let mut storms: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for item in self.of_storms {
            if self.ledger.is_of_storm(self.target, item) {
                storms.entry(item.correlation_key()).or_default().push(item.clone());
            } else {
                wrong.push(unasked(item));
            }
        }
        wrong.extend(storms.values().flat_map(|items| doubles(items)));
        wrong.extend(storms.values().flatten().filter_map(|item| self.open_for_nothing(item)));
        wrong
    }

    fn open_for_nothing(&self, item: &Item) -> Option<(Verdict, String)> {
        let alerts = self.ledger.alerts_of(self.target, item);
        let said: Vec<&Said> = alerts.filter_map(|alert| self.said.get(alert)).flatten().copied().collect();
        left_open(&said, std::slice::from_ref(item))
    }
}

fn unasked(item: &Item) -> (Verdict, String) {
    (Verdict::Doubled, format!("nobody asked for {}", item.number))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::super::{Condition, Finding, Held, ItemState, NO_SUBJECT, Ticket, judge, touched};
    use super::*;
    use crate::traffic::FIRST_SUBJECT;
    use crate::ways::Way;
    use Condition::{Fired, Resolved};
    use ItemState::{Open, Over};

    const HERE: Product = Product::ServiceNow;
    /// Of two subjects that come in a storm.
    const FIRST: u64 = FIRST_SUBJECT + 1;
    const SECOND: u64 = FIRST_SUBJECT + 6;

    fn said(subject: u64, condition: Condition, second: i64) -> Said {
        Said {
            subject,
            alert_id: format!("/{subject}"),
            condition,
            at: Timestamp::from_second(second).unwrap(),
            acknowledged: true,
            ids: [Uuid::nil()].into(),
        }
    }

    fn item(correlation_id: &str, state: ItemState) -> Item {
        Item {
            number: correlation_id.to_owned(),
            correlation_id: correlation_id.to_owned(),
            state,
            ended_by_person: false,
            touched: false,
            closed_as_duplicate: false,
        }
    }

    fn ticket(correlation_id: &str, of_storm: bool, subjects: &[u64]) -> ((Product, String), Ticket) {
        let ticket = Ticket {
            target: HERE,
            route: Way::Storm.name().to_owned(),
            correlation_id: correlation_id.to_owned(),
            drawn_at: Timestamp::UNIX_EPOCH,
            follows: false,
            ended: false,
            of_storm,
            flapping: false,
            made: true,
            made_after_s: None,
            resolved_after_s: None,
            alerts: subjects.iter().map(|subject| format!("/{subject}")).collect(),
            rules: BTreeSet::new(),
        };
        ((HERE, correlation_id.to_owned()), ticket)
    }

    /// The first subject has a ticket of its own, `own-1`, and the second only that of the storm, `storm-1`.
    fn ledger() -> Ledger {
        let tickets = [ticket("own-1", false, &[FIRST]), ticket("storm-1", true, &[SECOND])];
        Ledger { notifications: [Uuid::nil()].into(), tickets: tickets.into(), ..Ledger::default() }
    }

    fn held(own: ItemState, storms: Vec<Item>) -> Held {
        [(HERE, [(FIRST, vec![item("own-1", own)]), (NO_SUBJECT, storms)].into())].into()
    }

    fn found(said: &[Said], held: &Held) -> Vec<(u64, Verdict)> {
        judge(said, held, &ledger())
            .into_iter()
            .map(|Finding { subject, verdict, .. }| (subject, verdict))
            .collect()
    }

    #[test]
    fn an_alert_over_the_limit_needs_the_ticket_of_its_storm_and_it_alone() {
        assert_eq!((Way::of(FIRST), Way::of(SECOND)), (Way::Storm, Way::Storm));
        let fire = [said(FIRST, Fired, 1), said(SECOND, Fired, 1)];
        assert_eq!(found(&fire, &held(Open, vec![item("storm-1", Open)])), []);
        assert_eq!(found(&fire, &held(Open, vec![])), [(SECOND, Verdict::Lost)]);
        assert_eq!(found(&fire, &held(Open, vec![item("storm-1", Over)])), [(SECOND, Verdict::WrongState)]);
        assert_eq!(found(&fire, &held(Over, vec![item("storm-1", Open)])), [(FIRST, Verdict::WrongState)]);
    }

    #[test]
    fn the_ticket_of_a_storm_is_over_with_the_last_of_its_alerts() {
        let over = [said(FIRST, Fired, 1), said(SECOND, Fired, 1), said(SECOND, Resolved, 2)];
        assert_eq!(found(&over, &held(Open, vec![item("storm-1", Over)])), []);
        let open = found(&over, &held(Open, vec![item("storm-1", Open)]));
        assert_eq!(open, [(NO_SUBJECT, Verdict::WrongState)]);
    }

    #[test]
    fn a_storm_has_one_ticket_and_what_the_ledger_does_not_know_is_none() {
        let fire = [said(FIRST, Fired, 1), said(SECOND, Fired, 1)];
        let twice = held(Open, vec![item("storm-1", Open), item("storm-1", Open)]);
        assert_eq!(found(&fire, &twice), [(NO_SUBJECT, Verdict::Doubled)]);
        let unknown = held(Open, vec![item("storm-1", Open), item("another-1", Over)]);
        assert_eq!(found(&fire, &unknown), [(NO_SUBJECT, Verdict::Doubled)]);
    }

    #[test]
    fn whoever_takes_up_the_ticket_of_a_storm_touches_all_that_fire_in_it() {
        let fire = [said(FIRST, Fired, 1), said(SECOND, Fired, 1)];
        let taken_up = held(Open, vec![Item { touched: true, ..item("storm-1", Over) }]);
        assert_eq!(touched(&fire, &taken_up, &ledger()), [(HERE, SECOND)].into());
    }
}
