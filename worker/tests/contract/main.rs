//! One contract for every connector: the same cases against each product, and a table of them in the documentation.
//!
//! The real Request Tracker needs the feature `real-itsm`: `make test-real`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed preparation ends its test"
)]

mod cases;
mod described;
mod desk;
#[macro_use]
mod list;
#[cfg(feature = "real-itsm")]
mod real_request_tracker;
mod request_tracker;
mod servicenow;
mod table;

/// Writes a test for each case, and lists the cases for the table.
macro_rules! contract {
    ($($case:ident: [$($impossible:literal),*];)*) => {
        /// Every case, and the products that have no means for it.
        const CASES: &[(&str, &[&str])] = &[$((stringify!($case), &[$($impossible),*])),*];

        mod servicenow_keeps {
            $(#[tokio::test]
            async fn $case() {
                let desk = crate::servicenow::ServiceNowDesk::open().await;
                crate::desk::judge("ServiceNow", &[$($impossible),*], crate::cases::$case(&desk).await);
            })*
        }

        mod request_tracker_keeps {
            $(#[tokio::test]
            async fn $case() {
                let desk = crate::request_tracker::RequestTrackerDesk::open().await;
                crate::desk::judge("Request Tracker", &[$($impossible),*], crate::cases::$case(&desk).await);
            })*
        }

        mod zammad_as_described_keeps {
            $(#[tokio::test]
            async fn $case() {
                let desk = crate::described::DescribedDesk::zammad().await;
                crate::desk::judge("Zammad, described", &[$($impossible),*], crate::cases::$case(&desk).await);
            })*
        }

        mod servicedesk_plus_as_described_keeps {
            $(#[tokio::test]
            async fn $case() {
                let desk = crate::described::DescribedDesk::servicedesk_plus().await;
                let outcome = crate::cases::$case(&desk).await;
                crate::desk::judge("ServiceDesk Plus, described", &[$($impossible),*], outcome);
            })*
        }

        #[cfg(feature = "real-itsm")]
        mod real_request_tracker_keeps {
            $(#[tokio::test]
            async fn $case() {
                let desk = crate::real_request_tracker::RealDesk::open().await;
                let outcome = crate::cases::$case(&desk).await;
                crate::desk::judge("Request Tracker, real", &[$($impossible),*], outcome);
            })*
        }
    };
}

for_every_case!(contract);
