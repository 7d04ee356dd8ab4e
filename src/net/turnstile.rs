//! How many may talk at once, without the silent holding up the rest.

use std::{future::Future, pin::pin, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

/// Lets work through, so many at once.
///
/// Whoever has heard nothing for `patience` gives his place to the next and goes on waiting beside
/// it: a silent peer no longer loads this machine or the network, so it must not hold up others.
/// Hence `n` pieces of work through `k` places have all begun after `ceil(n / k) * patience`.
#[derive(Debug)]
pub struct Turnstile {
    places: Semaphore,
    patience: Duration,
}

impl Turnstile {
    /// A turnstile for nobody would let nobody through: at least one place is made.
    pub fn new(at_once: usize, patience: Duration) -> Self {
        Self { places: Semaphore::new(at_once.max(1)), patience }
    }

    /// Waits for a place, in order of arrival, and does `work`.
    pub async fn pass<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        // The semaphore is never closed, so there is no failure to look at.
        let place = self.places.acquire().await;
        let hurried = timeout(self.patience, &mut work).await;
        drop(place);
        match hurried {
            Ok(done) => done,
            Err(_) => work.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use futures::future::join_all;
    use tokio::time::{Instant, sleep};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn so_many_at_once_and_no_more() {
        let turnstile = Turnstile::new(3, PATIENCE);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || async {
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(PATIENCE / 2).await;
            inside.fetch_sub(1, SeqCst);
        };
        let started = Instant::now();
        join_all((0..10).map(|_| turnstile.pass(work()))).await;
        assert_eq!(most.load(SeqCst), 3);
        assert_eq!(started.elapsed(), PATIENCE * 2, "four turns of half a patience");
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_do_not_hold_up_the_rest() {
        let turnstile = Turnstile::new(12, PATIENCE);
        let started = Instant::now();
        let silent = || async {
            let waited = started.elapsed();
            sleep(Duration::from_secs(60)).await;
            waited
        };
        let waits = join_all((0..300).map(|_| turnstile.pass(silent()))).await;
        let longest = waits.into_iter().max().unwrap();
        assert!(longest <= Duration::from_millis(12_500), "{longest:?}");
        assert!(longest >= Duration::from_secs(12), "they passed as if there were no turnstile");
    }

    #[tokio::test(start_paused = true)]
    async fn work_outlasting_its_patience_is_still_done() {
        let turnstile = Turnstile::new(1, PATIENCE);
        let slow = async {
            sleep(PATIENCE * 3).await;
            "done"
        };
        assert_eq!(turnstile.pass(slow).await, "done");
    }

    #[tokio::test(start_paused = true)]
    async fn no_places_are_one_place() {
        assert_eq!(Turnstile::new(0, PATIENCE).pass(async { 7 }).await, 7);
    }
}
