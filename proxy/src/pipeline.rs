//! What a server still owes a client: which answers are outstanding, in their order.
//!
//! Clients send ahead of answers. The proxy puts something of its own in only where nothing is
//! outstanding, and no transaction is open.

use std::collections::VecDeque;

/// A message that the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    Query,
    /// The end of a COPY that hasn't begun yet; nothing answers it.
    CopyEnd,
}

/// How many messages may wait for their answers: each takes a byte. Drivers send some thousands at most.
const MOST_AWAITED: usize = 1 << 20;

/// No transaction is open.
pub const IDLE: u8 = b'I';

/// The answers that are outstanding.
#[derive(Debug)]
pub struct Pipeline {
    awaited: VecDeque<Awaited>,
    /// Messages of the extended protocol since the last Sync: their transaction is open.
    batch: bool,
    /// After an error the server passes over everything up to a Sync that hasn't been sent yet.
    skipping: bool,
    /// The server reads COPY's data, and passes over Sync.
    copy_in: bool,
    /// What the last ReadyForQuery told.
    status: u8,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            awaited: VecDeque::new(),
            batch: false,
            skipping: false,
            copy_in: false,
            status: IDLE,
        }
    }
}

impl Pipeline {
    /// A message of that type goes to the server. Whether it may: not too many wait for their answers.
    pub fn sent(&mut self, kind: u8) -> bool {
        let awaited = match kind {
            b'P' => Awaited::Parse,
            b'B' => Awaited::Bind,
            b'D' => Awaited::Describe,
            b'E' => Awaited::Execute,
            b'C' => Awaited::Close,
            b'Q' => Awaited::Query,
            b'S' => Awaited::Sync,
            b'c' | b'f' => Awaited::CopyEnd,
            _ => return true,
        };
        match awaited {
            Awaited::CopyEnd if self.copy_in => {
                self.copy_in = false;
                return true;
            }
            Awaited::CopyEnd if self.awaited.is_empty() => return true,
            Awaited::CopyEnd => {}
            Awaited::Sync => {
                if self.copy_in {
                    return true;
                }
                self.skipping = false;
                self.batch = false;
            }
            _ if self.skipping => return true,
            Awaited::Query => self.batch = false,
            Awaited::Parse
            | Awaited::Bind
            | Awaited::Describe
            | Awaited::Execute
            | Awaited::Close => self.batch = true,
        }
        self.awaited.push_back(awaited);
        self.awaited.len() <= MOST_AWAITED
    }

    /// A message of that type came from the server; of ReadyForQuery also the status.
    pub fn received(&mut self, kind: u8, status: Option<u8>) {
        match (kind, self.awaited.front()) {
            (b'Z', _) => {
                self.status = status.unwrap_or(b'E');
                self.copy_in = false;
                // All up to what it answers is answered.
                while let Some(answered) = self.awaited.pop_front() {
                    if matches!(answered, Awaited::Query | Awaited::Sync) {
                        break;
                    }
                }
            }
            (b'1', Some(Awaited::Parse))
            | (b'2', Some(Awaited::Bind))
            | (b'3', Some(Awaited::Close))
            | (b'T' | b'n', Some(Awaited::Describe))
            | (b'C' | b'I' | b's', Some(Awaited::Execute)) => {
                self.awaited.pop_front();
                self.copy_in = false;
            }
            (b'E', Some(Awaited::Query | Awaited::Sync) | None) => self.copy_in = false,
            (b'E', Some(_)) => {
                self.copy_in = false;
                while self
                    .awaited
                    .front()
                    .is_some_and(|next| *next != Awaited::Sync)
                {
                    self.awaited.pop_front();
                }
                self.skipping = self.awaited.is_empty();
            }
            (b'G', Some(_)) => self.copy_begins(),
            _ => {}
        }
        while self.awaited.front() == Some(&Awaited::CopyEnd) {
            self.awaited.pop_front();
        }
    }

    /// What was sent up to the end of the data is read as data: a Sync in it isn't answered.
    fn copy_begins(&mut self) {
        let mut ended = false;
        let mut first = true;
        self.awaited.retain(|awaited| {
            let read_as_data = !ended && !std::mem::take(&mut first);
            if read_as_data && *awaited == Awaited::CopyEnd {
                ended = true;
                return false;
            }
            !(read_as_data && *awaited == Awaited::Sync)
        });
        self.copy_in = !ended;
        let of_batch = self.awaited.front() != Some(&Awaited::Query);
        self.batch |= of_batch && !self.awaited.contains(&Awaited::Sync);
    }

