//! Listening for clients until the proxy is asked to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::session::Proxy;

/// How long it is waited when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves clients. SIGTERM and SIGINT end it: nobody comes in any more, and sessions end where no
/// transaction is open.
///
/// # Errors
/// A file of the configuration can't be used, or the address is taken.
pub async fn run(config: Config) -> Result<()> {
    let (stop, stopping) = watch::channel(false);
    let address = config.listen.address;
    let drain = Duration::from_secs(config.limits.drain_seconds);
    let proxy = Proxy::new(config, stopping)?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen.address: can't listen on {address}"))?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut hangups = signal(SignalKind::hangup())?;
    tracing::info!(address = %listener.local_addr()?, "listening");

    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, peer)) => {
                    sessions.spawn(Arc::clone(&proxy).serve(tcp, peer));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection can't be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(ended) = sessions.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a session has failed");
                }
            }
            _ = hangups.recv() => tracing::info!(
                "logins and keys are read again by themselves when their files change; \
                 for the rest of the configuration the proxy must be started again"
            ),
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
        }
    }
    drop(listener);
    tracing::info!(sessions = sessions.len(), "stopping");
    stop.send_replace(true);
    let rest = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(drain + PAUSE, rest).await.is_err() {
        tracing::warn!("open transactions are cut off");
    }
    Ok(())
}
