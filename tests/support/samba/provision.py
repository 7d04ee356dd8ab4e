"""provision.py SMB_CONF HOST ADDRESS: makes a domain, and HOST its one domain controller."""

import logging
import sys

from samba.auth import system_session
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.param import LoadParm
from samba.provision import FILL_FULL, provision

smb_conf, host, address = sys.argv[1:]
configuration = LoadParm()
configuration.load(smb_conf)
configuration.set("log level", "0")
provision(
    logging.getLogger(), system_session(), smbconf=smb_conf, lp=configuration,
    samdb_fill=FILL_FULL, realm="CORP.CONTOSO.TEST", domain="CONTOSO", hostname=host,
    hostip=address, adminpass="Passw0rd!Lab", serverrole="active directory domain controller",
    dns_backend="SAMBA_INTERNAL", dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
    # They need extended attributes, which not every file system has, and nothing here serves them.
    skip_sysvolacl=True,
)
