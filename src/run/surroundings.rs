//! Wall clock and randomness of the machine.

use crate::reference::Surroundings;
use std::time::{Duration, SystemTime};

/// 64 random bits a call.
pub fn random() -> impl FnMut() -> u64 {
    || bits() as u64
}

/// The wall clock now, and randomness that nobody can guess.
#[must_use]
pub fn real() -> Surroundings {
    let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Surroundings::new(epoch, bits)
}

/// 128 random bits; from the hasher's keys where the system gives none.
fn bits() -> u128 {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        use std::hash::{BuildHasher as _, RandomState};
        let half = |n: u8| RandomState::new().hash_one(n).to_le_bytes();
        bytes[..8].copy_from_slice(&half(0));
        bytes[8..].copy_from_slice(&half(1));
    }
    u128::from_le_bytes(bytes)
}
