//! What `outage` and `overload` send and measure with. Nothing here asks the system how it thinks it does.

pub(crate) mod apart;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod promises;
pub(crate) mod sightings;
pub(crate) mod spread;
pub(crate) mod tap;
