//! Pages of lists, and the cursors between them.

use super::super::SessionKey;
use super::super::rpc::{self, Outcome};
use super::Receiver;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

impl Receiver {
    /// One page of a list that does not change: the members that `params.cursor` points at, under the name `member`.
    pub fn page(&mut self, session: SessionKey, method: &str, params: &Value, member: &str, all: &[Value]) -> Outcome {
        let from = match self.cursor(session, method, params) {
            Ok(from) => usize::try_from(from.unwrap_or(0)).unwrap_or(usize::MAX),
            Err(error) => return Outcome::Error(error),
        };
        let size = self.dialect.page_size.unwrap_or(usize::MAX).max(1);
        let shown: Vec<&Value> = all.iter().skip(from).take(size).collect();
        let next = from.saturating_add(shown.len());
        let mut result = json!({ member: shown });
        if next < all.len() {
            result["nextCursor"] = json!(self.make_cursor(session, method, next as u64));
        }
        Outcome::Result(result)
    }

    pub(super) fn seal(&self, session: SessionKey, list: &str, position: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.cursor_key, session, list, position).hash(&mut hasher);
        hasher.finish()
    }

    /// A cursor holds only for its list and its session, and only if this receiver made it.
    pub(super) fn make_cursor(&self, session: SessionKey, list: &str, position: u64) -> String {
        let mut bytes = position.to_be_bytes().to_vec();
        bytes.extend(self.seal(session, list, position).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn cursor(&self, session: SessionKey, list: &str, params: &Value) -> Result<Option<u64>, Value> {
        let Some(cursor) = params.get("cursor") else { return Ok(None) };
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor.as_str()?).ok()?;
            let (position, seal) = bytes.split_at_checked(8)?;
            let position = u64::from_be_bytes(position.try_into().ok()?);
            (seal == self.seal(session, list, position).to_be_bytes()).then_some(position)
        };
        let invalid = || rpc::error_object(rpc::INVALID_PARAMS, "`cursor` is none that was given for this list");
        read().map(Some).ok_or_else(invalid)
    }
}
