//! Which fault strikes when (pure): the same seed gives the same schedule.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::product::{Deed, Product};

/// Everything that is done to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    KillIngest,
    KillWorker,
    StopWorker,
    KillBroker,
    StopBroker,
    BrokerAlarm,
    QueueFull,
    Poison,
    KillDatabase,
    StopDatabase,
    DatabaseConnections,
    DatabaseDeadlock,
    DatabaseFull,
    NetworkCut,
    NetworkRefuse,
    NetworkHold,
    NetworkHoldAnswers,
    NetworkDelay,
    Itsm(Product, Failing),
    Person(Product, Deed),
}

/// How an ITSM fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failing {
    Status500,
    Status503,
    Status429,
    Timeout,
    ResetBefore,
    ResetAfter,
    ErrorIn200,
    Html,
    TokenExpired,
    SearchLag,
}

/// Faults of one lane come one after the other; lanes run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Ingests,
    Workers,
    Broker,
    Database,
    Network,
    Itsm(Product),
    People(Product),
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    /// After the start.
    pub(crate) at: Duration,
    pub(crate) kind: Kind,
    /// Which of those that it can strike, modulo their number.
    pub(crate) subject: usize,
    pub(crate) length: Duration,
}

/// All faults of a run, in the order in which they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) planned: Vec<Planned>,
}

impl Kind {
    /// Every kind once.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![
            Self::KillIngest,
            Self::KillWorker,
            Self::StopWorker,
            Self::KillBroker,
            Self::StopBroker,
            Self::BrokerAlarm,
            Self::QueueFull,
            Self::Poison,
            Self::KillDatabase,
            Self::StopDatabase,
            Self::DatabaseConnections,
            Self::DatabaseDeadlock,
            Self::DatabaseFull,
            Self::NetworkCut,
            Self::NetworkRefuse,
            Self::NetworkHold,
            Self::NetworkHoldAnswers,
            Self::NetworkDelay,
        ];
        for product in Product::ALL {
            all.extend(Failing::ALL.map(|failing| Self::Itsm(product, failing)));
            all.extend(product.deeds().iter().map(|deed| Self::Person(product, *deed)));
        }
        all
    }

    pub(crate) fn lane(self) -> Lane {
        match self {
            Self::KillIngest => Lane::Ingests,
            Self::KillWorker | Self::StopWorker => Lane::Workers,
            Self::KillBroker | Self::StopBroker | Self::BrokerAlarm | Self::QueueFull | Self::Poison => {
                Lane::Broker
            }
            Self::KillDatabase
            | Self::StopDatabase
            | Self::DatabaseConnections
            | Self::DatabaseDeadlock
            | Self::DatabaseFull => Lane::Database,
            Self::NetworkCut
            | Self::NetworkRefuse
            | Self::NetworkHold
            | Self::NetworkHoldAnswers
            | Self::NetworkDelay => Lane::Network,
            Self::Itsm(product, _) => Lane::Itsm(product),
            Self::Person(product, _) => Lane::People(product),
        }
    }

    /// Shortest and longest, in milliseconds.
    fn length_ms(self) -> (u64, u64) {
        match self {
            // Longer than the lease of the run.
            Self::StopWorker => (14_000, 18_000),
            Self::KillIngest | Self::KillWorker | Self::KillBroker | Self::KillDatabase => (0, 5_000),
            Self::Poison | Self::NetworkCut => (0, 500),
            Self::Person(..) => (0, 500),
            Self::Itsm(..) => (2_000, 5_000),
            Self::StopBroker
            | Self::BrokerAlarm
            | Self::QueueFull
            | Self::StopDatabase
            | Self::DatabaseConnections
            | Self::DatabaseDeadlock
            | Self::DatabaseFull
            | Self::NetworkRefuse
            | Self::NetworkHold
            | Self::NetworkHoldAnswers
            | Self::NetworkDelay => (2_000, 6_000),
        }
    }
}

