//! What a query in TicketSQL or AssetSQL finds.

use jiff::Timestamp;

use super::asset::{ARM_ID, Asset};
use super::desk::Desk;
use super::settings::{Right, Switches};
use super::sql::{Comparison, Operator, custom_field};
use super::ticket::Ticket;

type Test<T> = Box<dyn Fn(&T) -> bool>;

/// The tickets that match and were born by then, in the order of their ids.
pub(super) fn tickets<'a>(
    desk: &'a Desk,
    comparisons: &[Comparison],
    born_by: Timestamp,
) -> Result<Vec<&'a Ticket>, String> {
    let switches = &desk.settings.switches;
    let tests: Vec<Test<Ticket>> =
        comparisons.iter().map(|one| ticket_test(one, switches)).collect::<Result<_, _>>()?;
    let is_shown = |ticket: &&Ticket| {
        ticket.merged_into.is_none() && ticket.status != "deleted" && ticket.created <= born_by
    };
    if switches.lacks(Right::ShowTicket) {
        return Ok(Vec::new());
    }
    let matches = |ticket: &&Ticket| tests.iter().all(|test| test(ticket));
    Ok(desk.tickets.iter().filter(is_shown).filter(matches).collect())
}

/// The assets that match, in the order of their ids; deleted ones too unless the query excludes them.
pub(super) fn assets<'a>(desk: &'a Desk, comparisons: &[Comparison]) -> Result<Vec<&'a Asset>, String> {
    let switches = &desk.settings.switches;
    let tests: Vec<Test<Asset>> =
        comparisons.iter().map(|one| asset_test(one, switches)).collect::<Result<_, _>>()?;
    Ok(desk.assets.iter().filter(|asset| tests.iter().all(|test| test(asset))).collect())
}

fn ticket_test(comparison: &Comparison, switches: &Switches) -> Result<Test<Ticket>, String> {
    let value = comparison.value.clone();
    if let Some(name) = custom_field(&comparison.field) {
        let name = name.to_owned();
        let is_hidden = switches.lacks(Right::SeeCustomField);
        return match comparison.operator {
            Operator::Is if switches.search_ignores_custom_fields => Ok(Box::new(|_| true)),
            Operator::Is => Ok(Box::new(move |ticket| {
                let stored = ticket.custom_fields.get(&name).filter(|_| !is_hidden);
                stored.is_some_and(|stored| same_ignoring_case(stored, &value))
            })),
            Operator::IsNot | Operator::Like => Err(unknown(comparison)),
        };
    }
    match (comparison.field.as_str(), comparison.operator) {
        ("Queue", Operator::Is) => Ok(Box::new(move |ticket| same_ignoring_case(&ticket.queue, &value))),
        ("Status", Operator::Is) if value == "__Active__" => {
            let statuses = switches.statuses.clone();
            Ok(Box::new(move |ticket| statuses.is_active(&ticket.status)))
        }
        ("Status", Operator::IsNot) => Ok(Box::new(move |ticket| ticket.status != value)),
        ("id", Operator::Is) => {
            let id: u64 = value.parse().map_err(|_| unknown(comparison))?;
            Ok(Box::new(move |ticket| ticket.id == id))
        }
        _ => Err(unknown(comparison)),
    }
}

fn asset_test(comparison: &Comparison, switches: &Switches) -> Result<Test<Asset>, String> {
    let value = comparison.value.clone();
    if let Some(name) = custom_field(&comparison.field) {
        let is_known = name == ARM_ID && !switches.lacks(Right::SeeCustomField);
        return match comparison.operator {
            Operator::Is if switches.search_ignores_custom_fields => Ok(Box::new(|_| true)),
            Operator::Is => {
                Ok(Box::new(move |asset| is_known && same_ignoring_case(&asset.seed.arm_id, &value)))
            }
            Operator::IsNot | Operator::Like => Err(unknown(comparison)),
        };
    }
    match (comparison.field.as_str(), comparison.operator) {
        ("Catalog", Operator::Is) => {
            Ok(Box::new(move |asset| same_ignoring_case(&asset.seed.catalog, &value)))
        }
        ("Name", Operator::Is) => Ok(Box::new(move |asset| asset.seed.name == value)),
        ("Name", Operator::Like) => {
            let value = value.to_lowercase();
            Ok(Box::new(move |asset| asset.seed.name.to_lowercase().contains(&value)))
        }
        ("Status", Operator::IsNot) if value == "deleted" => {
            Ok(Box::new(move |asset| asset.seed.status != value))
        }
        _ => Err(unknown(comparison)),
    }
}

/// As SQLite compares without regard to case: only ASCII letters have one.
fn same_ignoring_case(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

fn unknown(comparison: &Comparison) -> String {
    format!("Wrong query, the simulator does not know this comparison of '{}'", comparison.field)
}
