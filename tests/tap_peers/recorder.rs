//! A recorder of bytes between two programs: copies what it reads and keeps it, and knows nothing of any protocol.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What passed on one connection, or over the pipes of one process.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    /// From the client.
    pub(super) up: Vec<u8>,
    /// From the server.
    pub(super) down: Vec<u8>,
}

/// Stands in front of a server that is reached over TCP.
pub(super) struct Recorder {
    pub(super) address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Stream>>,
}

impl Recorder {
    pub(super) fn start(address: SocketAddr, upstream: SocketAddr) -> Result<Recorder, String> {
        let listener = TcpListener::bind(address).map_err(|e| format!("{address}: {e}"))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            for client in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                connections.push(between(client.unwrap(), TcpStream::connect(upstream).unwrap()));
            }
            let streams =
                connections.into_iter().map(|(up, down)| Stream { up: up.join().unwrap(), down: down.join().unwrap() });
            streams.collect()
        });
        Ok(Recorder { address, over, thread })
    }

    /// Takes no more connections, and gives what passed when all are over.
    pub(super) fn end(self, patience: Duration) -> Result<Vec<Stream>, String> {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        let since = Instant::now();
        while !self.thread.is_finished() {
            if since.elapsed() > patience {
                return Err("a connection does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(self.thread.join().unwrap())
    }
}

fn between(client: TcpStream, server: TcpStream) -> (JoinHandle<Vec<u8>>, JoinHandle<Vec<u8>>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    (std::thread::spawn(|| copy(from_client, server)), std::thread::spawn(|| copy(from_server, client)))
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    let cut = loop {
        match from.read(&mut chunk) {
            Ok(0) => break false,
            Ok(n) => {
                kept.extend_from_slice(&chunk[..n]);
                if to.write_all(&chunk[..n]).is_err() {
                    break true;
                }
            }
            Err(_) => break true,
        }
    };
    // whoever is gone needs not be told
    let _ = to.shutdown(if cut { Shutdown::Both } else { Shutdown::Write });
    if cut {
        let _ = from.shutdown(Shutdown::Both);
    }
    kept
}
