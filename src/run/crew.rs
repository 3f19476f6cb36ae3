//! Several pieces of work at a time, and never more than so many.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Does all the work, at most `most` pieces of it (and at least one) at a time, begun in their order; gives what came of
/// them in that order, whatever was done first.
pub async fn crew<J, W: Future>(
    most: usize,
    work: impl IntoIterator<Item = J>,
    begin: impl Fn(J) -> W,
) -> Vec<W::Output> {
    let mut waiting = work.into_iter().enumerate();
    let mut running: Vec<(usize, Pin<Box<W>>)> = Vec::new();
    let mut done = BTreeMap::new();
    poll_fn(|cx| {
        loop {
            let free = most.max(1).saturating_sub(running.len());
            running.extend(waiting.by_ref().take(free).map(|(i, job)| (i, Box::pin(begin(job)))));
            let before = running.len();
            running.retain_mut(|(i, piece)| match piece.as_mut().poll(cx) {
                Poll::Ready(came) => {
                    done.insert(*i, came);
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() && before == 0 {
                return Poll::Ready(());
            }
            // what is done makes room for what was not begun
            if running.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    done.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn never_more_than_so_many_are_under_way_and_the_order_is_kept() {
        for most in [0, 1, 3, 50] {
            let (now, peak) = (Cell::new(0_usize), Cell::new(0_usize));
            let came = crew(most, 0..20_u64, |i| {
                let (now, peak) = (&now, &peak);
                async move {
                    now.set(now.get() + 1);
                    peak.set(peak.get().max(now.get()));
                    tokio::time::sleep(Duration::from_millis(20 - i)).await;
                    now.set(now.get() - 1);
                    i
                }
            })
            .await;
            assert_eq!(came, (0..20).collect::<Vec<u64>>(), "{most}");
            assert_eq!(peak.get(), most.clamp(1, 20), "{most}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_to_do_is_done_at_once() {
        assert_eq!(crew(4, Vec::<u8>::new(), |i| async move { i }).await, Vec::<u8>::new());
        assert_eq!(crew(2, [1, 2, 3], |i| async move { i * 2 }).await, [2, 4, 6]);
    }
}
