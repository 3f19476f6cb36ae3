//! Connections: of memory or of TCP, so that the same code runs over both.

use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How many bytes a connection in memory holds that have not been read.
const PIPE: usize = 64 << 10;

/// How many connections in memory may wait to be accepted.
const BACKLOG: usize = 64;

/// A connection that can be read and written.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Lets the connection be cut rather than closed when it is dropped, where there is a difference.
    fn reset_when_dropped(&self);
}

impl Stream for TcpStream {
    fn reset_when_dropped(&self) {
        // where it cannot be cut it is closed
        let _ = self.set_zero_linger();
    }
}

impl Stream for DuplexStream {
    fn reset_when_dropped(&self) {}
}

/// A connection of any kind.
pub type Io = Box<dyn Stream>;

/// One end of a pair of pipes: what it reads, what it writes. Either is closed by dropping it.
pub type Pipes = (DuplexStream, DuplexStream);

/// A pair of pipes in memory, such as lie between a client and the standard input and output of a server.
#[must_use]
pub fn pipes() -> (Pipes, Pipes) {
    // each of them is used in one direction only
    let (server_reads, client_writes) = tokio::io::duplex(PIPE);
    let (client_reads, server_writes) = tokio::io::duplex(PIPE);
    ((client_reads, client_writes), (server_reads, server_writes))
}

/// Where to connect to.
#[derive(Debug, Clone)]
pub enum Connector {
    /// A host and a port.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// An [`Acceptor`] in this process.
    Memory(mpsc::Sender<DuplexStream>),
}

/// Where connections come in.
#[derive(Debug)]
pub enum Acceptor {
    /// A listening socket.
    Tcp(TcpListener),
    /// The other end of [`network`].
    Memory(mpsc::Receiver<DuplexStream>),
}

/// A network in memory: what connects here is accepted there.
#[must_use]
pub fn network() -> (Connector, Acceptor) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (Connector::Memory(sender), Acceptor::Memory(receiver))
}

impl Connector {
    /// Connects.
    ///
    /// # Errors
    /// What the system says; in memory [`std::io::ErrorKind::ConnectionRefused`] when the acceptor is gone.
    pub async fn connect(&self) -> std::io::Result<Io> {
        match self {
            Connector::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Connector::Memory(network) => {
                let (ours, theirs) = tokio::io::duplex(PIPE);
                match network.send(theirs).await {
                    Ok(()) => Ok(Box::new(ours)),
                    Err(_) => Err(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "nobody listens")),
                }
            }
        }
    }
}

impl Acceptor {
    /// Listens on a port of the loopback interface; 0 picks a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn loopback(port: u16) -> std::io::Result<Acceptor> {
        Ok(Acceptor::Tcp(TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?))
    }

    /// Where it listens; `None` in memory.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Acceptor::Tcp(listener) => listener.local_addr().ok(),
            Acceptor::Memory(_) => None,
        }
    }

    /// The next connection; `None` in memory when nobody can connect any more. Cancel safe.
    ///
    /// # Errors
    /// What the system says; the next call may succeed.
    pub async fn accept(&mut self) -> std::io::Result<Option<Io>> {
        match self {
            Acceptor::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Some(Box::new(stream)))
            }
            Acceptor::Memory(network) => Ok(network.recv().await.map(|stream| Box::new(stream) as Io)),
        }
    }
}
