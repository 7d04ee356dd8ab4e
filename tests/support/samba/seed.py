"""seed.py SMB_CONF HOST: fills the domain that provision.py has made, before anything runs."""

import sys
import time

import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

PASSWORD = "Join!Passw0rd"
DAY = 86_400
TENANT = "3f1c9c8e-6f2e-4b0a-9d67-0f6f2b7c1a11"
LOCKDOWN = "{6B1D0A52-0E4F-4B57-9A3C-1F2E3D4C5B60}"
DISABLED_LINK = "{0C7E9F14-52A8-4D0B-8E61-7A6B5C4D3E21}"

COMPUTER = "bf967a86-0de6-11d0-a285-00aa003049e2"
ACCOUNT_RESTRICTIONS = "4c164200-20c0-11d0-a768-00aa006e0529"
RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"
DNS_HOST_NAME = "72e39547-7b18-11d1-adef-00c04fd8d5cd"
SERVICE_PRINCIPAL_NAME = "f3a64788-5306-11d1-a9c5-0000f80367c1"

ACCOUNTS = [
    "svc-join", "svc-norights", "svc-quota", "svc-createonly", "svc-nodelete", "svc-nodisable",
    "svc-expired", "svc-expiresoon", "svc-disabled", "svc-locked", "svc-mustchange",
    "svc-pwexpired", "svc-expiring", "svc-suffix", "person",
]
# How many days ago the password was set. All others are as old as the copy, and never expire.
PASSWORD_AGES = {"svc-pwexpired": 400, "svc-expiring": 36.5, "krbtgt_AzureAD": 30}

configuration = LoadParm()
configuration.load(sys.argv[1])
configuration.set("log level", "0")
configuration.set("dsdb:schema update allowed", "yes")
host = sys.argv[2]
directory = SamDB(session_info=system_session(), lp=configuration)
domain = directory.domain_dn()
domain_sid = security.dom_sid(directory.get_domain_sid())


def filetime(seconds):
    return str(int((seconds + 11_644_473_600) * 10_000_000))


def interval(seconds):
    return str(int(-seconds * 10_000_000))


def user(name):
    return f"CN={name},CN=Users,{domain}"


def add(dn, kind, **attributes):
    directory.add({"dn": dn, "objectClass": kind, **named(attributes)})


def change(dn, how=ldb.FLAG_MOD_REPLACE, store=directory, controls=(), **attributes):
    message = ldb.Message(ldb.Dn(store, dn))
    for name, value in named(attributes).items():
        message[name] = ldb.MessageElement(value, how, name)
    store.modify(message, list(controls))


def named(attributes):
    return {name.replace("_", "-"): value for name, value in attributes.items()}


def sid(name):
    found = directory.search(user(name), ldb.SCOPE_BASE, attrs=["objectSid"])
    return ndr_unpack(security.dom_sid, found[0]["objectSid"][0])


def grant(dn, *entries):
    """Puts access control entries (SDDL) before those that are there."""
    found = directory.search(dn, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])
    old = ndr_unpack(security.descriptor, found[0]["nTSecurityDescriptor"][0])
    text = old.as_sddl(domain_sid)
    first = text.index("(", text.index("D:"))
    new = security.descriptor.from_sddl(text[:first] + "".join(entries) + text[first:], domain_sid)
    change(dn, controls=["sd_flags:1:4"], nTSecurityDescriptor=ndr_pack(new))


def policy():
    change(
        domain, maxPwdAge=interval(42 * DAY), minPwdAge="0", pwdHistoryLength="0",
        pwdProperties="0", minPwdLength="4", lockoutThreshold="3",
        lockOutObservationWindow=interval(30 * 60),
        # Until somebody unlocks it, so that a cached copy of `svc-locked` stays locked.
        lockoutDuration=str(-0x8000000000000000),
        ms_DS_MachineAccountQuota="10",
    )


def units():
    for unit in ["CloudPCs", "NoRights", "NoDelete", "NoDisable", "Leftovers"]:
        add(f"OU={unit},{domain}", "organizationalUnit")
    for unit in ["Nested", "Blocked"]:
        add(f"OU={unit},OU=CloudPCs,{domain}", "organizationalUnit")
    for number in range(1, 4):
        name = f"CPC-Hth-000{number}"
        add(
            f"CN={name},OU=Leftovers,{domain}", "computer",
            sAMAccountName=f"{name}$", userAccountControl="4098",
        )


def accounts():
    for name in ACCOUNTS:
        directory.newuser(name, PASSWORD)
        if name not in [*PASSWORD_AGES, "svc-mustchange"]:
            change(user(name), userAccountControl="66048")
    change(user("svc-disabled"), userAccountControl="66050")
    change(user("svc-mustchange"), pwdLastSet="0")
    change(user("svc-locked"), lockoutTime=filetime(time.time() - 2 * DAY))
    # No suffix of the domain's own, as of an account that was given its mail address for a name.
    change(user("svc-suffix"), userPrincipalName="joiner@contoso.example")
    change(user("svc-expired"), accountExpires=filetime(time.time() - 7 * DAY))
    change(user("svc-expiresoon"), accountExpires=filetime(time.time() + 5.5 * DAY))


