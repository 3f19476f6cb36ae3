//! Standard input and output of a server that a client starts, brought to a harness that runs already: the client starts a
//! small program of ours, and that carries the bytes.

use super::inbox::Task;
use super::memory::{Acceptor, Pipes, pipes};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long who connects may take to say which secret it knows.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a secret is, in bytes.
const SECRET: usize = 32;

/// A place for one attached program.
#[derive(Debug)]
pub struct Place {
    /// What a server reads and writes.
    pub pipes: Pipes,
    /// Where to attach.
    pub address: SocketAddr,
    /// What to say there: 32 letters and digits.
    pub secret: String,
    task: Task,
}

impl Place {
    /// Listens for one program, on the loopback interface. `random` makes the secret.
    ///
    /// # Errors
    /// What the system says.
    pub async fn new(random: u128) -> std::io::Result<Place> {
        let acceptor = Acceptor::loopback(0).await?;
        let address = acceptor.address().ok_or_else(|| std::io::Error::other("the socket has no address"))?;
        let secret = format!("{random:032x}");
        let (near, far) = pipes();
        let task = Task::spawn(serve(acceptor, secret.clone(), far));
        Ok(Place { pipes: near, address, secret, task })
    }

    /// What is to be kept as long as the pipes are used, and the pipes.
    #[must_use]
    pub fn split(self) -> (Pipes, Kept) {
        (self.pipes, Kept { _task: self.task })
    }
}

/// Keeps an attached program attached.
#[derive(Debug)]
pub struct Kept {
    _task: Task,
}

/// Waits for the first that knows the secret; all others, also those that come later, are turned away.
async fn serve(mut acceptor: Acceptor, secret: String, (reads, writes): Pipes) {
    let mut stream = loop {
        let Ok(Some(mut stream)) = acceptor.accept().await else { return };
        let mut said = [0; SECRET];
        let heard = tokio::time::timeout(PATIENCE, stream.read_exact(&mut said)).await;
        if matches!(heard, Ok(Ok(_))) && said == secret.as_bytes() {
            break stream;
        }
    };
    let turning = async {
        while let Ok(Some(_)) = acceptor.accept().await {}
        std::future::pending::<()>().await;
    };
    let (from, to) = tokio::io::split(&mut stream);
    tokio::select! {
        () = carry((from, writes), (reads, to)) => {}
        () = turning => {}
    }
}

/// Carries both ways until both are over; the end of one way is passed on at once.
async fn carry<A, B, C, D>(one: (A, B), other: (C, D))
where
    A: AsyncRead + Unpin,
    B: AsyncWrite + Unpin,
    C: AsyncRead + Unpin,
    D: AsyncWrite + Unpin,
{
    // an error of a way is its end
    async fn way<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>((mut from, mut to): (R, W)) {
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
    }
    tokio::join!(way(one), way(other));
}

/// The small program: carries its standard input and output to where somebody waits for them.
///
/// # Errors
/// When nobody waits there, in words for people.
pub async fn attach(address: SocketAddr, secret: &str) -> Result<(), String> {
    let mut stream =
        TcpStream::connect(address).await.map_err(|e| format!("nobody waits at {address} (any more): {e}"))?;
    // small messages must not wait for each other
    let _ = stream.set_nodelay(true);
    stream.write_all(secret.as_bytes()).await.map_err(|e| format!("{address} hung up: {e}"))?;
    let (mut from, mut to) = stream.split();
    let (mut stdin, mut stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let out = async {
        let copied = tokio::io::copy(&mut from, &mut stdout).await;
        let _ = stdout.flush().await;
        copied
    };
    let into = async {
        let copied = tokio::io::copy(&mut stdin, &mut to).await;
        let _ = to.shutdown().await;
        copied
    };
    tokio::pin!(into);
    // a server is over when it says no more, whatever may still be said to it
    let mut heard = false;
    tokio::pin!(out);
    loop {
        tokio::select! {
            done = &mut out => return done.map(|_| ()).map_err(|e| format!("the connection to {address} broke: {e}")),
            _ = &mut into, if !heard => heard = true,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    async fn arrives(stream: &mut TcpStream, place: &mut Pipes) {
        stream.write_all(b"to the server\n").await.unwrap();
        let mut line = [0; 14];
        place.0.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"to the server\n");
        place.1.write_all(b"to the client\n").await.unwrap();
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"to the client\n");
    }

    #[tokio::test]
    async fn who_knows_the_secret_is_let_in_and_nobody_else() {
        let place = Place::new(7).await.unwrap();
        let (address, secret) = (place.address, place.secret.clone());
        let (mut pipes, _kept) = place.split();
        let mut stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(&[b'x'; SECRET]).await.unwrap();
        assert_eq!(stranger.read(&mut [0; 8]).await.unwrap_or(0), 0, "it is turned away");
        let mut known = TcpStream::connect(address).await.unwrap();
        known.write_all(secret.as_bytes()).await.unwrap();
        arrives(&mut known, &mut pipes).await;
        // a second one, though it knows the secret
        let mut second = TcpStream::connect(address).await.unwrap();
        let _ = second.write_all(secret.as_bytes()).await;
        assert_eq!(second.read(&mut [0; 8]).await.unwrap_or(0), 0, "the place is taken");
        arrives(&mut known, &mut pipes).await;
        // and the end goes over too
        known.shutdown().await.unwrap();
        assert_eq!(pipes.0.read(&mut [0; 8]).await.unwrap(), 0);
        drop(pipes);
        assert_eq!(known.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
