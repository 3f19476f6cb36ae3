//! A declared fault put in front of a server that is not ours: what it writes on its standard output is altered on its way to
//! the client, and all else is passed on as it is.

use super::own::raised;
use crate::fault::{Carrier, Context, Fault, Request};
use crate::trace::StreamKind;
use crate::wire::json::Limits;
use crate::wire::stdio::{Frame, Framer};
use crate::wire::{Kind, Message};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};

/// So many requests that nobody answered are remembered.
const MOST_OPEN: usize = 1024;
/// So many bytes are read at once.
const CHUNK: usize = 16 << 10;

/// Why it ended before both sides did, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// A line that is too long to be looked at.
    #[error("the server wrote a line of more than {} bytes, which is not passed on", crate::wire::stdio::LINE_LIMIT)]
    TooLong,
}

/// Passes on what a client and a server say over stdio, with the fault in what the server says, until the server has closed
/// its output, the client is gone, or `stop` turns true. The server's input is closed when the client closes its own. `say` is
/// told what the fault did.
///
/// # Errors
/// When something cannot be passed on as it is.
pub async fn front<R, W>(
    mut fault: Fault,
    (mut from_client, mut to_client): (R, W),
    (mut from_server, to_server): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    say: fn(&str),
    mut stop: watch::Receiver<bool>,
) -> Result<(), FrontError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut to_server = Some(to_server);
    let (mut asked, mut said) = (Framer::default(), Framer::default());
    let (mut up, mut down) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut open: Vec<Request> = Vec::new();
    // what is late is overtaken by what is not
    let (late, mut due) = mpsc::unbounded_channel::<Vec<u8>>();
    loop {
        let mut out: Vec<Vec<u8>> = Vec::new();
        tokio::select! {
            biased;
            () = raised(&mut stop) => return Ok(()),
            Some(line) = due.recv() => out.push(line),
            read = from_server.read(&mut down) => {
                let n = read.unwrap_or(0);
                let frames = match n {
                    0 => said.finish().into_iter().collect(),
                    n => said.push(down.get(..n).unwrap_or_default()),
                };
                for frame in frames {
                    if frame.cut() {
                        return Err(FrontError::TooLong);
                    }
                    for (delay, line) in altered(&mut fault, &mut open, &frame, say) {
                        if delay.is_zero() {
                            out.push(line);
                        } else {
                            let late = late.clone();
                            tokio::spawn(async move {
                                tokio::time::sleep(delay).await;
                                // whoever it was for may be gone
                                let _ = late.send(line);
                            });
                        }
                    }
                }
                if n == 0 {
                    return pass(&mut to_client, out).await.map(|_| ());
                }
            }
            read = from_client.read(&mut up), if to_server.is_some() => {
                let chunk = up.get(..read.unwrap_or(0)).unwrap_or_default();
                for frame in asked.push(chunk) {
                    let message = Message::read(frame.bytes, &Limits::default());
                    open.extend(Request::of(&message));
                    let more = open.len().saturating_sub(MOST_OPEN);
                    open.drain(..more);
                }
                let passed = match &mut to_server {
                    Some(server) if !chunk.is_empty() => server.write_all(chunk).await.is_ok() && server.flush().await.is_ok(),
                    _ => false,
                };
                if !passed {
                    // its end is what tells a server to go
                    to_server = None;
                }
            }
        }
        if !pass(&mut to_client, out).await? {
            return Ok(());
        }
    }
}

/// Writes lines to the client; `false` if it is gone.
async fn pass(client: &mut (impl AsyncWrite + Unpin), lines: Vec<Vec<u8>>) -> Result<bool, FrontError> {
    for line in lines {
        if client.write_all(&line).await.is_err() || client.flush().await.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What goes out in place of a line of the server, and how much later, each with its line feed.
fn altered(fault: &mut Fault, open: &mut Vec<Request>, frame: &Frame, say: fn(&str)) -> Vec<(Duration, Vec<u8>)> {
    let line = |bytes: &[u8]| [bytes, b"\n"].concat();
    let message = Message::read(frame.bytes.clone(), &Limits::default());
    if matches!(message.kind(), Kind::Unreadable(_) | Kind::Malformed(_) | Kind::Batch) {
        return vec![(Duration::ZERO, line(&frame.bytes))];
    }
    let answered = message.id().filter(|_| message.is_answer());
    let answered = answered.and_then(|id| open.iter().position(|request| request.id == *id));
    let carrier = Carrier { stream: Some(StreamKind::Stdout), ..Carrier::default() };
    let context = Context { answers: answered.and_then(|at| open.get(at)), open, carrier };
    let sent = fault.apply(message.value(), context);
    if sent.is_empty() {
        say(&format!("fault {}: kept back {}", fault.name, String::from_utf8_lossy(&frame.bytes)));
    }
    let mut out = Vec::new();
    for outgoing in &sent {
        let Some(bytes) = outgoing.what.frame() else { continue };
        if outgoing.changed {
            say(&format!("fault {}: sent {}", fault.name, String::from_utf8_lossy(&bytes)));
            out.push((outgoing.delay, line(&bytes)));
        } else {
            // as the server wrote it, byte by byte
            out.push((outgoing.delay, line(&frame.bytes)));
        }
    }
    if let Some(at) = answered {
        open.remove(at);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::fault::library;

    async fn through(fault: &str, client: &str, server: &str) -> String {
        let fault = library::named(fault).unwrap().alive().unwrap();
        let (_stop, stopped) = watch::channel(false);
        let mut out = Vec::new();
        let mut to_server = Vec::new();
        // first all that the client says, then the server
        let (mut writes, reads) = tokio::io::duplex(1 << 16);
        let running = front(fault, (client.as_bytes(), &mut out), (reads, &mut to_server), |_| {}, stopped);
        let speaking = async {
            tokio::task::yield_now().await;
            writes.write_all(server.as_bytes()).await.unwrap();
            drop(writes);
        };
        let (done, ()) = tokio::join!(running, speaking);
        done.unwrap();
        assert_eq!(String::from_utf8(to_server).unwrap(), client);
        String::from_utf8(out).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_fault_is_not_about_is_passed_on_as_it_is() {
        let asked = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
        let said = "{ \"jsonrpc\": \"2.0\",  \"id\":1, \"result\":{}}\nno json at all\n[1]\n\n";
        assert_eq!(through("a-task-that-starts-as-input-required", asked, said).await, said);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_fault_is_about_is_altered() {
        let asked =
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\",\"task\":{}}}\n";
        let said = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"task\":{\"taskId\":\"a\",\"status\":\"working\"}}}\n";
        let came = through("a-task-that-starts-as-input-required", asked, said).await;
        assert!(came != said && came.contains("\"taskId\":\"a\""), "{came}");
    }
}
