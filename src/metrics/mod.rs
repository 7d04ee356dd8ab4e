//! The Prometheus page, as a view of the board: what is not on the board cannot be exported, and
//! a series ends when what it tells of does. The only room that knows Prometheus.

mod families;
mod view;

use std::slice;

use prometheus::{
    Gauge, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tracing::error;

use crate::engine::{Board, Clock};

/// What `/metrics` says. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    clock: Clock,
    reload_successful: Gauge,
    reload_success_at: Gauge,
    catalogue_dated: Gauge,
}

/// Which build this is.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub version: &'static str,
    pub revision: &'static str,
}

impl Metrics {
    /// That there is a board means that a configuration was loaded, which counts as a reload.
    pub fn new(board: Board, about: About) -> Self {
        let clock = board.clock().clone();
        let registry = Registry::new();
        register(&registry, View { board, about });
        #[cfg(target_os = "linux")]
        register(&registry, prometheus::process_collector::ProcessCollector::for_self());
        let reload_successful = gauge(RELOAD_SUCCESSFUL.0, RELOAD_SUCCESSFUL.1);
        let reload_success_at = gauge(RELOAD_SUCCESS_AT.0, RELOAD_SUCCESS_AT.1);
        let catalogue_dated = gauge(CATALOGUE_DATED.0, CATALOGUE_DATED.1);
        register(&registry, reload_successful.clone());
        register(&registry, reload_success_at.clone());
        let metrics =
            Self { registry, clock, reload_successful, reload_success_at, catalogue_dated };
        metrics.reloaded(true);
        metrics
    }

    /// The configuration was read again: is it the one in force?
    pub fn reloaded(&self, ok: bool) {
        self.reload_successful.set(f64::from(u8::from(ok)));
        if ok {
            self.reload_success_at.set(Clock::unix(self.clock.now()));
        }
    }

    /// The endpoint catalogue in force is of this time, in Unix seconds; `None`, and there is no
    /// series, where none is in force.
    pub fn catalogue_dated(&self, timestamp: Option<u64>) {
        let series = Box::new(self.catalogue_dated.clone());
        if let Some(timestamp) = timestamp {
            #[expect(clippy::cast_precision_loss, reason = "exact for the next 285 million years")]
            self.catalogue_dated.set(timestamp as f64);
            // Refused when it is registered already.
            let _known = self.registry.register(series);
        } else {
            // Refused when it is not.
            let _unknown = self.registry.unregister(series);
        }
    }

    /// Everything, in the text format 0.0.4.
    pub fn page(&self) -> String {
        let mut page = String::new();
        for family in self.registry.gather() {
            let written = TextEncoder::new().encode_utf8(slice::from_ref(&family), &mut page);
            if let Err(error) = written {
                error!(family = family.name(), %error, "left a metric family out");
            }
        }
        page
    }
}

/// The board, looked at when it is scraped.
struct View {
    board: Board,
    about: About,
}

impl Collector for View {
    /// None: which families there are depends on what the checks read.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        view::families(&self.board.standings(), self.about)
    }
}

fn register(registry: &Registry, collector: impl Collector + 'static) {
    let registered = registry.register(Box::new(collector));
    #[expect(clippy::expect_used, reason = "the registry is fresh and the names are ours")]
    registered.expect("no two collectors of one name");
}

fn gauge(name: &str, help: &str) -> Gauge {
    #[expect(clippy::expect_used, reason = "the names below are valid")]
    Gauge::new(name, help).expect("a valid name")
}

const RELOAD_SUCCESSFUL: (&str, &str) = (
    "anc_config_last_reload_successful",
    "Whether the configuration was sound when it was last read (1) or not (0).",
);
const RELOAD_SUCCESS_AT: (&str, &str) = (
    "anc_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, in Unix time.",
);
const CATALOGUE_DATED: (&str, &str) = (
    "anc_endpoint_catalogue_timestamp_seconds",
    "Of when the endpoint catalogue in force is, in Unix time.",
);

#[cfg(test)]
mod tests;