/// As printed and reported.
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::KillIngest => "kill_ingest",
            Self::KillWorker => "kill_worker",
            Self::StopWorker => "stop_worker",
            Self::KillBroker => "kill_broker",
            Self::StopBroker => "stop_broker",
            Self::BrokerAlarm => "broker_alarm",
            Self::QueueFull => "queue_full",
            Self::Poison => "poison",
            Self::KillDatabase => "kill_database",
            Self::StopDatabase => "stop_database",
            Self::DatabaseConnections => "database_connections",
            Self::DatabaseDeadlock => "database_deadlock",
            Self::DatabaseFull => "database_full",
            Self::NetworkCut => "network_cut",
            Self::NetworkRefuse => "network_refuse",
            Self::NetworkHold => "network_hold",
            Self::NetworkHoldAnswers => "network_hold_answers",
            Self::NetworkDelay => "network_delay",
            Self::Itsm(product, failing) => &format!("{product}/{}", failing.name()),
            Self::Person(product, deed) => &format!("{product}/{}", deed.name()),
        };
        formatter.pad(name)
    }
}

impl Failing {
    const ALL: [Self; 10] = [
        Self::Status500,
        Self::Status503,
        Self::Status429,
        Self::Timeout,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::ErrorIn200,
        Self::Html,
        Self::TokenExpired,
        Self::SearchLag,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Status500 => "500",
            Self::Status503 => "503",
            Self::Status429 => "429",
            Self::Timeout => "timeout",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::ErrorIn200 => "error_in_200",
            Self::Html => "html",
            Self::TokenExpired => "token_expired",
            Self::SearchLag => "search_lag",
        }
    }
}

impl Lane {
    pub(crate) const ALL: [Self; 9] = [
        Self::Ingests,
        Self::Workers,
        Self::Broker,
        Self::Database,
        Self::Network,
        Self::Itsm(Product::ServiceNow),
        Self::People(Product::ServiceNow),
        Self::Itsm(Product::RequestTracker),
        Self::People(Product::RequestTracker),
    ];

    /// Shortest and longest time between two faults of the lane, in milliseconds: work must get on in between.
    fn pause_ms(self) -> (u64, u64) {
        match self {
            Self::Ingests | Self::Workers => (4_000, 12_000),
            Self::Broker => (6_000, 14_000),
            Self::Database => (5_000, 12_000),
            Self::Network | Self::People(_) => (1_000, 6_000),
            Self::Itsm(_) => (1_000, 5_000),
        }
    }
}

impl Schedule {
    /// Faults that begin and, as far as they know, end within `length`.
    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        let mut planned: Vec<Planned> = Lane::ALL
            .into_iter()
            .zip(1..)
            .flat_map(|(lane, salt)| of_lane(lane, seed ^ (salt << 56), length))
            .collect();
        planned.sort_by_key(|planned| planned.at);
        Self { planned }
    }

    /// The faults of one lane, in their order.
    pub(crate) fn lane(&self, lane: Lane) -> impl Iterator<Item = &Planned> {
        self.planned.iter().filter(move |planned| planned.kind.lane() == lane)
    }
}

/// Every kind once in a random order, then again in another.
fn of_lane(lane: Lane, seed: u64, length: Duration) -> Vec<Planned> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut kinds: Vec<Kind> = Kind::all().into_iter().filter(|kind| kind.lane() == lane).collect();
    let (mut planned, mut now) = (Vec::new(), Duration::ZERO);
    loop {
        kinds.shuffle(&mut dice);
        for &kind in &kinds {
            let milliseconds =
                |dice: &mut StdRng, (least, most)| Duration::from_millis(dice.random_range(least..=most));
            now += milliseconds(&mut dice, lane.pause_ms());
            let lasts = milliseconds(&mut dice, kind.length_ms());
            if now + lasts > length {
                return planned;
            }
            planned.push(Planned { at: now, kind, subject: dice.random_range(0..1_000), length: lasts });
            now += lasts;
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned { at, kind, subject, length } in &self.planned {
            let (at, length) = (at.as_secs_f64(), length.as_secs_f64());
            writeln!(formatter, "{at:>8.1}s {kind:<30} for {length:>4.1}s of {subject}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(minutes: u64, kind: Kind) -> usize {
        let schedule = Schedule::new(7, Duration::from_secs(minutes * 60));
        schedule.planned.iter().filter(|planned| planned.kind == kind).count()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        let minute = Duration::from_secs(60);
        assert_eq!(Schedule::new(7, minute), Schedule::new(7, minute));
        assert_ne!(Schedule::new(7, minute), Schedule::new(8, minute));
    }

    #[test]
    fn every_kind_comes_once_in_two_minutes_and_ten_times_in_twenty() {
        for kind in Kind::all() {
            assert!(times(2, kind) >= 1, "{kind}: {}", times(2, kind));
            assert!(times(20, kind) >= 10, "{kind}: {}", times(20, kind));
        }
    }
}
