//! What the ledger says of its tickets, and what of it breaks a rule by which they are made (pure).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Finding, NO_SUBJECT, Said, Verdict};
use crate::product::Product;
use crate::ways::{OPEN_AFTER, RESOLVE_AFTER, STORM_INTERVAL, STORM_LIMIT, Way};

/// Ids of tickets tell their milliseconds.
const INSTANT_IS_EXACT_TO: SignedDuration = SignedDuration::from_millis(2);

/// A ticket in the ledger, with those of people and of the storms among them.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) target: Product,
    pub(crate) route: String,
    pub(crate) correlation_id: String,
    /// When its id was drawn: after the count of new tickets was locked, and before the next one could count.
    pub(crate) drawn_at: Timestamp,
    /// Another one had its key before: people may have ended that, and then nobody counts this one.
    pub(crate) follows: bool,
    /// Another one has its key now.
    pub(crate) ended: bool,
    /// It stands for what is over the limit.
    pub(crate) of_storm: bool,
    pub(crate) flapping: bool,
    /// There is a work item.
    pub(crate) made: bool,
    /// Seconds from its row to the first call that could make its work item.
    pub(crate) made_after_s: Option<f64>,
    /// Seconds from the last resolution that was heard to the last call that resolves it.
    pub(crate) resolved_after_s: Option<f64>,
    /// Ids in lower case.
    pub(crate) alerts: BTreeSet<String>,
    /// Names of alert rules.
    pub(crate) rules: BTreeSet<String>,
}

/// How many of the tickets show that a way was gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Gone {
    /// Those for which a ticket stands, each once.
    pub(crate) alerts: usize,
    pub(crate) tickets: usize,
    /// What only this way does, by what it is.
    pub(crate) shown: BTreeMap<&'static str, usize>,
}

/// What the tickets show of a way.
pub(crate) fn gone<'a>(way: Way, tickets: impl Iterator<Item = &'a Ticket>) -> Gone {
    let of_way = |ticket: &&Ticket| ticket.route == way.route(ticket.target);
    let tickets: Vec<&Ticket> = tickets.filter(of_way).collect();
    let count = |shows: &dyn Fn(&Ticket) -> bool| tickets.iter().filter(|ticket| shows(ticket)).count();
    let alerts = tickets.iter().flat_map(|ticket| &ticket.alerts).collect::<BTreeSet<_>>().len();
    let shown = match way {
        Way::Plain => BTreeMap::from([("with a work item", count(&|ticket| ticket.made))]),
        Way::Grouped => BTreeMap::from([("of several rules", count(&|ticket| ticket.rules.len() > 1))]),
        Way::Damped => BTreeMap::from([
            ("never made", count(&|ticket| !ticket.made && !ticket.ended)),
            ("resolved late", count(&|ticket| ticket.resolved_after_s >= Some(RESOLVE_AFTER.as_secs_f64()))),
        ]),
        Way::Flapping => BTreeMap::from([("flapping", count(&|ticket| ticket.flapping))]),
        Way::Storm => BTreeMap::from([
            ("for a storm", count(&|ticket| ticket.of_storm && ticket.alerts.len() > 1)),
            ("within the limit", count(&|ticket| !ticket.of_storm)),
        ]),
        Way::Copied => Product::ALL
            .into_iter()
            .map(|target| (way.route(target), count(&|ticket| ticket.target == target && ticket.made)))
            .collect(),
    };
    Gone { alerts, tickets: tickets.len(), shown }
}

impl Gone {
    /// Whether anything went this way, and met what it is there for.
    pub(crate) fn is_seen(&self) -> bool {
        self.alerts > 0 && self.shown.values().all(|count| *count > 0)
    }
}

/// Which subject each alert is of.
pub(super) fn subjects(said: &[Said]) -> BTreeMap<&str, u64> {
    said.iter().map(|one| (one.alert_id.as_str(), one.subject)).collect()
}

