//! The catalogue as people and spreadsheets read it.

use std::fmt::Write as _;

use super::{Catalogue, Row};

impl Catalogue {
    /// A line a row, below its date.
    pub fn to_text(&self) -> String {
        if self.endpoints.is_empty() {
            return "no endpoints\n".to_owned();
        }
        let mut text = format!("{} endpoints, as of {}\n", self.endpoints.len(), self.date);
        for row in &self.endpoints {
            let need = if row.required { "required" } else { "optional" };
            let hosts = row.probe_hosts.join(" ");
            let [category, protocol] = [row.category.as_str(), row.protocol.as_str()];
            let line = format!(
                "{category:<14} {need:<9} {protocol:<5} {:>5}  {:<54} {hosts}",
                row.port, row.host
            );
            // Writing to a string cannot fail.
            let _infallible = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    /// CSV (RFC 4180).
    pub fn to_csv(&self) -> String {
        let mut text = String::from(
            "host,port,protocol,category,required,clouds,join,tls_inspection,probe_hosts,purpose,\
             source,note\r\n",
        );
        for row in &self.endpoints {
            text.push_str(&fields(row).map(|field| quoted(&field)).join(","));
            text.push_str("\r\n");
        }
        text
    }
}

fn fields(row: &Row) -> [String; 12] {
    let clouds: Vec<_> = row.clouds.iter().map(|cloud| cloud.as_str()).collect();
    [
        row.host.clone(),
        row.port.to_string(),
        row.protocol.as_str().into(),
        row.category.as_str().into(),
        row.required.to_string(),
        clouds.join(" "),
        row.join.as_str().into(),
        row.tls_inspection.as_str().into(),
        row.probe_hosts.join(" "),
        row.purpose.clone(),
        row.source.clone(),
        row.note.clone(),
    ]
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(quoted("plain"), "plain");
    }

    #[test]
    fn every_row_is_a_line() {
        let catalogue = Catalogue::builtin();
        let rows = catalogue.endpoints.len();
        assert_eq!(catalogue.to_text().lines().count(), rows + 1);
        assert_eq!(catalogue.to_csv().matches("\r\n").count(), rows + 1);
    }
}
