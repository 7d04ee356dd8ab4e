//! The endpoint catalogue: dated data, our own or an operator's file of the same form.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use time::{Date, Month};

use super::rows::{Row, row_problems};

/// What a Cloud PC's subnet must reach, as of a date.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Of the form, not of the contents: those have the date.
    pub version: u32,
    /// The newest state of Microsoft's lists that it knows, as `YYYY-MM-DD`.
    pub date: String,
    #[serde(default)]
    pub source: String,
    /// What Microsoft lists and this does not, and why.
    #[serde(default)]
    pub left_out: String,
    pub endpoints: Vec<Row>,
}

impl Catalogue {
    /// Ours, compiled in.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Catalogue> = OnceLock::new();
        #[expect(clippy::expect_used, reason = "compiled in, and parsed by a test")]
        BUILTIN.get_or_init(|| Self::parse(include_str!("endpoints.json")).expect("it parses"))
    }

    /// No endpoints, of no date (the epoch).
    pub fn empty() -> Self {
        let (source, left_out) = (String::new(), String::new());
        let date = "1970-01-01".to_owned();
        Self { version: FORM, date, source, left_out, endpoints: Vec::new() }
    }

    /// Reads a file of the form, or says what is wrong: where the text stops making sense, or
    /// else everything that its contents get wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let catalogue = read(text).map_err(|problem| vec![problem])?;
        let problems = catalogue.problems();
        if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
    }

    /// Its date, as Unix seconds.
    pub fn timestamp(&self) -> u64 {
        seconds(&self.date).unwrap_or_default()
    }

    /// In the form that [`parse`](Self::parse) reads.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(
            |error| unreachable!("a catalogue holds nothing that JSON cannot: {error}"),
            |text| text + "\n",
        )
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.version != FORM {
            problems.push(format!("version {} is not known, only {FORM} is", self.version));
        }
        if seconds(&self.date).is_none() {
            problems.push(format!("date {:?} is no date of the form YYYY-MM-DD", self.date));
        }
        for (index, row) in self.endpoints.iter().enumerate() {
            let named = |problem| format!("endpoints[{index}] ({}): {problem}", row.host);
            problems.extend(row_problems(row).into_iter().map(named));
        }
        problems
    }
}

/// The path of what is wrong, if it has one, then serde's words, which end in line and column.
fn read(text: &str) -> Result<Catalogue, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let catalogue = serde_path_to_error::deserialize(&mut json).map_err(|err| err.to_string())?;
    json.end().map_err(|err| err.to_string())?;
    Ok(catalogue)
}

fn seconds(date: &str) -> Option<u64> {
    let written = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if [year, month, day].map(str::len) != [4, 2, 2] || ![year, month, day].into_iter().all(written)
    {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    date.midnight().assume_utc().unix_timestamp().try_into().ok()
}

const FORM: u32 = 1;

#[cfg(test)]
mod tests {
    use super::super::{Category, Cloud, Join, Protocol};
    use super::*;

    #[track_caller]
    fn problems(text: &str) -> Vec<String> {
        Catalogue::parse(text).unwrap_err()
    }

    fn with(rows: &str) -> String {
        format!(r#"{{"version": 1, "date": "2026-08-22", "endpoints": [{rows}]}}"#)
    }

    fn counted(rows: impl Fn(&Row) -> bool) -> usize {
        Catalogue::builtin().endpoints.iter().filter(|row| rows(row)).count()
    }

    #[test]
    fn the_builtin_has_its_date() {
        assert_eq!(Catalogue::builtin().date, "2026-08-22");
        assert_eq!(Catalogue::builtin().timestamp(), 1_787_356_800);
    }

    #[test]
    fn every_category_has_rows_in_every_cloud() {
        for cloud in Cloud::ALL {
            for category in Category::ALL {
                let rows = counted(|row| row.category == category && row.clouds.contains(&cloud));
                assert!(rows > 0, "{} in {}", category.as_str(), cloud.as_str());
            }
        }
    }

    /// Microsoft's lists have 249 rows; 10 Active Directory ports, 6 of STUN and TURN, one address
    /// range and one deprecated wildcard are left out, and `udp+tcp` makes two of one.
    #[test]
    fn nothing_was_lost_on_the_way_from_microsofts_lists() {
        assert_eq!(counted(|_| true), 249 - 10 - 6 - 1 - 1 + 1);
        let categories = Category::ALL.map(|category| counted(|row| row.category == category));
        assert_eq!(categories, [35, 37, 140, 9, 7, 4]);
        let protocols = [Protocol::Tls, Protocol::Http, Protocol::Tcp, Protocol::Udp];
        let protocols = protocols.map(|protocol| counted(|row| row.protocol == protocol));
        assert_eq!(protocols, [182, 43, 5, 2]);
        let clouds = Cloud::ALL.map(|cloud| counted(|row| row.clouds.contains(&cloud)));
        assert_eq!(clouds, [196, 24, 34]);
        assert_eq!(counted(|row| row.join == Join::Hybrid), 2);
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let printed = serde_json::to_string_pretty(Catalogue::builtin()).unwrap();
        assert_eq!(Catalogue::parse(&printed).unwrap(), *Catalogue::builtin());
        let printed = serde_json::to_string(&Catalogue::empty()).unwrap();
        assert_eq!(Catalogue::parse(&printed).unwrap(), Catalogue::empty());
        assert_eq!(Catalogue::empty().timestamp(), 0);
    }

    #[test]
    fn bad_syntax_says_where() {
        let cut = problems("{\"version\": 1,\n \"date\": }");
        assert!(cut[0].contains("line 2 column"), "{cut:?}");
        let unknown = problems(&with(r#"{"hots": "a.b"}"#));
        assert!(unknown[0].contains("endpoints[0]"), "{unknown:?}");
        assert!(unknown[0].contains("unknown field `hots`"), "{unknown:?}");
        assert!(unknown[0].contains("line 1 column"), "{unknown:?}");
        assert!(problems(&(with("") + "x"))[0].contains("trailing"));
    }

    #[test]
    fn bad_contents_are_said_all_at_once() {
        let rows = r#"
            {"host": "a.b", "port": 0, "protocol": "udp", "category": "WVD"},
            {"host": "fine.contoso.com", "port": 443, "protocol": "tls", "category": "WVD"},
            {"host": "a*.b", "port": 443, "protocol": "tls", "category": "WVD"}"#;
        let text = with(rows).replace("2026-08-22", "2026-02-30").replace(": 1,", ": 2,");
        let said = problems(&text);
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said[0].starts_with("version 2"));
        assert!(said[1].starts_with("date \"2026-02-30\""));
        assert!(said[2].starts_with("endpoints[0] (a.b): port 0"));
        assert!(said[3].starts_with("endpoints[0] (a.b): udp"));
        assert!(said[4].starts_with("endpoints[2] (a*.b): "));
    }

    #[test]
    fn a_date_has_one_form() {
        for date in
            ["", "2026", "2026-8-22", "+026-08-22", "2026-13-01", "1969-12-31", "22.08.2026"]
        {
            assert_eq!(seconds(date), None, "{date}");
        }
        assert_eq!(seconds("1970-01-02"), Some(86_400));
    }
}
