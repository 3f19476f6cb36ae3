//! One direction of stdio.

use super::{Witness, record, told};
use crate::trace::{Body, Closing, StreamId};
use crate::transport::{Bounds, stdio};
use crate::wire::Party;
use crate::wire::stdio::Framer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

/// Passes one direction on until either end of it is gone.
pub(super) async fn pass<W: Witness, R: AsyncRead + Unpin, T: AsyncWrite + Unpin>(
    mut from: R,
    mut to: T,
    party: Party,
    stream: StreamId,
    witness: &W,
    bounds: Bounds,
    mut stopped: watch::Receiver<bool>,
) {
    let mut framer = Framer::new(bounds.message);
    let mut chunk = vec![0; 64 << 10];
    let (by, how) = loop {
        let read = tokio::select! {
            biased;
            read = from.read(&mut chunk) => read,
            () = told(&mut stopped) => break (None, Closing::Clean),
        };
        let read = match read {
            Ok(0) => match framer.finish() {
                None => break (Some(party), Closing::Clean),
                Some(frame) => {
                    let how = format!("ended in the middle of a line, after {} bytes of it", frame.length);
                    witness.put(record(stdio::message(stream, party, &frame))).await;
                    break (Some(party), Closing::Cut(how));
                }
            },
            Ok(n) => chunk.get(..n).unwrap_or_default(),
            Err(e) => break (None, Closing::Cut(e.to_string())),
        };
        for frame in framer.push(read) {
            witness.put(record(stdio::message(stream, party, &frame))).await;
        }
        let written = async {
            to.write_all(read).await?;
            to.flush().await
        };
        // a party that does not read must not keep the other from being told to stop
        let written = tokio::select! {
            biased;
            written = written => written,
            () = told(&mut stopped) => break (None, Closing::Clean),
        };
        if let Err(e) = written {
            break (Some(party.other()), Closing::Cut(e.to_string()));
        }
    };
    witness.put(record(Body::StreamClosed { stream, by, how })).await;
    // the party may be gone, and then there is nothing to close
    let _ = to.shutdown().await;
}
