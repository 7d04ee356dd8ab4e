//! The one place where the lab meets the daemon.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

/// The daemon with this configuration, until `stop`.
pub(crate) async fn run(config_file: PathBuf, stop: CancellationToken) -> anyhow::Result<()> {
    // PLACE FOR THE DAEMON: anc_healthd::app::run(sources, stop).await
    let _ = config_file;
    stop.cancelled().await;
    Ok(())
}
