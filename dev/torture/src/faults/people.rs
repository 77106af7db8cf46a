//! People at a product's desk, who resolve, close, delete and merge work items meanwhile.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::desk::{Desk, Shown};
use crate::product::Deed;

/// Work items that one person takes up at a time.
const AT_A_TIME: usize = 3;
/// People look at what is new.
const YOUNGEST: usize = 200;

/// Does it to some of the youngest open work items. What is merged becomes a part of the next one.
///
/// # Errors
/// When the simulator does not answer or refuses.
pub(crate) async fn act(desk: &Desk, deed: Deed, dice: &mut StdRng) -> anyhow::Result<()> {
    let mut open = desk.youngest(YOUNGEST).await?;
    open.retain(Shown::is_open);
    let taken: Vec<&Shown> = open.sample(dice, AT_A_TIME + 1).collect();
    for (one, next) in taken.iter().zip(taken.iter().skip(1)) {
        desk.change(deed, &one.item.number, &next.item.number).await?;
    }
    Ok(())
}
