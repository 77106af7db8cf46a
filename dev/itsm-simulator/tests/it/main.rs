//! The simulator over real HTTP: one test for each quirk that a connector has to survive.

#[cfg(test)]
mod control;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod records;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod request_tracker;
#[cfg(test)]
mod search;
#[cfg(test)]
mod servicedesk_plus;
#[cfg(test)]
mod world;
#[cfg(test)]
mod zammad;
