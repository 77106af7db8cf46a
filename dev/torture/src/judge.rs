//! Who is right (pure): what was said and acknowledged, against what every ITSM and the ledger finally hold.
//!
//! All alerts of one rule are one subject and share a ticket, and so do those of several rules that are grouped. What was
//! acknowledged is owed; what was not may have happened all the same, so where only such a report decides, both ends are
//! right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::product::Product;
use crate::ways::Way;

mod said;
mod storm;
mod tickets;

use self::said::by_alert;
pub(crate) use self::said::{Condition, Expected, Said, by_subject, end_of_alert, expected};
pub(crate) use self::tickets::{Gone, Ticket, gone};

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

/// Under which are the work items that name no subject: those of storms.
pub(crate) const NO_SUBJECT: u64 = 0;

/// What every ITSM holds of each subject.
pub(crate) type Held = BTreeMap<Product, BTreeMap<u64, Vec<Item>>>;

/// What the ledger holds.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) notifications: BTreeSet<Uuid>,
    /// Targets and alert ids in lower case for which the ledger says why there is no ticket.
    pub(crate) excused: BTreeSet<(Product, String)>,
    /// By target and correlation id.
    pub(crate) tickets: BTreeMap<(Product, String), Ticket>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Lost,
    Doubled,
    WrongState,
    /// A ticket is not as the rule that makes it says.
    AgainstRule,
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

impl Item {
    /// What the alerts of the tickets with this key have in common.
    fn correlation_key(&self) -> &str {
        self.correlation_id.rsplit_once('-').map_or(&self.correlation_id, |(key, _)| key)
    }
}

impl Ledger {
    /// The alerts for which a work item stands; none for one that the ledger does not know.
    fn alerts_of(&self, target: Product, item: &Item) -> impl Iterator<Item = &str> {
        let ticket = self.tickets.get(&(target, item.correlation_id.clone()));
        ticket.into_iter().flat_map(|ticket| &ticket.alerts).map(String::as_str)
    }

    fn is_of_storm(&self, target: Product, item: &Item) -> bool {
        self.tickets.get(&(target, item.correlation_id.clone())).is_some_and(|ticket| ticket.of_storm)
    }
}

/// Subjects of which an alert fires although a person has taken a work item of theirs into their own hands, and where.
pub(crate) fn touched(said: &[Said], held: &Held, ledger: &Ledger) -> BTreeSet<(Product, u64)> {
    let subject_of = tickets::subjects(said);
    let subjects = by_subject(said);
    let fires = |subject: &u64| subjects.get(subject).is_some_and(|said| expected(said) != Expected::Over);
    let mut touched = BTreeSet::new();
    for (&product, items) in held {
        for (subject, item) in
            items.iter().flat_map(|(subject, items)| items.iter().map(move |item| (subject, item)))
        {
            if item.touched {
                let sharing = ledger.alerts_of(product, item).filter_map(|alert| subject_of.get(alert));
                touched.extend(sharing.chain([subject]).filter(|one| fires(one)).map(|one| (product, *one)));
            }
        }
    }
    touched
}

/// Judges every subject that anything was said about at every target, and every work item.
pub(crate) fn judge(said: &[Said], held: &Held, ledger: &Ledger) -> Vec<Finding> {
    let subjects = by_subject(said);
    let mut findings = Vec::new();
    for (&subject, said) in &subjects {
        let finding = |(verdict, why)| Finding { subject, target: None, verdict, why };
        findings.extend(lost_notifications(said, ledger).map(finding));
    }
    let by_alert = by_alert(said);
    for (&target, items) in held {
        let of_subject = |subject| items.get(&subject).map_or(&[][..], Vec::as_slice);
        let finding = |subject, (verdict, why)| Finding { subject, target: Some(target), verdict, why };
        let stormy = storm::AtTarget { target, of_storms: of_subject(NO_SUBJECT), ledger, said: &by_alert };
        for (&subject, said) in &subjects {
            let items = of_subject(subject);
            let excused = |one: &Said| ledger.excused.contains(&(target, one.alert_id.clone()));
            let wrong = match Way::of(subject) {
                Way::Storm => stormy.of_subject(said, items),
                Way::Plain | Way::Grouped | Way::Damped | Way::Flapping | Way::Copied => {
                    missing(said, items, excused).or_else(|| left_open(said, items)).into_iter().collect()
                }
            };
            findings.extend(doubles(items).chain(wrong).map(|wrong| finding(subject, wrong)));
        }
        findings.extend(stormy.of_storms().into_iter().map(|wrong| finding(NO_SUBJECT, wrong)));
        let unasked = items.iter().filter(|(one, _)| **one != NO_SUBJECT && !subjects.contains_key(one));
        findings.extend(unasked.map(|(&subject, items)| Finding {
            subject,
            target: Some(target),
            verdict: Verdict::Doubled,
            why: format!("nobody asked for {}", numbers(items.iter())),
        }));
    }
    findings.extend(tickets::broken_rules(said, ledger.tickets.values()));
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

/// Why an alert that fires, or that nothing excuses, is without what it needs.
fn missing(said: &[&Said], items: &[Item], is_excused: impl Fn(&Said) -> bool) -> Option<(Verdict, String)> {
    let acknowledged = || said.iter().filter(|one| one.acknowledged);
    let excused = || acknowledged().all(|one| is_excused(one));
    match (expected(said), open(items).count()) {
        (Expected::Open, 0) if items.is_empty() => {
            Some((Verdict::Lost, "an alert fires and there is no ticket".to_owned()))
        }
        (Expected::Open, 0) => {
            Some((Verdict::WrongState, format!("an alert fires and {} is over", numbers(items.iter()))))
        }
        (Expected::Over | Expected::Either, 0)
            if items.is_empty() && acknowledged().next().is_some() && !excused() =>
        {
            Some((Verdict::Lost, "there is no ticket and the ledger does not say why".to_owned()))
        }
        (Expected::Open | Expected::Over | Expected::Either, _) => None,
    }
}

fn left_open(said: &[&Said], items: &[Item]) -> Option<(Verdict, String)> {
    let is_over = expected(said) == Expected::Over && open(items).next().is_some();
    is_over.then(|| {
        (Verdict::WrongState, format!("every alert is resolved and {} is open", numbers(open(items))))
    })
}

fn open(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.iter().filter(|item| item.state == ItemState::Open && !item.closed_as_duplicate)
}

fn numbers<'a>(items: impl Iterator<Item = &'a Item>) -> String {
    items.map(|item| item.number.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