    /// Whether nothing is outstanding.
    pub fn is_quiet(&self) -> bool {
        self.awaited.is_empty() && !self.batch && !self.skipping && !self.copy_in
    }

    /// Whether nothing is outstanding and no transaction is open.
    pub fn is_idle(&self) -> bool {
        self.is_quiet() && self.status == IDLE
    }

    /// What the last ReadyForQuery told.
    pub fn status(&self) -> u8 {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `>x`: the client sends a message of type x; `<x`: the server does; `<ZT`: ReadyForQuery in a
    /// transaction.
    fn after(words: &str) -> Pipeline {
        let mut pipeline = Pipeline::default();
        for word in words.split_whitespace() {
            match word.as_bytes() {
                [b'>', kind] => assert!(pipeline.sent(*kind)),
                [b'<', kind] => pipeline.received(*kind, None),
                [b'<', b'Z', status] => pipeline.received(b'Z', Some(*status)),
                _ => panic!("{word}"),
            }
        }
        pipeline
    }

    #[test]
    fn idle_again() {
        for words in [
            "",
            ">S <ZI",
            ">Q <T <D <C <ZI",
            ">Q <T <C <C <I <ZI",
            ">Q <E <ZI",
            ">Q <C <ZT >Q <C <ZI",
            ">P >B >D >E >S <1 <2 <T <D <C <ZI",
            ">P >D >H <1 <t <n >S <ZI",
            ">B >E >H <2 <s >E >S <C <ZI",
            // An error in the middle of a batch.
            ">P >B >E >P >B >E >S <1 <2 <E <ZI",
            // And the client goes on before it hears of it, a simple statement too.
            ">P >B <E >E >Q >D >S <ZI",
            // Two batches, the first fails.
            ">P >S >P >B >E >S <E <ZI <1 <2 <C <ZI",
            // A deferred constraint fails at the Sync.
            ">B >E >S <2 <C <E <ZI",
            // COPY by each protocol; Sync ahead of the data is data.
            ">Q <G >d >d >c <C <ZI",
            ">Q <G >d >f <E <ZI",
            ">Q <G >d <E <ZI >d >c",
            ">P >B >E >S <1 <2 <G >d >c >S <C <ZI",
            ">P >B >E >S >d >c >S <1 <2 <G <C <ZI",
            ">P >B >E <1 <2 <G >S >d >c >S <C <ZI",
            ">P >B >E <1 <2 <G >d <E >d >c >S <ZI",
            ">Q >d >c >Q <G <C <ZI <C <ZI",
            ">Q <H <d <c <C <ZI",
            // What comes by itself.
            "<A <N <S",
            ">Q <N <S <A <C <ZI",
            // Data of no COPY.
            ">d >c >f",
        ] {
            assert!(after(words).is_idle(), "{words}");
        }
    }

    #[test]
    fn not_idle() {
        for words in [
            ">Q",
            ">Q <C",
            ">Q <C <ZT",
            ">Q <E <ZE",
            ">Q >Q <C <ZI",
            // Answered, but its transaction is open until the Sync.
            ">P >H <1",
            ">B >E >H <2 <s",
            ">P >B <E",
            ">P <E >Q",
            ">P >S >P >S <1 <ZI",
            ">Q <G",
            ">P >B >E >S <1 <2 <G",
            ">P >B >E >S <1 <2 <G >d >c",
            ">P >B >E >S <1 <2 <G >d >c <C",
            ">Q >d >c >Q <G <C <ZI",
        ] {
            assert!(!after(words).is_idle(), "{words}");
        }
        assert!(after(">Q <C <ZT").is_quiet());
        assert!(after(">Q <E <ZE").is_quiet());
        assert_eq!(after(">Q <C <ZT").status(), b'T');
    }

    /// The server is silent about a COPY's end where there is no COPY.
    #[test]
    fn what_is_never_answered_is_bounded() {
        let mut pipeline = after(">P");
        let sent = (0..2 * MOST_AWAITED).take_while(|_| pipeline.sent(b'c'));
        assert_eq!(sent.count(), MOST_AWAITED - 1);
    }
}