def age():
    """In the file itself: the directory takes no `pwdLastSet` but "now" and "never", and no
    `whenCreated` at all."""
    file = configuration.private_path(f"sam.ldb.d/{domain.upper()}.ldb")
    raw = ldb.Ldb(f"tdb://{file}", flags=ldb.FLG_DONT_CREATE_DB)
    for name, days in PASSWORD_AGES.items():
        change(user(name), store=raw, pwdLastSet=filetime(time.time() - days * DAY))
    created = time.strftime("%Y%m%d%H%M%S.0Z", time.gmtime(time.time() - 40 * DAY))
    change(f"CN=CPC-Hth-0001,OU=Leftovers,{domain}", store=raw, whenCreated=created)


def creators():
    """Takes deleting and disabling from the creator of a computer: the schema gives him both, and
    its entries go before all that a unit can deny."""
    computer = f"CN=Computer,{directory.get_schema_basedn()}"
    found = directory.search(computer, ldb.SCOPE_BASE, attrs=["defaultSecurityDescriptor"])
    default = str(found[0]["defaultSecurityDescriptor"][0])
    default = default.replace("(A;;RPCRLCLORCSDDT;;;CO)", "(A;;RPCRLCLORC;;;CO)")
    default = default.replace(f"(OA;;WP;{ACCOUNT_RESTRICTIONS};;CO)", "")
    change(computer, defaultSecurityDescriptor=default)


def delegate():
    join, create = sid("svc-join"), sid("svc-createonly")
    for container in [f"OU=CloudPCs,{domain}", f"CN=Computers,{domain}"]:
        grant(
            container,
            f"(OA;CI;CCDC;{COMPUTER};;{join})",
            f"(OA;CIIO;RPWP;{ACCOUNT_RESTRICTIONS};{COMPUTER};{join})",
            f"(OA;CIIO;CR;{RESET_PASSWORD};{COMPUTER};{join})",
            f"(OA;CIIO;SW;{DNS_HOST_NAME};{COMPUTER};{join})",
            f"(OA;CIIO;SW;{SERVICE_PRINCIPAL_NAME};{COMPUTER};{join})",
        )
    grant(
        f"OU=CloudPCs,{domain}",
        f"(OA;CI;CC;{COMPUTER};;{create})",
        # What the schema gave to the creator.
        f"(OA;CIIO;SDDT;;{COMPUTER};CO)",
        f"(OA;CIIO;WP;{ACCOUNT_RESTRICTIONS};{COMPUTER};CO)",
    )
    grant(
        f"OU=NoDelete,{domain}",
        f"(OA;CI;CC;{COMPUTER};;{sid('svc-nodelete')})",
        f"(OA;CIIO;WP;{ACCOUNT_RESTRICTIONS};{COMPUTER};CO)",
    )
    grant(f"OU=NoDisable,{domain}", f"(OA;CI;CCDC;{COMPUTER};;{sid('svc-nodisable')})")


def group_policies():
    for guid, name in [(LOCKDOWN, "Contoso Lockdown"), (DISABLED_LINK, "Contoso Disabled Link")]:
        add(f"CN={guid},CN=Policies,CN=System,{domain}", "groupPolicyContainer", displayName=name)
    link = "[LDAP://cn={},cn=policies,cn=system," + domain + ";{}]"
    links = link.format(LOCKDOWN, 0) + link.format(DISABLED_LINK, 1)
    change(f"OU=CloudPCs,{domain}", gPLink=links)
    change(f"OU=Blocked,OU=CloudPCs,{domain}", gPOptions="1")


def entra():
    krbtgt = user("krbtgt_AzureAD")
    add(krbtgt, "user", sAMAccountName="krbtgt_AzureAD", userAccountControl="514")
    add(
        f"CN=AzureADKerberos,OU=Domain Controllers,{domain}", "computer",
        sAMAccountName="AzureADKerberos$", userAccountControl="4098",
        msDS_KrbTgtLink=krbtgt,
    )
    registration = f"CN=Device Registration Configuration,CN=Services,{directory.get_config_basedn()}"
    add(registration, "container")
    add(
        f"CN=62a0ff2e-97b9-4513-943f-0d221bd30080,{registration}", "serviceConnectionPoint",
        keywords=[f"azureADId:{TENANT}", "azureADName:contoso.test"],
    )


def kerberos():
    """The names that Samba's own updater, which does not run here, would register for LDAP."""
    full, realm = f"{host}.corp.contoso.test", "corp.contoso.test"
    names = [f"ldap/{full}", f"ldap/{host.upper()}"]
    for service in ["ldap", "GC", "HOST"]:
        names.append(f"{service}/{full}/{realm}")
    for service in ["ldap", "HOST"]:
        names.append(f"{service}/{full}/CONTOSO")
    own = f"CN={host.upper()},OU=Domain Controllers,{domain}"
    found = directory.search(own, ldb.SCOPE_BASE, attrs=["servicePrincipalName"])
    there = {str(name) for name in found[0]["servicePrincipalName"]}
    missing = [name for name in names if name not in there]
    change(own, how=ldb.FLAG_MOD_ADD, servicePrincipalName=missing)


for step in [policy, units, accounts, creators, delegate, group_policies, entra, kerberos, age]:
    step()
