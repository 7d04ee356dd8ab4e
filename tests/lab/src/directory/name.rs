//! Distinguished names (RFC 4514), as far as objects are found by them.

/// What can be compared of a name: its components in lower case, without escapes, nearest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Vec<(String, String)>);

impl Name {
    /// None if it is no distinguished name. An empty one is that of rootDSE.
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        components(text).into_iter().map(component).collect::<Option<_>>().map(Self)
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.ends_with(&other.0)
    }

    /// As DNS has it.
    pub(super) fn domain(&self) -> String {
        let labels =
            self.0.iter().filter(|(kind, _)| kind == "dc").map(|(_, label)| label.as_str());
        labels.collect::<Vec<_>>().join(".")
    }

    /// Of the object above. The name must not be empty.
    pub(super) fn above(&self) -> Self {
        Self(self.0[1..].to_vec())
    }
}

/// What the first component of a name names, as written.
pub(super) fn first(name: &str) -> String {
    let first = components(name).into_iter().next().unwrap_or_default();
    first.split_once('=').map(|(_, value)| unescaped(value.trim())).unwrap_or_default()
}

fn component(text: String) -> Option<(String, String)> {
    const KINDS: [&str; 6] = ["cn", "ou", "dc", "o", "l", "c"];
    let (kind, value) = text.split_once('=')?;
    let (kind, value) = (kind.trim().to_lowercase(), unescaped(value.trim()).to_lowercase());
    (KINDS.contains(&kind.as_str()) && !value.is_empty()).then_some((kind, value))
}

/// Cut at each comma that is not escaped.
fn components(text: &str) -> Vec<String> {
    let mut components = vec![String::new()];
    let mut is_escaped = false;
    for sign in text.chars() {
        if sign == ',' && !is_escaped {
            components.push(String::new());
            continue;
        }
        is_escaped = sign == '\\' && !is_escaped;
        if let Some(last) = components.last_mut() {
            last.push(sign);
        }
    }
    components
}

/// A backslash goes before a sign, or before two digits that stand for an octet.
fn unescaped(value: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = value.as_bytes();
    while let [sign, after @ ..] = rest {
        let pair = after.get(..2).and_then(|pair| str::from_utf8(pair).ok());
        let octet = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        (rest, _) = match (sign, octet, after) {
            (b'\\', Some(octet), _) => (&after[2..], octets.push(octet)),
            (b'\\', None, [escaped, after @ ..]) => (after, octets.push(*escaped)),
            _ => (after, octets.push(*sign)),
        };
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_however_they_are_written() {
        let name = Name::of("CN=A\\2cb,OU=CloudPCs,DC=corp,DC=contoso,DC=test").unwrap();
        assert_eq!(Name::of("cn=a\\,B, ou=cloudpcs,dc=Corp,dc=contoso,dc=test").unwrap(), name);
        assert!(name.is_within(&Name::of("DC=corp,DC=contoso,DC=test").unwrap()));
        assert_eq!(name.above(), Name::of("OU=CloudPCs,DC=corp,DC=contoso,DC=test").unwrap());
        assert_eq!(first("CN=A\\2cb,OU=CloudPCs"), "A,b");
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["CloudPCs", "OU=a,", "FOO=a,DC=b", "OU=,DC=b", "corp.contoso.test/CloudPCs"] {
            assert_eq!(Name::of(text), None, "{text}");
        }
    }
}
