//! Messages in a stream of bytes, told apart by their headers: a type and a length.
//!
//! A long message is passed on as it comes; only those that are asked for are seen in one piece.

/// A type and a length.
pub const HEADER_BYTES: usize = 5;
/// A message that is asked for in one piece, and is longer, is passed on like the others.
pub const MAX_WHOLE_BYTES: usize = 64 * 1024;

/// What comes next in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A message that was asked for: that many bytes with its header.
    Whole {
        /// Its type.
        kind: u8,
        /// Its bytes, header and all.
        bytes: usize,
    },
    /// A message begins, and that many of its bytes are there, header and all.
    Begin {
        /// Its type.
        kind: u8,
        /// Those that are there.
        bytes: usize,
    },
    /// That many more bytes of the message that began.
    More {
        /// Those that are there.
        bytes: usize,
    },
    /// More must be read first.
    Wait,
}

/// A header that no message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid length {length} of a message of type {kind:#04x}")]
pub struct BadFrame {
    /// The message's type.
    pub kind: u8,
    /// What is said of its length.
    pub length: u32,
}

/// Where one is in a stream.
#[derive(Debug)]
pub struct Frames {
    /// What is missing of the message that began.
    rest: usize,
    /// Which types are asked for in one piece.
    whole: fn(u8) -> bool,
    /// The greatest length of each type; 0: there is no such type.
    limit: fn(u8) -> u32,
}

impl Frames {
    /// At the beginning of a stream.
    pub fn new(whole: fn(u8) -> bool, limit: fn(u8) -> u32) -> Self {
        Self {
            rest: 0,
            whole,
            limit,
        }
    }

    /// Whether the next byte is a header's.
    pub fn between(&self) -> bool {
        self.rest == 0
    }

    /// What the bytes that were read, and not stepped over yet, begin with.
    ///
    /// # Errors
    /// A length is none, or over its type's limit.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, BadFrame> {
        if self.rest > 0 {
            let here = self.rest.min(bytes.len());
            self.rest -= here;
            return Ok(match here {
                0 => Step::Wait,
                bytes => Step::More { bytes },
            });
        }
        let Some(([kind, length @ ..], _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(Step::Wait);
        };
        let (kind, length) = (*kind, u32::from_be_bytes(*length));
        if length < 4 || length > (self.limit)(kind) {
            return Err(BadFrame { kind, length });
        }
        let total = length as usize + 1;
        if (self.whole)(kind) && total <= MAX_WHOLE_BYTES {
            return Ok(if bytes.len() < total {
                Step::Wait
            } else {
                Step::Whole { kind, bytes: total }
            });
        }
        let here = total.min(bytes.len());
        self.rest = total - here;
        Ok(Step::Begin { kind, bytes: here })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_length(_: u8) -> u32 {
        i32::MAX as u32
    }

    fn message(kind: u8, body: usize) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend((body as u32 + 4).to_be_bytes());
        bytes.extend((0..body).map(|at| at as u8));
        bytes
    }

    /// Reads a stream that comes in pieces; the messages, with their bytes put together.
    fn read(stream: &[u8], pieces: &[usize]) -> Vec<(u8, bool, Vec<u8>)> {
        let mut frames = Frames::new(|kind| kind == b'Z', any_length);
        let mut found: Vec<(u8, bool, Vec<u8>)> = Vec::new();
        let (mut buffer, mut fed) = (Vec::new(), 0);
        let mut pieces = pieces.iter().cycle();
        loop {
            match frames.step(&buffer).expect("headers are right") {
                Step::Whole { kind, bytes } => {
                    found.push((kind, true, buffer.drain(..bytes).collect()));
                }
                Step::Begin { kind, bytes } => {
                    found.push((kind, false, buffer.drain(..bytes).collect()));
                }
                Step::More { bytes } => {
                    let last = found.last_mut().expect("a message began");
                    last.2.extend(buffer.drain(..bytes));
                }
                Step::Wait if fed == stream.len() => break,
                Step::Wait => {
                    let end = stream.len().min(fed + pieces.next().expect("pieces"));
                    buffer.extend_from_slice(&stream[fed..end]);
                    fed = end;
                }
            }
        }
        assert!(buffer.is_empty() && frames.between());
        found
    }

    #[test]
    fn long_messages_are_not_kept() {
        let mut frames = Frames::new(|_| true, any_length);
        let long = message(b'D', MAX_WHOLE_BYTES);
        assert_eq!(
            frames.step(&long[..9]),
            Ok(Step::Begin {
                kind: b'D',
                bytes: 9
            })
        );
        assert_eq!(frames.step(&[]), Ok(Step::Wait));
        assert_eq!(frames.step(&long[9..20]), Ok(Step::More { bytes: 11 }));
        assert!(!frames.between());
        let left = long.len() - 20;
        let next = [&long[20..], b"Z"].concat();
        assert_eq!(frames.step(&next), Ok(Step::More { bytes: left }));
        assert!(frames.between());
        assert_eq!(frames.step(b"Z"), Ok(Step::Wait));
    }

    #[test]
    fn lengths_that_are_none() {
        for length in [0u32, 1, 2, 3, 1001, 1 << 31, u32::MAX] {
            let mut frames = Frames::new(|_| false, |_| 1000);
            let header = [&b"Q"[..], &length.to_be_bytes()].concat();
            let error = BadFrame { kind: b'Q', length };
            assert_eq!(frames.step(&header), Err(error));
        }
        let mut frames = Frames::new(|_| false, |_| 0);
        assert!(frames.step(b"?\0\0\0\x04").is_err());
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_its_messages_are_the_same(
            messages in proptest::collection::vec((any::<u8>(), 0usize..300), 0..20),
            pieces in proptest::collection::vec(1usize..200, 1..20),
        ) {
            let expected: Vec<_> = messages
                .iter()
                .map(|(kind, body)| (*kind, *kind == b'Z', message(*kind, *body)))
                .collect();
            let stream: Vec<u8> = expected.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect();
            prop_assert_eq!(read(&stream, &pieces), expected);
        }

        #[test]
        fn garbage_never_steps_over_what_is_not_there(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut frames = Frames::new(|kind| kind.is_ascii_uppercase(), |_| 60);
            let mut at = 0;
            while at <= bytes.len() {
                match frames.step(&bytes[at..]) {
                    Ok(Step::Whole { bytes: n, .. } | Step::Begin { bytes: n, .. } | Step::More { bytes: n }) => {
                        prop_assert!(n > 0);
                        at += n;
                        prop_assert!(at <= bytes.len());
                    }
                    Ok(Step::Wait) | Err(_) => break,
                }
            }
        }
    }
}