/// What is wrong with tickets whatever their work items are.
pub(super) fn broken_rules<'a>(
    said: &[Said],
    tickets: impl Iterator<Item = &'a Ticket> + Clone,
) -> Vec<Finding> {
    let subjects = subjects(said);
    let subject_of = |alert: &str| subjects.get(alert).copied().unwrap_or(NO_SUBJECT);
    let mut findings = Vec::new();
    let mut standing: BTreeMap<(Product, &str), Vec<&Ticket>> = BTreeMap::new();
    for ticket in tickets.clone() {
        let target = Some(ticket.target);
        for alert in &ticket.alerts {
            let subject = subject_of(alert);
            let meant = Way::of(subject).route(ticket.target);
            if ticket.route != meant {
                let why = format!("{} is by {} and not by {meant}", ticket.correlation_id, ticket.route);
                findings.push(Finding { subject, target, verdict: Verdict::AgainstRule, why });
            }
            if !ticket.ended {
                standing.entry((ticket.target, alert)).or_default().push(ticket);
            }
        }
        let waits = ticket.route == Way::Damped.route(ticket.target) && !ticket.follows;
        if let Some(after) = ticket.made_after_s.filter(|after| waits && *after < OPEN_AFTER.as_secs_f64()) {
            let subject = ticket.alerts.first().map_or(NO_SUBJECT, |alert| subject_of(alert));
            let why = format!(
                "{} was made after {after} s, and {OPEN_AFTER:?} were to wait",
                ticket.correlation_id
            );
            findings.push(Finding { subject, target, verdict: Verdict::AgainstRule, why });
        }
    }
    for ((target, alert), all) in standing.iter().filter(|(_, all)| all.len() > 1) {
        let ids: Vec<&str> = all.iter().map(|ticket| ticket.correlation_id.as_str()).collect();
        let why = format!("{alert} has several tickets at once: {}", ids.join(", "));
        let (subject, target) = (subject_of(alert), Some(*target));
        findings.push(Finding { subject, target, verdict: Verdict::Doubled, why });
    }
    findings.extend(Product::ALL.into_iter().filter_map(|target| over_the_limit(target, tickets.clone())));
    findings
}

/// More new tickets at a target than a storm lets through. Windows begin with an event and are not kept, but whatever
/// interval is cut out meets two of them at most.
fn over_the_limit<'a>(target: Product, tickets: impl Iterator<Item = &'a Ticket>) -> Option<Finding> {
    let route = Way::Storm.route(target);
    let counted = |ticket: &&'a Ticket| {
        ticket.target == target && ticket.route == route && !ticket.of_storm && !ticket.follows
    };
    let mut drawn: Vec<Timestamp> = tickets.filter(counted).map(|ticket| ticket.drawn_at).collect();
    drawn.sort_unstable();
    let interval =
        SignedDuration::try_from(STORM_INTERVAL).unwrap_or(SignedDuration::MAX) - INSTANT_IS_EXACT_TO;
    let most = STORM_LIMIT * 2;
    let windows = drawn.iter().zip(drawn.iter().skip(most));
    let over = windows.into_iter().find(|(first, last)| last.duration_since(**first) < interval)?;
    let why = format!("more than {most} new tickets by {route} within {STORM_INTERVAL:?} from {}", over.0);
    Some(Finding { subject: NO_SUBJECT, target: Some(target), verdict: Verdict::AgainstRule, why })
}

#[cfg(test)]
mod tests {
    use super::super::Condition;
    use super::*;
    use crate::traffic::FIRST_SUBJECT;

    const HERE: Product = Product::ServiceNow;

    fn subject(way: Way) -> u64 {
        (FIRST_SUBJECT..).find(|subject| Way::of(*subject) == way).unwrap()
    }

    fn said(way: Way) -> Said {
        Said {
            subject: subject(way),
            alert_id: "/a".to_owned(),
            condition: Condition::Fired,
            at: Timestamp::UNIX_EPOCH,
            acknowledged: true,
            ids: BTreeSet::new(),
        }
    }

