//! Several pieces of work at a time, and never more than so many.

use futures_util::stream::{self, StreamExt as _};

/// Does all the work, at most `most` pieces of it (and at least one) at a time, begun in their order; gives what came of
/// them in that order, whatever was done first.
pub async fn crew<J, W: Future>(
    most: usize,
    work: impl IntoIterator<Item = J>,
    begin: impl Fn(J) -> W,
) -> Vec<W::Output> {
    let pieces = work.into_iter().enumerate().map(|(i, job)| {
        let piece = begin(job);
        async move { (i, piece.await) }
    });
    let mut done: Vec<_> = stream::iter(pieces).buffer_unordered(most.max(1)).collect().await;
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, came)| came).collect()
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
