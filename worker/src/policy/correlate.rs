//! Which alerts share a ticket: a versioned hash over what the route says identifies the problem.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Changes whenever the same alert would get another key than before, so that tickets of the old recipe are
/// still told apart.
const RECIPE: &str = "sx1";

/// The correlation key: recipe, then 64 hexadecimal digits. A ticket's correlation id is this and the end of the
/// ticket's own id.
///
/// Tenant and target are part of it, each with its length, so that neither two customers nor two ITSM
/// instances nor a cleverly chosen text can meet in one ticket.
#[must_use]
pub fn key(tenant_id: Uuid, target: &str, text: &str) -> String {
    of(&[&tenant_id.to_string(), target, text])
}

/// The correlation key of a storm's ticket. It has a part more than others, so no template gives the same.
#[must_use]
pub fn storm_key(tenant_id: Uuid, target: &str, route: &str, since: Timestamp) -> String {
    of(&[&tenant_id.to_string(), target, route, &since.to_string()])
}

fn of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{RECIPE}-{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_tenant_nor_target_nor_text_may_differ() {
        let one = key(Uuid::from_u128(1), "snow", "a");
        assert_eq!(one, key(Uuid::from_u128(1), "snow", "a"));
        assert_ne!(one, key(Uuid::from_u128(2), "snow", "a"));
        assert_ne!(one, key(Uuid::from_u128(1), "jira", "a"));
        assert_ne!(one, key(Uuid::from_u128(1), "snow", "b"));
    }

    #[test]
    fn moving_a_letter_from_one_part_to_the_next_gives_another_key() {
        let tenant = Uuid::from_u128(1);
        assert_ne!(key(tenant, "snow", "wa"), key(tenant, "snoww", "a"));
    }

    #[test]
    fn a_correlation_id_fits_the_shortest_field_we_know() {
        // ServiceNow's correlation_id holds 100 characters.
        assert!(key(Uuid::max(), "target", "text").len() + "-0123456789ab".len() <= 100);
    }

    #[test]
    fn the_recipe_has_not_changed() {
        // Open tickets are found by it: a change here needs a new RECIPE and a way to find the old ones.
        assert_eq!(
            key(Uuid::nil(), "servicenow", "x"),
            "sx1-dcda4c5f7413bd30560d4a56b80601d6dd547e5c533fb696f5d8bf12fc97bc6d"
        );
    }
}