    fn ticket(way: Way) -> Ticket {
        Ticket {
            target: HERE,
            route: way.route(HERE).to_owned(),
            correlation_id: "k-1".to_owned(),
            drawn_at: Timestamp::UNIX_EPOCH,
            follows: false,
            ended: false,
            of_storm: false,
            flapping: false,
            made: true,
            made_after_s: Some(OPEN_AFTER.as_secs_f64()),
            resolved_after_s: None,
            alerts: ["/a".to_owned()].into(),
            rules: BTreeSet::new(),
        }
    }

    fn verdicts(way: Way, tickets: &[Ticket]) -> Vec<Verdict> {
        broken_rules(&[said(way)], tickets.iter()).into_iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn every_ticket_is_made_by_the_rule_that_is_for_its_alerts() {
        assert_eq!(verdicts(Way::Grouped, &[ticket(Way::Grouped)]), []);
        assert_eq!(verdicts(Way::Grouped, &[ticket(Way::Plain)]), [Verdict::AgainstRule]);
        let copy = Ticket { target: Product::RequestTracker, ..ticket(Way::Copied) };
        assert_eq!(verdicts(Way::Copied, &[ticket(Way::Copied), copy]), [Verdict::AgainstRule]);
    }

    #[test]
    fn no_alert_has_two_tickets_at_a_target_at_once() {
        let (one, other) = (ticket(Way::Storm), Ticket { of_storm: true, ..ticket(Way::Storm) });
        assert_eq!(verdicts(Way::Storm, &[one.clone(), other.clone()]), [Verdict::Doubled]);
        assert_eq!(verdicts(Way::Storm, &[Ticket { ended: true, ..one }, other]), []);
    }

    #[test]
    fn a_ticket_that_waits_is_not_made_early_unless_it_follows_another() {
        let early = Ticket { made_after_s: Some(0.5), ..ticket(Way::Damped) };
        assert_eq!(verdicts(Way::Damped, &[Ticket { follows: true, ..early.clone() }]), []);
        assert_eq!(verdicts(Way::Damped, &[early]), [Verdict::AgainstRule]);
        let at_once = Ticket { made_after_s: Some(0.0), ..ticket(Way::Plain) };
        assert_eq!(verdicts(Way::Plain, &[at_once]), []);
    }

    #[test]
    fn no_interval_has_more_new_tickets_than_two_windows_of_a_storm() {
        let drawn = |count: usize| {
            let ticket = |_| Ticket { ended: true, ..ticket(Way::Storm) };
            (0..count).map(ticket).collect::<Vec<_>>()
        };
        let most = STORM_LIMIT * 2;
        assert_eq!(verdicts(Way::Storm, &drawn(most)), []);
        assert_eq!(verdicts(Way::Storm, &drawn(most + 1)), [Verdict::AgainstRule]);
        let mut tickets = drawn(most + 1);
        tickets.first_mut().unwrap().of_storm = true;
        assert_eq!(verdicts(Way::Storm, &tickets), []);
        tickets.first_mut().unwrap().of_storm = false;
        tickets.first_mut().unwrap().drawn_at =
            Timestamp::UNIX_EPOCH - SignedDuration::try_from(STORM_INTERVAL).unwrap();
        assert_eq!(verdicts(Way::Storm, &tickets), []);
    }

    #[test]
    fn a_way_is_seen_only_if_it_did_what_nothing_else_does() {
        let grouped = |rules: &[&str]| {
            let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
            gone(Way::Grouped, [&Ticket { rules, ..ticket(Way::Grouped) }].into_iter())
        };
        assert!(grouped(&["one", "two"]).is_seen());
        assert!(!grouped(&["one"]).is_seen());
        let held_back = Ticket { resolved_after_s: Some(RESOLVE_AFTER.as_secs_f64()), ..ticket(Way::Damped) };
        let spared = Ticket { made: false, ..ticket(Way::Damped) };
        assert!(gone(Way::Damped, [&held_back, &spared].into_iter()).is_seen());
        assert!(!gone(Way::Damped, [&held_back].into_iter()).is_seen());
        assert!(!gone(Way::Damped, [&spared].into_iter()).is_seen());
        assert!(!gone(Way::Storm, [&held_back, &spared].into_iter()).is_seen());
    }
}
