//! Distinguished names (RFC 4514), as far as they are compared.

/// Whether `name` lies in the naming context `context`: its last components are those of the
/// context. None where `name` is no distinguished name at all.
pub fn is_within(name: &str, context: &str) -> Option<bool> {
    let (name, context) = (components(name)?, components(context)?);
    Some(name.len() >= context.len() && name[name.len() - context.len()..] == context[..])
}

/// Whether two names are the same.
pub fn is_same(one: &str, other: &str) -> bool {
    matches!((components(one), components(other)), (Some(one), Some(other)) if one == other)
}

/// The names of the containers that `name` lies in, nearest first, up to `context`.
pub fn containers(name: &str, context: &str) -> Vec<String> {
    let within = |above: &str| is_within(above, context) == Some(true);
    let mut containers = Vec::new();
    let mut rest = name;
    while let Some((_, above)) = split_first(rest) {
        if !within(above) {
            break;
        }
        containers.push(above.to_owned());
        rest = above;
    }
    containers
}

/// `DC=corp,DC=contoso,DC=com` for `corp.contoso.com`.
pub fn of_domain(domain: &str) -> String {
    let labels = domain.trim_end_matches('.').split('.').map(|label| format!("DC={label}"));
    labels.collect::<Vec<_>>().join(",")
}

/// Each component in lower case, without spaces around its parts.
fn components(name: &str) -> Option<Vec<(String, String)>> {
    let mut components = Vec::new();
    let mut rest = Some(name);
    while let Some(name) = rest {
        let (first, above) = split_first(name).map_or((name, None), |(it, rest)| (it, Some(rest)));
        let (kind, value) = first.split_once('=')?;
        let (kind, value) = (kind.trim(), value.trim());
        if kind.is_empty() || value.is_empty() {
            return None;
        }
        components.push((kind.to_lowercase(), value.to_lowercase()));
        rest = above;
    }
    Some(components)
}

/// Cuts at the first comma that is not escaped.
fn split_first(name: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, sign) in name.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => return Some((&name[..at], &name[at + 1..])),
            _ => (),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORP: &str = "DC=corp,DC=contoso,DC=com";

    #[test]
    fn an_organizational_unit_is_in_its_domain() {
        assert_eq!(is_within("OU=CloudPCs,DC=corp,DC=contoso,DC=com", CORP), Some(true));
        assert_eq!(is_within("ou=a\\,b , dc=CORP, dc=contoso,dc=com", CORP), Some(true));
        assert_eq!(is_within(CORP, CORP), Some(true));
        assert_eq!(is_within("OU=CloudPCs,DC=emea,DC=contoso,DC=com", CORP), Some(false));
        assert_eq!(is_within("DC=contoso,DC=com", CORP), Some(false));
    }

    #[test]
    fn what_is_no_name_is_told() {
        for malformed in ["", "CloudPCs", "OU=CloudPCs,", "corp.contoso.com/CloudPCs", "OU=,DC=a"] {
            assert_eq!(is_within(malformed, CORP), None, "{malformed}");
        }
    }

    #[test]
    fn containers_go_up_to_the_domain() {
        let above = containers("OU=a,OU=b\\,c,DC=corp,DC=contoso,DC=com", CORP);
        assert_eq!(above, ["OU=b\\,c,DC=corp,DC=contoso,DC=com", CORP]);
        assert_eq!(containers(CORP, CORP), Vec::<String>::new());
    }

    #[test]
    fn a_domain_has_a_name() {
        assert_eq!(of_domain("corp.contoso.com."), CORP);
        assert!(is_same(CORP, "dc=Corp, DC=contoso, DC=com"));
        assert!(!is_same(CORP, ""));
    }
}
