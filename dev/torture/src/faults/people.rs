//! People at the ITSM's desk, who resolve, close and delete incidents meanwhile.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use crate::desk::{Desk, Incident};

/// Incidents that one person takes up at a time.
const AT_A_TIME: usize = 3;
/// People look at what is new.
const YOUNGEST: usize = 200;

/// What a person does to some open incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Resolves,
    Closes,
    Deletes,
}

/// Does it to some of the youngest open incidents.
///
/// # Errors
/// When the simulator does not answer or refuses.
pub(crate) async fn act(desk: &Desk, deed: Deed, dice: &mut StdRng) -> anyhow::Result<()> {
    let mut open = desk.youngest(YOUNGEST).await?;
    open.retain(Incident::is_open);
    for incident in open.sample(dice, AT_A_TIME) {
        desk.change(&incident.number, change(deed)).await?;
    }
    Ok(())
}

fn change(deed: Deed) -> Value {
    match deed {
        Deed::Resolves => json!({"action": "edit", "fields": {
            "state": "6", "close_code": "Solution provided", "close_notes": "restarted it",
        }}),
        Deed::Closes => json!({"action": "close"}),
        Deed::Deletes => json!({"action": "delete"}),
    }
}
