//! Whether a name can be that of an Active Directory domain.

/// Why DNS does not allow `name` as the name of a domain that has hosts, or none.
///
/// The rules are those of RFC 1035 section 2.3.1 with the leading digit of RFC 1123 section 2.1:
/// letters, digits and inner hyphens, labels of 1 to 63 characters, 253 in all. The same section
/// keeps a last label of digits alone for addresses. One final dot is allowed.
pub fn name_fault(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Some("it is empty".into());
    }
    if name.len() > LONGEST_NAME {
        return Some(format!("it is longer than {LONGEST_NAME} characters"));
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("its last label is a number, as in an address".into());
    }
    name.split('.').find_map(label_fault)
}

fn label_fault(label: &str) -> Option<String> {
    let odd = |character: &char| !character.is_ascii_alphanumeric() && *character != '-';
    if label.is_empty() {
        Some("it has an empty label".into())
    } else if let Some(character) = label.chars().find(odd) {
        Some(format!("it contains {character:?}"))
    } else if label.len() > LONGEST_LABEL {
        Some(format!("the label {label:?} is longer than {LONGEST_LABEL} characters"))
    } else if label.starts_with('-') || label.ends_with('-') {
        Some(format!("the label {label:?} begins or ends with a hyphen"))
    } else {
        None
    }
}

const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_domains() {
        let long = [["a"; 63].concat(), "b".into()].join(".");
        let whole = ["ab"; 84].join(".") + ".";
        for name in ["corp.contoso.com", "contoso.com.", "CONTOSO", "3com.x-y.z9", &long, &whole] {
            assert_eq!(name_fault(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_none() {
        faulty("", "empty");
        faulty(".", "empty");
        faulty("a..b", "empty label");
        faulty(".contoso.com", "empty label");
        faulty("contoso.com..", "empty label");
        faulty("my_corp.com", "contains '_'");
        faulty("corp contoso.com", "contains ' '");
        faulty("bücher.example", "contains 'ü'");
        faulty("-corp.com", "hyphen");
        faulty("corp-.com", "hyphen");
        faulty("10.0.0.4", "number");
        faulty(&"a".repeat(64), "longer than 63");
        faulty(&["ab"; 85].join("."), "longer than 253");
    }

    #[track_caller]
    fn faulty(name: &str, why: &str) {
        let fault = name_fault(name).unwrap_or_else(|| panic!("{name:?} passed"));
        assert!(fault.contains(why), "{name:?}: {fault}");
    }
}
