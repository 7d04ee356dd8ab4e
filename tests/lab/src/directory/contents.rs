//! What stands in the directory before anybody creates anything.

use super::{
    ACCOUNT, BASE, CONFIGURATION, DEFAULT_CONTAINER, MACHINE_ACCOUNT_QUOTA, ORGANIZATIONAL_UNIT,
    TENANT,
    conditions::Conditions,
    object::{Kind, Object, file_time, sid},
};
use crate::{dns::DOMAIN, faults::Directory};

/// The relative id of the join account.
pub(super) const JOIN_ACCOUNT: u32 = 1104;

/// As it is under these conditions.
pub(super) fn contents(conditions: &Conditions) -> Vec<Object> {
    let founded = conditions.now().unix_timestamp() - 900 * DAY;
    let contents = Contents { conditions, founded };
    let parts = [
        contents.skeleton(),
        vec![contents.join_account()],
        contents.computers_by_quota(),
        contents.kerberos_server(),
        contents.policies(),
        contents.leftovers(),
        contents.configuration(),
    ];
    parts.concat()
}

struct Contents<'a> {
    conditions: &'a Conditions,
    /// In seconds since 1970.
    founded: i64,
}

impl Contents<'_> {
    fn skeleton(&self) -> Vec<Object> {
        let computers = format!("B:32:AA312825768811D1ADED00C04FD8D5CD:{DEFAULT_CONTAINER}");
        let domain = self
            .object(Kind::Domain, BASE)
            .with("dc", "corp")
            .with("ms-DS-MachineAccountQuota", MACHINE_ACCOUNT_QUOTA.to_string())
            .with("wellKnownObjects", computers)
            .with("gPLink", link(DEFAULT_DOMAIN_POLICY, IN_FORCE));
        let container = |name: &str| self.object(Kind::Container, &format!("{name},{BASE}"));
        let controllers = format!("OU=Domain Controllers,{BASE}");
        let mut objects = vec![
            domain,
            self.object(Kind::Container, DEFAULT_CONTAINER),
            container("CN=Users"),
            container("CN=System"),
            container("CN=Policies,CN=System"),
            self.object(Kind::Unit, &controllers).with("ou", "Domain Controllers"),
        ];
        for (host, relative) in [("DC1", 1000), ("DC2", 1103)] {
            let controller = self.computer(host, &controllers, relative, self.founded);
            objects.push(controller.with("userAccountControl", "532480"));
        }
        if !self.conditions.has(Directory::UnitMissing) {
            objects.push(self.unit());
        }
        objects
    }

    fn unit(&self) -> Object {
        let linked = self.conditions.has(Directory::PolicyLinked);
        let options = if linked { IN_FORCE } else { DISABLED };
        let unit = self
            .object(Kind::Unit, ORGANIZATIONAL_UNIT)
            .with("ou", "CloudPCs")
            .with("gPLink", link(UNIT_POLICY, options));
        let may_create = !self.conditions.has(Directory::NoRights);
        if may_create { unit.with("allowedChildClassesEffective", "computer") } else { unit }
    }

    fn join_account(&self) -> Object {
        let in_days = |days| file_time(self.conditions.now().unix_timestamp() + days * DAY);
        let expires_soon = self.conditions.has(Directory::AccountExpiring);
        let account_expires = if expires_soon { in_days(5) } else { NEVER.into() };
        let expires_soon = self.conditions.has(Directory::PasswordExpiring);
        let password_expires = in_days(if expires_soon { 5 } else { 60 });
        let (name, _) = ACCOUNT.split_once('@').unwrap_or((ACCOUNT, ""));
        self.object(Kind::User, &format!("CN={name},CN=Users,{BASE}"))
            .with("cn", name)
            .with("sAMAccountName", name)
            .with("userPrincipalName", ACCOUNT)
            .with_octets("objectSid", sid(JOIN_ACCOUNT))
            .with("userAccountControl", "512")
            .with("msDS-User-Account-Control-Computed", "0")
            .with("msDS-UserPasswordExpiryTimeComputed", password_expires)
            .with("accountExpires", account_expires)
            .with("pwdLastSet", file_time(self.founded + 870 * DAY))
            .with("lockoutTime", "0")
    }

    fn computers_by_quota(&self) -> Vec<Object> {
        let computer = |number| {
            let name = format!("CPC-{number:05}");
            let created = self.founded + i64::from(number) * DAY;
            self.computer(&name, DEFAULT_CONTAINER, 1200 + number, created)
                .with_octets("mS-DS-CreatorSID", sid(JOIN_ACCOUNT))
        };
        (1..=self.conditions.quota_used()).map(computer).collect()
    }

    fn kerberos_server(&self) -> Vec<Object> {
        let account = format!("CN=krbtgt_AzureAD,CN=Users,{BASE}");
        let mut objects = Vec::new();
        if !self.conditions.has(Directory::KerberosServerMissing) {
            let controllers = format!("OU=Domain Controllers,{BASE}");
            let server = self.computer("AzureADKerberos", &controllers, 1110, self.founded);
            let is_linked = !self.conditions.has(Directory::KerberosLinkMissing);
            let linked = |server: Object| server.with("msDS-KrbTgtLink", account.as_str());
            objects.push(if is_linked { linked(server) } else { server });
        }
        if !self.conditions.has(Directory::KerberosAccountMissing) {
            let age = if self.conditions.has(Directory::KerberosKeyOld) { 400 } else { 30 };
            let account = self
                .object(Kind::User, &account)
                .with("cn", "krbtgt_AzureAD")
                .with("sAMAccountName", "krbtgt_AzureAD")
                .with_octets("objectSid", sid(1111))
                .with("msDS-SecondaryKrbTgtNumber", "16961")
                .with("pwdLastSet", file_time(self.founded + (900 - age) * DAY));
            objects.push(account);
        }
        objects
    }

    fn policies(&self) -> Vec<Object> {
        let policy = |(guid, title): (&str, &str)| {
            let policy = self.object(Kind::Policy, &format!("CN={guid},{}", policies()));
            policy.with("cn", guid).with("displayName", title)
        };
        [(DEFAULT_DOMAIN_POLICY, "Default Domain Policy"), (UNIT_POLICY, "Cloud PC baseline")]
            .map(policy)
            .to_vec()
    }

    fn leftovers(&self) -> Vec<Object> {
        if !self.conditions.has(Directory::Leftovers) {
            return Vec::new();
        }
        let places = [ORGANIZATIONAL_UNIT, ORGANIZATIONAL_UNIT, DEFAULT_CONTAINER];
        let leftover = |(number, place): (u32, &str)| {
            let created = self.founded + (800 + i64::from(number)) * DAY;
            let leftover =
                self.computer(&format!("CPC-Hth-{number:05}"), place, 1300 + number, created);
            leftover.with("userAccountControl", "4098")
        };
        (1_u32..).zip(places).map(leftover).collect()
    }

    fn configuration(&self) -> Vec<Object> {
        let services = format!("CN=Services,{CONFIGURATION}");
        let registration = format!("CN=Device Registration Configuration,{services}");
        let point = format!("CN=62a0ff2e-97b9-4513-943f-0d221bd30080,{registration}");
        let keywords = [format!("azureADId:{TENANT}"), "azureADName:contoso.test".to_owned()];
        let mut point = self.object(Kind::ConnectionPoint, &point);
        point.set("keywords", keywords.map(String::into_bytes).to_vec());
        vec![
            self.object(Kind::Configuration, CONFIGURATION),
            self.object(Kind::Container, &services),
            self.object(Kind::Container, &registration),
            point,
        ]
    }

    fn computer(&self, name: &str, container: &str, relative: u32, created: i64) -> Object {
        Object::new(Kind::Computer, &format!("CN={name},{container}"), created)
            .with("cn", name)
            .with("sAMAccountName", format!("{name}$"))
            .with("dNSHostName", format!("{}.{DOMAIN}", name.to_lowercase()))
            .with_octets("objectSid", sid(relative))
            .with("userAccountControl", "4096")
    }

    fn object(&self, kind: Kind, name: &str) -> Object {
        Object::new(kind, name, self.founded)
    }
}

/// Somebody else's computer of this account name.
pub(super) fn foreign(account: &str, conditions: &Conditions) -> Object {
    let created = conditions.now().unix_timestamp() - 200 * DAY;
    let name = account.trim_end_matches('$');
    let contents = Contents { conditions, founded: created };
    contents.computer(name, DEFAULT_CONTAINER, 1400, created)
}

const DAY: i64 = 24 * 60 * 60;
const NEVER: &str = "9223372036854775807";
const DEFAULT_DOMAIN_POLICY: &str = "{31B2F340-016D-11D2-945F-00C04FB984F9}";
const UNIT_POLICY: &str = "{6F1A6E2C-5D3B-4E0A-9C57-2B1F0C9D7A11}";
/// Options of a link.
const IN_FORCE: u8 = 0;
const DISABLED: u8 = 1;

fn policies() -> String {
    format!("CN=Policies,CN=System,{BASE}")
}

fn link(policy: &str, options: u8) -> String {
    format!("[LDAP://cn={policy},{};{options}]", policies())
}
