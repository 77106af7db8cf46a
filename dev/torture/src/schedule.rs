//! Which fault strikes when (pure): the same seed gives the same schedule.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

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
    Itsm500,
    Itsm503,
    Itsm429,
    ItsmTimeout,
    ItsmResetBefore,
    ItsmResetAfter,
    ItsmErrorIn200,
    ItsmHtml,
    ItsmTokenExpired,
    ItsmSearchLag,
    PersonResolves,
    PersonCloses,
    TicketDeleted,
}

/// Faults of one lane come one after the other; lanes run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Ingests,
    Workers,
    Broker,
    Database,
    Network,
    Itsm,
    People,
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
    pub(crate) const ALL: [Self; 31] = [
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
        Self::Itsm500,
        Self::Itsm503,
        Self::Itsm429,
        Self::ItsmTimeout,
        Self::ItsmResetBefore,
        Self::ItsmResetAfter,
        Self::ItsmErrorIn200,
        Self::ItsmHtml,
        Self::ItsmTokenExpired,
        Self::ItsmSearchLag,
        Self::PersonResolves,
        Self::PersonCloses,
        Self::TicketDeleted,
    ];

    /// As printed and reported.
    pub(crate) fn name(self) -> &'static str {
        match self {
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
            Self::Itsm500 => "itsm_500",
            Self::Itsm503 => "itsm_503",
            Self::Itsm429 => "itsm_429",
            Self::ItsmTimeout => "itsm_timeout",
            Self::ItsmResetBefore => "itsm_reset_before",
            Self::ItsmResetAfter => "itsm_reset_after",
            Self::ItsmErrorIn200 => "itsm_error_in_200",
            Self::ItsmHtml => "itsm_html",
            Self::ItsmTokenExpired => "itsm_token_expired",
            Self::ItsmSearchLag => "itsm_search_lag",
            Self::PersonResolves => "person_resolves",
            Self::PersonCloses => "person_closes",
            Self::TicketDeleted => "ticket_deleted",
        }
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
            Self::Itsm500
            | Self::Itsm503
            | Self::Itsm429
            | Self::ItsmTimeout
            | Self::ItsmResetBefore
            | Self::ItsmResetAfter
            | Self::ItsmErrorIn200
            | Self::ItsmHtml
            | Self::ItsmTokenExpired
            | Self::ItsmSearchLag => Lane::Itsm,
            Self::PersonResolves | Self::PersonCloses | Self::TicketDeleted => Lane::People,
        }
    }

    /// Shortest and longest, in milliseconds.
    fn length_ms(self) -> (u64, u64) {
        match self {
            // Longer than the lease of the run.
            Self::StopWorker => (14_000, 18_000),
            Self::KillIngest | Self::KillWorker | Self::KillBroker | Self::KillDatabase => (0, 5_000),
            Self::Poison | Self::NetworkCut => (0, 500),
            Self::PersonResolves | Self::PersonCloses | Self::TicketDeleted => (0, 500),
            Self::Itsm500
            | Self::Itsm503
            | Self::Itsm429
            | Self::ItsmTimeout
            | Self::ItsmResetBefore
            | Self::ItsmResetAfter
            | Self::ItsmErrorIn200
            | Self::ItsmHtml
            | Self::ItsmTokenExpired
            | Self::ItsmSearchLag => (2_000, 5_000),
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

impl Lane {
    pub(crate) const ALL: [Self; 7] =
        [Self::Ingests, Self::Workers, Self::Broker, Self::Database, Self::Network, Self::Itsm, Self::People];

    /// Shortest and longest time between two faults of the lane, in milliseconds: work must get on in between.
    fn pause_ms(self) -> (u64, u64) {
        match self {
            Self::Ingests | Self::Workers => (4_000, 12_000),
            Self::Broker => (6_000, 14_000),
            Self::Database => (5_000, 12_000),
            Self::Network | Self::People => (1_000, 6_000),
            Self::Itsm => (1_000, 5_000),
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
    let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.lane() == lane).collect();
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
            writeln!(formatter, "{at:>8.1}s {:<22} for {length:>4.1}s of {subject}", kind.name())?;
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
        for kind in Kind::ALL {
            assert!(times(2, kind) >= 1, "{}: {}", kind.name(), times(2, kind));
            assert!(times(20, kind) >= 10, "{}: {}", kind.name(), times(20, kind));
        }
    }
}
