//! People through the proxy, in front of a real server: a process of its own, as it is run.

mod checked;
mod clients;
mod exhausting;
mod hostile;
mod mixed;
mod people;
mod relayed;
mod sources;
mod stage;
mod tokens;
mod with_tls;
