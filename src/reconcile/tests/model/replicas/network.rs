use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

/// How long a message takes.
pub(super) fn one_way(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(5..40))
}

/// A message and its answer, which go their way whatever becomes of the process that sent it.
pub(super) async fn over_the_network<T: Send + 'static>(
    there: Duration,
    back: Duration,
    at_arrival: impl FnOnce() -> T + Send + 'static,
) -> T {
    let message = tokio::spawn(async move {
        sleep(there).await;
        let answer = at_arrival();
        sleep(back).await;
        answer
    });
    message.await.unwrap()
}
