//! What answers of Windows and Samba mean, whole: facts by code, never by prose.

use crate::directory::{
    Answer,
    Bind::{self, *},
    Outcome,
};

const INVALID_CREDENTIALS: u32 = 49;

#[test]
fn a_refused_bind_is_told_by_its_data() {
    told(&["525", "52e"], WrongCredentials);
    told(&["52f", "530", "531"], Restricted);
    told(&["532"], PasswordExpired);
    told(&["533"], Disabled);
    told(&["701"], AccountExpired);
    told(&["773"], MustChangePassword);
    told(&["775"], LockedOut);
    told(&["80090346"], ChannelBindingRequired);
    told(&["0", "52", "52e1", "534", "57", "bad", ""], Refused);
}

#[test]
fn channel_binding_is_told_by_the_win32_code_as_well() {
    for text in ["80090346: LdapErr: DSID-0C09056D", "80090346: LdapErr: x, data 0, v4f7c"] {
        bound(INVALID_CREDENTIALS, text, ChannelBindingRequired);
    }
}

#[test]
fn other_codes_of_a_bind_need_no_text() {
    let signing = "The server requires binds to turn on integrity checking if SSL\\TLS are not \
                   already active on the connection, data 0, v4563\n\0";
    bound(0, "", Accepted);
    bound(0, "00000000: Success", Accepted);
    bound(8, &format!("00002028: LdapErr: DSID-0C090257, comment: {signing}"), SigningRequired);
    bound(8, "BindSimple: Transport encryption required.", SigningRequired);
    bound(8, "SASL:[GSSAPI]: Sign or Seal are required.", SigningRequired);
    bound(13, "", SigningRequired);
    bound(51, "", NotOperational);
    bound(52, "00000000: LdapErr: DSID-0C090F9F, comment: Error initializing", NotOperational);
    bound(53, "00002035: LdapErr: DSID-0C090E16, comment: unauthenticated, data 0", Failed);
    for code in [1, 2, 7, 10, 14, 32, 34, 48, 50, 53, 80, 1234, u32::MAX] {
        bound(code, "", Failed);
    }
}

#[test]
fn data_counts_only_where_a_bind_is_refused() {
    for code in [0, 1, 8, 50, 51, 52, 53] {
        let answer = Answer::new(code, &windows("52e"));
        assert_eq!((answer.data, answer.bind() == WrongCredentials), (None, false), "{code}");
    }
}

#[test]
fn what_was_done_or_cut_needs_no_text() {
    came(0, &["", "00000000: Success", "0000216D: misleading"], Outcome::Done);
    came(4, &["", "00000000: size limit exceeded"], Outcome::Cut);
    came(3, &[""], Outcome::Cut);
    came(11, &[""], Outcome::Cut);
}

#[test]
fn a_missing_right_is_told() {
    let rights = "4003 (INSUFF_ACCESS_RIGHTS)";
    came(50, &[&problem("00000005", "SecErr", rights)], Outcome::AccessDenied);
    came(50, &[&problem("00002098", "SecErr", rights)], Outcome::AccessDenied);
    came(50, &[&problem("00000522", "SecErr", rights)], Outcome::AccessDenied);
    came(50, &["acl: unable to get access to CN=x,OU=y\n"], Outcome::AccessDenied);
    let no_write = "00002098: Object CN=x has no write property access\n";
    let no_delete = "dsdb_access: Access check failed on OU=y";
    came(50, &[no_write, no_delete, ""], Outcome::AccessDenied);
}

#[test]
fn the_quota_is_told_by_its_win32_code() {
    let quota = problem("0000216D", "SvcErr", "5003 (WILL_NOT_PERFORM)");
    came(53, &[&quota, &quota.to_lowercase(), "0000216d:"], Outcome::QuotaExceeded);
    let policy = problem("0000052D", "SvcErr", "5003 (WILL_NOT_PERFORM)");
    let unsealed = problem("0000001F", "SvcErr", "5003 (WILL_NOT_PERFORM)");
    came(53, &[&policy, &unsealed, "00002035: LdapErr", ""], Outcome::Refused);
    came(19, &[&problem("0000052D", "AtrErr", "1005 (CONSTRAINT_ATT_TYPE)")], Outcome::Refused);
}

#[test]
fn a_missing_unit_a_bad_name_and_another_domain_are_told_apart() {
    let missing = problem("0000208D", "NameErr", "2001 (NO_OBJECT)");
    let missing = missing + ", best match of:\n\t'DC=corp,DC=contoso,DC=com'\n\0";
    let without = "00002030: objectclass: Cannot add CN=x, parent does not exist!";
    let searched = "acl_read: Error retrieving instanceType for base. at ../../source4/dsdb";
    let unseen = "00002030: No such Base DN: CN=x";
    came(32, &[&missing, without, searched, unseen, ""], Outcome::NoSuchObject);
    let bad = problem("0000208F", "NameErr", "2006 (BAD_NAME)").replace("data 0", "data 8350");
    let samba = ["00002032: ldb_add: invalid dn '(null)'", "00002032: ldb_search: invalid basedn"];
    came(34, &[&bad, samba[0], samba[1], ""], Outcome::BadName);
    let elsewhere = "0000202B: RefErr: DSID-0310084A, data 0, 1 access points\n\tref 1: 'a.b'\n\0";
    came(10, &[elsewhere, ""], Outcome::Elsewhere);
}

