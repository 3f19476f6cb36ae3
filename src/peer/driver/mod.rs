//! Drivers: programs that move a client through its SDK's own public API, told what to do in lines of JSON.

pub mod process;
pub mod protocol;

pub use process::DriverProcess;
pub use protocol::{Action, Answer, Order, Report, Target};

use tokio::sync::mpsc;

/// So many reports may wait for whoever reads them; beyond that a driver is not read.
pub const REPORTS: usize = 256;

/// The way to a driver, wherever it runs.
#[derive(Debug)]
pub struct Mover {
    /// Takes orders as long as somebody carries them out.
    pub orders: mpsc::UnboundedSender<Order>,
    /// What it reports; ends when the driver is gone.
    pub reports: mpsc::Receiver<Report>,
    /// The number of the next order.
    next: u64,
}

/// The other end of a [`Mover`].
#[derive(Debug)]
pub struct Moved {
    /// What is to be done; ends when nobody will order anything more.
    pub orders: mpsc::UnboundedReceiver<Order>,
    /// Where it is told what came of it.
    pub reports: mpsc::Sender<Report>,
}

impl Mover {
    /// Both ends of the way to a driver.
    #[must_use]
    pub fn new() -> (Mover, Moved) {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (told, reports) = mpsc::channel(REPORTS);
        (Mover { orders, reports, next: 0 }, Moved { orders: ordered, reports: told })
    }

    /// A name for a client that had none before.
    #[must_use]
    pub fn name(&self) -> String {
        format!("c{}", self.next)
    }

    /// Orders something, and gives the number under which it is answered. One that is gone is noticed by its reports.
    pub fn order(&mut self, client: Option<&str>, action: Action) -> u64 {
        let id = self.next;
        self.next += 1;
        // whoever is gone has closed the reports too
        let _ = self.orders.send(Order { id, client: client.map(str::to_owned), action });
        id
    }
}
