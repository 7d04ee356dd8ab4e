//! Metric families under construction. They keep what Prometheus demands: one type and one help
//! text a family, no two series with the same labels, and label values of bounded length.

use std::collections::BTreeMap;

use prometheus::proto;

use crate::engine::Histogram;

/// Longer label values are cut.
const LABEL_BYTES: usize = 256;

/// By name.
#[derive(Default)]
pub(super) struct Families(BTreeMap<&'static str, Family>);

/// What a family is, apart from its series.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    /// A label that every series has and that the family does not name itself.
    pub(super) first: Option<&'static str>,
    pub(super) labels: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Gauge,
    Counter,
    Histogram,
}

struct Family {
    shape: Shape,
    series: BTreeMap<Vec<String>, Value>,
}

enum Value {
    Number(f64),
    Histogram(Histogram),
}

impl Families {
    /// A gauge's or a counter's value; of two with the same labels the later counts.
    pub(super) fn set<'a>(
        &mut self,
        shape: &Shape,
        labels: impl IntoIterator<Item = &'a str>,
        value: f64,
    ) {
        debug_assert!(shape.kind != Kind::Histogram, "{}", shape.name);
        self.put(shape, labels, Value::Number(value));
    }

    pub(super) fn observed<'a>(
        &mut self,
        shape: &Shape,
        labels: impl IntoIterator<Item = &'a str>,
        histogram: &Histogram,
    ) {
        debug_assert!(shape.kind == Kind::Histogram, "{}", shape.name);
        self.put(shape, labels, Value::Histogram(histogram.clone()));
    }

    pub(super) fn finish(self) -> Vec<proto::MetricFamily> {
        self.0.into_values().map(Family::finish).collect()
    }

    /// Two checks may share a family, but a family has one shape: what comes in another is left
    /// out, for a page with it would be refused as a whole.
    fn put<'a>(&mut self, shape: &Shape, labels: impl IntoIterator<Item = &'a str>, value: Value) {
        let fresh = || Family { shape: *shape, series: BTreeMap::new() };
        let family = self.0.entry(shape.name).or_insert_with(fresh);
        let labels: Vec<String> = labels.into_iter().map(clean).collect();
        let names = family.shape.label_names().count();
        let fits = family.shape.is_like(shape) && labels.len() == names;
        debug_assert!(fits, "{}: two shapes", shape.name);
        if fits {
            family.series.insert(labels, value);
        }
    }
}

impl Shape {
    fn is_like(&self, other: &Self) -> bool {
        (self.kind, self.first, self.labels) == (other.kind, other.first, other.labels)
    }

    fn label_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.first.into_iter().chain(self.labels.iter().copied())
    }
}

impl Family {
    fn finish(self) -> proto::MetricFamily {
        let mut family = proto::MetricFamily::default();
        family.set_name(self.shape.name.to_owned());
        family.set_help(self.shape.help.to_owned());
        family.set_field_type(match self.shape.kind {
            Kind::Gauge => proto::MetricType::GAUGE,
            Kind::Counter => proto::MetricType::COUNTER,
            Kind::Histogram => proto::MetricType::HISTOGRAM,
        });
        let series = self.series.into_iter().map(|(values, value)| {
            let labels = self.shape.label_names().zip(values).map(label).collect();
            let mut metric = proto::Metric::from_label(labels);
            match (value, self.shape.kind) {
                (Value::Number(value), Kind::Counter) => metric.set_counter(counter(value)),
                (Value::Number(value), _) => metric.set_gauge(gauge(value)),
                (Value::Histogram(value), _) => metric.set_histogram(histogram(&value)),
            }
            metric
        });
        family.set_metric(series.collect());
        family
    }
}

/// Peers have a say in label values (a host, a DC, a lock): they are held to one line of bounded
/// length. Quotes and backslashes are the encoder's.
pub(super) fn clean(value: &str) -> String {
    let replaced = |each: char| if each.is_control() { char::REPLACEMENT_CHARACTER } else { each };
    let mut room = LABEL_BYTES;
    let fits = |each: &char| {
        let left = room.checked_sub(each.len_utf8());
        room = left.unwrap_or_default();
        left.is_some()
    };
    value.chars().map(replaced).take_while(fits).collect()
}

fn label((name, value): (&str, String)) -> proto::LabelPair {
    let mut label = proto::LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value);
    label
}

fn counter(value: f64) -> proto::Counter {
    let mut counter = proto::Counter::default();
    counter.set_value(value);
    counter
}

fn gauge(value: f64) -> proto::Gauge {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    gauge
}

/// The encoder adds the bucket `+Inf`.
fn histogram(of: &Histogram) -> proto::Histogram {
    let bucket = |(bound, count): (f64, u64)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(of.cumulative().map(bucket).collect());
    histogram.set_sample_count(of.count());
    histogram.set_sample_sum(of.sum());
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_value_is_one_line_of_bounded_length() {
        assert_eq!(clean("a\nb\u{1b}[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(clean(&"x".repeat(300)).len(), LABEL_BYTES);
        assert_eq!(clean(&"ü€".repeat(300)).len(), 255, "cut between characters");
    }

    #[test]
    fn of_two_series_with_the_same_labels_the_later_counts() {
        let shape = Shape { name: "a", help: "A.", kind: Kind::Gauge, first: None, labels: &["b"] };
        let mut families = Families::default();
        families.set(&shape, ["c"], 1.0);
        families.set(&shape, ["c"], 2.0);
        let families = families.finish();
        assert_eq!(families[0].get_metric().len(), 1);
        assert_eq!(families[0].get_metric()[0].get_gauge().get_value().to_bits(), 2f64.to_bits());
    }
}