#[test]
fn a_name_taken_is_told_from_an_account_taken() {
    came(68, &[&problem("00002071", "UpdErr", "6005 (ENTRY_EXISTS)")], Outcome::NameTaken);
    came(68, &["Entry CN=x,OU=y already exists", ""], Outcome::NameTaken);
    came(68, &[&problem("00000524", "UpdErr", "6005 (ENTRY_EXISTS)")], Outcome::AccountTaken);
    // Samba's code says no more than that something of that name is there.
    came(68, &["00002071: samldb: samAccountName 'X$' already in use!"], Outcome::NameTaken);
}

#[test]
fn a_controller_that_cannot_now_is_told() {
    for code in [51, 52, 81] {
        came(code, &["", "00000000: LdapErr: DSID-0C090F9F, data 0"], Outcome::NotOperational);
    }
}

#[test]
fn other_refusals_stay_refusals() {
    let unbound = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation";
    came(1, &[unbound, "00002020: Operation unavailable without authentication"], Outcome::Refused);
    came(8, &["00002028: LdapErr: DSID-0C090257"], Outcome::Refused);
    came(16, &["0000200A: x was not found in the schema!", "00000057: LdapErr"], Outcome::Refused);
    came(19, &[&problem("000021C7", "AtrErr", "1005 (CONSTRAINT_ATT_TYPE)")], Outcome::Refused);
    came(19, &[&problem("000021C8", "AtrErr", "1005 (CONSTRAINT_ATT_TYPE)")], Outcome::Refused);
    came(19, &[&problem("00002082", "AtrErr", "1026 (NAME_TOO_LONG)")], Outcome::Refused);
    came(21, &["0000200B: cn"], Outcome::Refused);
    came(64, &[&problem("00002099", "NameErr", "2003 (NAMING_VIOLATION)")], Outcome::Refused);
    came(64, &["00002037: structural objectClass computer is not a valid child class"], REFUSED);
    came(65, &["0000207D: UpdErr: DSID-0315166D, problem 6002 (OBJ_CLASS_VIOLATION)"], REFUSED);
    came(2, &["Extended Operation(1.3.6.1.4.1.4203.1.11.3) not supported"], Outcome::Refused);
}

#[test]
fn prose_never_matters() {
    let misleading = "80090308: LdapErr: the account is locked out, data 775 was old, it is \
                      disabled, error, data 533, v1db1: no data here";
    bound(INVALID_CREDENTIALS, misleading, Disabled);
    bound(INVALID_CREDENTIALS, "Invalid credentials: account locked out (775)", Refused);
    bound(INVALID_CREDENTIALS, "data", Refused);
    bound(0, &windows("52e"), Accepted);
    came(50, &["0000216D: quota exceeded, NO_OBJECT"], Outcome::AccessDenied);
    came(53, &["INSUFF_ACCESS_RIGHTS 00000005: denied"], Outcome::Refused);
    came(68, &["Entry 00000524: already exists"], Outcome::NameTaken);
    came(53, &["+000216D: no", "-000216D: no", "216D: no", "0000216D no", "ä000216D:"], REFUSED);
}

#[test]
fn text_is_for_people() {
    let answer = Answer::new(49, "80090308: LdapErr:\tDSID,\r\n data 52e,  v4563\n\0");
    assert_eq!(answer.text, "80090308: LdapErr: DSID, data 52e, v4563");
    assert_eq!((answer.win32, answer.data), (Some(0x8009_0308), Some(0x52e)));
    assert_eq!(answer.to_string(), format!("LDAP result 49 ({})", answer.text));
    assert_eq!(Answer::new(52, "\n\0").to_string(), "LDAP result 52");
    assert_eq!(Answer::new(1, &"ä".repeat(5000)).text.chars().count(), 200);
}

#[track_caller]
fn told(data: &[&str], expected: Bind) {
    for data in data {
        let samba = format!("{}, v1db1", refused("80090308", "0C0903A9", data));
        let negotiated = format!("{}, v1db1", refused("8009030C", "0C0904DC", data));
        let bare = refused("80090308", "0C090447", data);
        for text in [windows(data), samba, negotiated, bare.to_uppercase().replace("DATA", "data")]
        {
            bound(INVALID_CREDENTIALS, &text, expected);
        }
    }
}

#[track_caller]
fn bound(code: u32, text: &str, expected: Bind) {
    assert_eq!(Answer::new(code, text).bind(), expected, "{code} {text}");
}

#[track_caller]
fn came(code: u32, texts: &[&str], expected: Outcome) {
    for text in texts {
        assert_eq!(Answer::new(code, text).outcome(), expected, "{code} {text}");
    }
}

fn windows(data: &str) -> String {
    format!("{}, v4563\n\0", refused("80090308", "0C090449", data))
}

fn refused(win32: &str, site: &str, data: &str) -> String {
    format!("{win32}: LdapErr: DSID-{site}, comment: AcceptSecurityContext error, data {data}")
}

/// As Windows writes it of an operation.
fn problem(win32: &str, kind: &str, problem: &str) -> String {
    format!("{win32}: {kind}: DSID-031A124C, problem {problem}, data 0\n\0")
}

const REFUSED: Outcome = Outcome::Refused;
