use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::DecodingKey;

use super::*;

const SCHEDULE: Schedule =
    Schedule { refresh: Duration::from_secs(3600), unknown_kid_interval: Duration::from_secs(300) };

/// An identity provider that publishes the named keys, or is down when there are none; it takes a second.
struct Provider {
    published: Mutex<Vec<&'static str>>,
    fetches: AtomicUsize,
}

impl Provider {
    fn publishing(keys: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { published: Mutex::new(keys.to_vec()), fetches: AtomicUsize::new(0) })
    }

    fn publish(&self, keys: &[&'static str]) {
        *self.published.lock().unwrap() = keys.to_vec();
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    async fn fetch(self: Arc<Self>) -> Result<KeySet, MetadataError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let published = self.published.lock().unwrap();
        if published.is_empty() {
            return Err(MetadataError::Status { url: "https://login.example".parse().unwrap(), status: 503 });
        }
        let key = || DecodingKey::from_rsa_raw_components(&[1], &[1]);
        let keys = published.iter().map(|id| ((*id).to_owned(), key())).collect();
        Ok(KeySet { issuer: "issuer".to_owned(), keys })
    }
}

fn ring(provider: &Arc<Provider>) -> Arc<KeyRing> {
    let provider = Arc::clone(provider);
    let fetch = move || Arc::clone(&provider).fetch();
    KeyRing::start(SCHEDULE, fetch, |_| {}, CancellationToken::new(), &TaskTracker::new())
}

async fn outcome(ring: &KeyRing, key_id: &str) -> Result<(), KeyError> {
    ring.holding(key_id).await.map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn the_first_token_waits_for_the_first_fetch() {
    let provider = Provider::publishing(&["a"]);
    let ring = ring(&provider);
    assert_eq!(outcome(&ring, "a").await, Ok(()));
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let provider = Provider::publishing(&["a"]);
    let ring = ring(&provider);
    assert_eq!(outcome(&ring, "a").await, Ok(()));
    provider.publish(&["a", "b"]);
    assert_eq!(outcome(&ring, "b").await, Ok(()));
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_is_one_fetch_per_interval() {
    let provider = Provider::publishing(&["a"]);
    let ring = ring(&provider);
    assert_eq!(outcome(&ring, "a").await, Ok(()));
    for _ in 0..3 {
        let flood: Vec<_> = (0..100)
            .map(|n| {
                let ring = Arc::clone(&ring);
                async move { outcome(&ring, &format!("forged-{n}")).await }
            })
            .collect();
        for answer in futures(flood).await {
            assert_eq!(answer, Err(KeyError::Unknown));
        }
    }
    assert_eq!(provider.fetches(), 2);
    tokio::time::sleep(SCHEDULE.unknown_kid_interval).await;
    assert_eq!(outcome(&ring, "forged").await, Err(KeyError::Unknown));
    assert_eq!(provider.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_a_token_is_not_called_bad() {
    let provider = Provider::publishing(&[]);
    let ring = ring(&provider);
    assert_eq!(outcome(&ring, "a").await, Err(KeyError::Unavailable));
    provider.publish(&["a"]);
    tokio::time::sleep(RETRY_MAX).await;
    assert_eq!(outcome(&ring, "a").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_last_known_keys_outlive_a_failure() {
    let provider = Provider::publishing(&["a"]);
    let ring = ring(&provider);
    assert_eq!(outcome(&ring, "a").await, Ok(()));
    provider.publish(&[]);
    tokio::time::sleep(SCHEDULE.refresh * 2).await;
    assert!(provider.fetches() > 2);
    assert_eq!(outcome(&ring, "a").await, Ok(()));
    assert_eq!(outcome(&ring, "b").await, Err(KeyError::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_no_longer_published_is_forgotten_within_the_hour() {
    let provider = Provider::publishing(&["a", "b"]);
    let ring = ring(&provider);
    assert_eq!(outcome(&ring, "a").await, Ok(()));
    provider.publish(&["b"]);
    tokio::time::sleep(SCHEDULE.refresh + Duration::from_secs(2)).await;
    assert_eq!(outcome(&ring, "a").await, Err(KeyError::Unknown));
}

/// Drives all futures side by side.
async fn futures<T: Send + 'static>(all: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let mut set = tokio::task::JoinSet::new();
    for future in all {
        set.spawn(future);
    }
    set.join_all().await
}
