//! The objects by which Microsoft Entra issues Kerberos tickets for the domain (Microsoft, "Enable
//! passwordless security key sign-in to on-premises resources": the Microsoft Entra Kerberos
//! server object).

use std::time::SystemTime;

use super::{Answer, Fault, Session, moment::file_time};

/// What stands in the directory of the Microsoft Entra Kerberos server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KerberosServer {
    /// The computer `AzureADKerberos`, and the account that it names as its own; none where the
    /// link is missing or may not be read.
    pub computer: Result<Option<String>, Answer>,
    /// The account whose key signs the tickets, and when that key was made.
    pub account: Result<Option<SystemTime>, Answer>,
}

impl Session {
    pub async fn kerberos_server(&mut self, context: &str) -> Result<KerberosServer, Fault> {
        let computer = format!("CN=AzureADKerberos,OU=Domain Controllers,{context}");
        let computer = self.read(&computer, &["msDS-KrbTgtLink"]).await?;
        let computer = computer.map(|entry| entry.text("msDS-KrbTgtLink").map(str::to_owned));
        let linked = computer.as_ref().ok().cloned().flatten();
        let account = linked.unwrap_or_else(|| format!("CN=krbtgt_AzureAD,CN=Users,{context}"));
        let account = self.read(&account, &["pwdLastSet"]).await?;
        let account = account.map(|entry| entry.number("pwdLastSet").and_then(file_time));
        Ok(KerberosServer { computer, account })
    }
}
