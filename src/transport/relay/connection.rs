//! One connection of a client, and the connection to the server that was made for it.

use super::book::Book;
use super::{Witness, put_all, told};
use crate::transport::{Acceptor, Bounds, Endpoint, Io, Numbers};
use crate::wire::Party;
use crate::wire::http1::Address;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, watch};

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// What all connections need.
#[derive(Debug, Clone)]
pub(super) struct Hall<W> {
    upstream: Endpoint,
    /// The authorities by which clients reach us; none in memory, where there is only one name.
    reached_by: Vec<String>,
    numbers: Numbers,
    bounds: Bounds,
    witness: W,
    stopped: watch::Receiver<bool>,
}

/// How one direction ended.
enum Over {
    /// In good order, and the other party was told so.
    Ended,
    /// That party is gone, for that reason.
    Lost(Party, String),
}

/// The record of a connection, which both directions write.
struct Shared {
    book: Mutex<Book>,
    moved: Notify,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Witness> Hall<W> {
    pub(super) fn new(
        acceptor: &Acceptor,
        upstream: Endpoint,
        numbers: Numbers,
        bounds: Bounds,
        witness: W,
        stopped: watch::Receiver<bool>,
    ) -> Hall<W> {
        let reached_by = acceptor.address().map_or_else(Vec::new, |address| {
            let port = address.port();
            let mut names: Vec<String> = ["127.0.0.1", "localhost", "[::1]"].map(|h| format!("{h}:{port}")).into();
            if port == 80 {
                names.extend(["127.0.0.1", "localhost", "[::1]"].map(str::to_owned));
            }
            names
        });
        Hall { upstream, reached_by, numbers, bounds, witness, stopped }
    }

    /// Passes on what goes over one connection, until it is over.
    pub(super) async fn serve(mut self, client: Io) {
        let exchanged = (!self.reached_by.is_empty())
            .then(|| Address::in_requests(self.reached_by.clone(), self.upstream.host.clone()));
        let book = Book::new(&self.upstream.path, exchanged, &self.numbers, self.bounds);
        let connected = tokio::select! {
            biased;
            () = told(&mut self.stopped) => return,
            connected = self.upstream.connector.connect() => connected,
        };
        match connected {
            Ok(server) => self.between(client, server, book).await,
            Err(e) => self.refuse(client, book, &format!("the server cannot be reached: {e}")).await,
        }
    }

    /// Gives a client what it would get where nobody listens, as far as that is still possible: a reset. What it had to say is
    /// recorded before.
    async fn refuse(mut self, mut client: Io, mut book: Book, why: &str) {
        let mut chunk = vec![0; CHUNK];
        while !book.asked() {
            let read = tokio::select! {
                biased;
                () = told(&mut self.stopped) => break,
                read = client.read(&mut chunk) => read,
            };
            match read {
                Ok(n @ 1..) => {
                    let events = book.said(Party::Client, chunk.get(..n).unwrap_or_default(), &mut Vec::new());
                    put_all(&self.witness, events).await;
                }
                _ => break,
            }
        }
        put_all(&self.witness, book.cut(Party::Server, why)).await;
        client.reset_when_dropped();
    }

    async fn between(mut self, client: Io, server: Io, book: Book) {
        let shared = Shared { book: Mutex::new(book), moved: Notify::new() };
        let (mut client_says, mut client_hears) = tokio::io::split(client);
        let (mut server_says, mut server_hears) = tokio::io::split(server);
        let lost = {
            let up = pass(&mut client_says, &mut server_hears, Party::Client, &shared, &self.witness);
            let down = pass(&mut server_says, &mut client_hears, Party::Server, &shared, &self.witness);
            let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
            let (mut up_over, mut down_over) = (None, None);
            let mut stopping = false;
            loop {
                tokio::select! {
                    biased;
                    over = &mut up, if up_over.is_none() => up_over = Some(over),
                    over = &mut down, if down_over.is_none() => down_over = Some(over),
                    () = told(&mut self.stopped), if !stopping => stopping = true,
                    () = shared.moved.notified(), if stopping => {}
                }
                match (&up_over, &down_over) {
                    (Some(Over::Lost(Party::Client, why)), _) | (_, Some(Over::Lost(_, why))) => {
                        let by = match &down_over {
                            Some(Over::Lost(by, _)) => *by,
                            _ => Party::Client,
                        };
                        break Some((by, why.clone()));
                    }
                    // a server that takes no more may still have an answer under way
                    (Some(Over::Lost(by, why)), Some(Over::Ended)) => break Some((*by, why.clone())),
                    (Some(Over::Ended), Some(Over::Ended)) => break None,
                    _ if stopping && !shared.book().is_busy() => break None,
                    _ => {}
                }
            }
        };
        let events = match &lost {
            Some((by, why)) => shared.book().cut(*by, why),
            None => shared.book().stop(),
        };
        put_all(&self.witness, events).await;
        match lost {
            Some((Party::Client, _)) => server_says.unsplit(server_hears).reset_when_dropped(),
            Some((Party::Server, _)) => client_says.unsplit(client_hears).reset_when_dropped(),
            None => {}
        }
    }
}

/// Passes one direction on until either end of it is gone.
async fn pass<W: Witness, R: AsyncRead + Unpin, T: AsyncWrite + Unpin>(
    from: &mut R,
    to: &mut T,
    by: Party,
    shared: &Shared,
    witness: &W,
) -> Over {
    let mut chunk = vec![0; CHUNK];
    let mut out = Vec::with_capacity(CHUNK);
    loop {
        let read = match from.read(&mut chunk).await {
            Ok(n) => chunk.get(..n).unwrap_or_default(),
            Err(e) => return Over::Lost(by, format!("the {by} cut the connection: {e}")),
        };
        out.clear();
        let events = match read {
            [] => shared.book().ended(by, &mut out),
            read => shared.book().said(by, read, &mut out),
        };
        put_all(witness, events).await;
        shared.moved.notify_one();
        let written = async {
            to.write_all(&out).await?;
            to.flush().await?;
            if read.is_empty() { to.shutdown().await } else { Ok(()) }
        };
        match written.await {
            Ok(()) if read.is_empty() => return Over::Ended,
            Ok(()) => {}
            // one that is gone already need not be told that nothing more comes
            Err(_) if read.is_empty() && out.is_empty() => return Over::Ended,
            Err(e) => {
                let other = by.other();
                return Over::Lost(other, format!("the {other} closed the connection: {e}"));
            }
        }
    }
}
