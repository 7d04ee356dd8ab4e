//! The runbooks, compiled in, so that a daemon explains the words it says itself.

use super::entry;
use crate::engine::Reason;

/// Where the reason's section is, in the repository.
pub fn runbook_path(reason: Reason) -> String {
    let entry = entry(reason);
    format!("deploy/runbooks/{}#{}", entry.runbook, entry.reason)
}

/// The reason's section, heading and all.
pub fn section(reason: Reason) -> &'static str {
    let entry = entry(reason);
    let text =
        RUNBOOKS.iter().find(|(file, _)| *file == entry.runbook).map_or("", |(_, text)| text);
    let heading = format!("{HEADING}`{}`\n", entry.reason);
    let section = text.find(&heading).map_or("", |start| &text[start..]);
    let end = section.find("\n## ").unwrap_or(section.len());
    section[..end].trim_end()
}

const HEADING: &str = "## ";

const RUNBOOKS: [(&str, &str); 7] = [
    ("dns.md", include_str!("../../deploy/runbooks/dns.md")),
    ("endpoints.md", include_str!("../../deploy/runbooks/endpoints.md")),
    ("udp.md", include_str!("../../deploy/runbooks/udp.md")),
    ("join.md", include_str!("../../deploy/runbooks/join.md")),
    ("controllers.md", include_str!("../../deploy/runbooks/controllers.md")),
    ("sso.md", include_str!("../../deploy/runbooks/sso.md")),
    ("daemon.md", include_str!("../../deploy/runbooks/daemon.md")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{REASONS, find, reason};

    #[test]
    fn every_reason_has_a_section_that_says_what_to_do() {
        for entry in REASONS {
            let section = section(entry.reason);
            for part in [
                "**What it means**",
                "**Confirm from the subnet**",
                "**Fix**",
                "**Microsoft's error type**",
            ] {
                assert!(section.contains(part), "{}: {part} in {section:?}", entry.reason);
            }
        }
    }

    #[test]
    fn every_section_has_a_reason_but_for_those_before_the_first() {
        for (file, text) in RUNBOOKS {
            let headings = text.lines().filter_map(|line| line.strip_prefix(HEADING));
            for heading in headings.skip_while(|heading| !heading.starts_with('`')) {
                let entry = find(heading.trim_matches('`'));
                assert_eq!(entry.map(|entry| entry.runbook), Some(file), "{heading}");
            }
        }
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let section = section(reason::NAME_NOT_FOUND);
        assert!(section.starts_with("## `name_not_found`\n"));
        assert_eq!(section.matches("\n## ").count(), 0);
        assert_eq!(runbook_path(reason::NAME_NOT_FOUND), "deploy/runbooks/dns.md#name_not_found");
    }
}
