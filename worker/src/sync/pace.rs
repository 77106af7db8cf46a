//! When open tickets are looked at again (pure): at an even pace, however many there are.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::looks::Planned;

/// What the pace is counted in. No look is planned further ahead.
const MINUTE: Duration = Duration::from_secs(60);

/// Section `[sync.look_again]`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookAgainSettings {
    /// How long after the last look or change; zero for never.
    #[serde(with = "shared::settings::duration")]
    pub every: Duration,
    /// Tickets of each target that are looked at in a minute, over all workers; up to twice as many in the minute after it
    /// was down.
    pub per_minute: u32,
}

/// The next instants that a ticket each may be looked at, in order.
///
/// As many as do not make more wait than a minute can take: what a target that is down has missed is not made up for.
/// Once it is back, what waits is looked at at once, beside what is planned then: up to twice the pace in that minute.
#[must_use]
pub fn slots(planned: &Planned, per_minute: u32) -> Vec<Timestamp> {
    let room = per_minute.saturating_sub(planned.waiting);
    let step = MINUTE / per_minute.max(1);
    let from = planned.until.unwrap_or(planned.now).max(planned.now);
    let end = planned.now.saturating_add(MINUTE).unwrap_or(planned.now);
    let slot = |number| from.saturating_add(step.saturating_mul(number)).unwrap_or(end);
    (0..room).map(slot).take_while(|slot| *slot < end).collect()
}

/// Up to where looks are planned after the last of these slots.
#[must_use]
pub fn until(last: Timestamp, per_minute: u32) -> Timestamp {
    last.saturating_add(MINUTE / per_minute.max(1)).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// When tickets were looked at while a sweep came every so many seconds, and the target was down now and then.
    fn looks(
        tickets: usize,
        per_minute: u32,
        sweep_every: usize,
        is_down: impl Fn(i64) -> bool,
        seconds: i64,
    ) -> Vec<(i64, usize)> {
        let mut idle: VecDeque<usize> = (0..tickets).collect();
        let mut waiting: VecDeque<(Timestamp, usize)> = VecDeque::new();
        let (mut planned_until, mut done) = (None, Vec::new());
        for now in 0..seconds {
            if usize::try_from(now).unwrap() % sweep_every == 0 {
                let planned = Planned {
                    now: second(now),
                    until: planned_until,
                    waiting: u32::try_from(waiting.len()).unwrap(),
                };
                for slot in slots(&planned, per_minute) {
                    let Some(ticket) = idle.pop_front() else { break };
                    waiting.push_back((slot, ticket));
                    planned_until = Some(until(slot, per_minute));
                }
            }
            while let Some((_, ticket)) = waiting.pop_front_if(|(at, _)| *at <= second(now) && !is_down(now))
            {
                done.push((now, ticket));
                idle.push_back(ticket);
            }
        }
        done
    }

    fn most_in_a_minute(looks: &[(i64, usize)]) -> usize {
        let (mut window, mut most) = (VecDeque::new(), 0);
        for (now, _) in looks {
            window.push_back(*now);
            while window.pop_front_if(|at| *at <= *now - 60).is_some() {}
            most = most.max(window.len());
        }
        most
    }

    #[test]
    fn ten_thousand_tickets_are_each_looked_at_once_a_round_at_the_limited_pace() {
        let (tickets, per_minute) = (10_000, 60);
        for sweep_every in [1, 7, 60] {
            let round = i64::try_from(tickets).unwrap() + 60;
            let looks = looks(tickets, per_minute, sweep_every, |_| false, round);
            assert!(most_in_a_minute(&looks) <= 60, "{sweep_every}: {}", most_in_a_minute(&looks));
            let mut times = vec![0; tickets];
            looks.iter().for_each(|(_, ticket)| times[*ticket] += 1);
            assert_eq!(times.iter().min(), Some(&1), "{sweep_every}");
            assert!(times.iter().all(|times| *times <= 2), "{sweep_every}");
        }
    }

    #[test]
    fn a_target_that_was_down_is_asked_at_most_twice_as_much_for_a_minute_and_at_the_usual_pace_after_it() {
        for back_at in [3_961, 3_990, 4_000, 4_019, 4_020] {
            let looks = looks(10_000, 60, 60, |now| (100..back_at).contains(&now), 4_600);
            let since = |second| looks.iter().copied().filter(|(at, _)| *at >= second).collect::<Vec<_>>();
            let (back, later) = (since(back_at), since(back_at + 60));
            let at_once = back.iter().filter(|(at, _)| *at == back_at).count();
            assert!(at_once <= 60 && most_in_a_minute(&back) <= 120, "{back_at}: {at_once}");
            assert!(most_in_a_minute(&later) <= 60, "{back_at}");
            assert!(back.len() > 500, "{}", back.len());
        }
    }

    #[test]
    fn no_more_wait_than_a_minute_can_take() {
        let planned = Planned { now: second(0), until: None, waiting: 58 };
        assert_eq!(slots(&planned, 60), [second(0), second(1)]);
        assert_eq!(slots(&Planned { waiting: 90, ..planned }, 60), []);
        assert_eq!(slots(&Planned { until: Some(second(59)), waiting: 0, ..planned }, 60), [second(59)]);
    }
}
