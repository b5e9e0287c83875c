//! Cancelling: each client has a key of its own, which stands for its own server process and no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pgwire::messages::startup::{BackendKeyData, SecretKey};

/// The length of a key where the protocol lets the server choose: since 3.2.
const LONG_KEY_BYTES: usize = 32;

/// A server process and its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub process: i32,
    /// The key that the server gave.
    pub key: i32,
}

/// The keys of all clients.
#[derive(Debug, Default)]
pub struct Cancels(Mutex<HashMap<(i32, Vec<u8>), Target>>);

/// A client's key. It is good until this is dropped.
#[derive(Debug)]
pub struct CancelKey {
    cancels: Arc<Cancels>,
    known: (i32, Vec<u8>),
}

impl Cancels {
    /// A new key for whoever has that server process to itself. The number is the process' own, as clients
    /// may ask the server for it; the key isn't.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn issue(
        self: &Arc<Self>,
        target: Target,
        minor: u16,
    ) -> Result<CancelKey, getrandom::Error> {
        let mut key = vec![0; if minor >= 2 { LONG_KEY_BYTES } else { 4 }];
        getrandom::fill(&mut key)?;
        let known = (target.process, key);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(known.clone(), target);
        Ok(CancelKey {
            cancels: Arc::clone(self),
            known,
        })
    }

    /// For which process a client's request is.
    pub fn find(&self, process: i32, key: Vec<u8>) -> Option<Target> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(process, key)).copied()
    }
}

impl CancelKey {
    /// What the client is told.
    pub fn message(&self) -> BackendKeyData {
        let (process, key) = &self.known;
        BackendKeyData::new(*process, SecretKey::Bytes(Bytes::copy_from_slice(key)))
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        let mut all = self
            .cancels
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_one_process_while_its_client_is_there() {
        let cancels = Arc::new(Cancels::default());
        let target = Target {
            process: 7,
            key: 70,
        };
        let other = Target {
            process: 8,
            key: 80,
        };
        let short = cancels.issue(target, 0).unwrap();
        let long = cancels.issue(other, 2).unwrap();
        assert_eq!(
            (short.known.1.len(), long.known.1.len()),
            (4, LONG_KEY_BYTES)
        );
        let key = short.known.1.clone();
        assert_eq!(cancels.find(7, key.clone()), Some(target));
        assert_eq!(cancels.find(8, long.known.1.clone()), Some(other));
        // The server's own key, another's process, a part of a key.
        assert_eq!(cancels.find(7, 70i32.to_be_bytes().to_vec()), None);
        assert_eq!(cancels.find(8, key.clone()), None);
        assert_eq!(cancels.find(8, long.known.1[..4].to_vec()), None);
        drop(short);
        assert_eq!(cancels.find(7, key), None);
    }
}
