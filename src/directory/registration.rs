//! The service connection point, by which devices of the domain find their Microsoft Entra tenant
//! (Microsoft, "Configure Microsoft Entra hybrid join").

use super::{Answer, Fault, Scope, Session};

/// One service connection point for device registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionPoint {
    pub name: String,
    /// After `azureADId:` in its keywords.
    pub tenant_id: Option<String>,
    /// After `azureADName:`.
    pub tenant_domain: Option<String>,
}

impl Session {
    /// Those of the forest. There should be one.
    pub async fn connection_points(
        &mut self,
        configuration: &str,
    ) -> Result<Result<Vec<ConnectionPoint>, Answer>, Fault> {
        let base = format!("CN=Device Registration Configuration,CN=Services,{configuration}");
        let filter = "(&(objectClass=serviceConnectionPoint)(keywords=azureAD*))";
        let found = self.search(&base, Scope::Subtree, filter, &["keywords"], 16).await?;
        if !found.answer.is_done() && found.entries.is_empty() {
            return Ok(Err(found.answer));
        }
        let points = found.entries.iter().map(|entry| {
            // Some guides write `azureADid`.
            let after = |prefix: &str| {
                let mut keywords = entry.texts("keywords").filter_map(|it| it.split_once(':'));
                let found = keywords.find(|(kind, _)| kind.eq_ignore_ascii_case(prefix));
                found.map(|(_, value)| value.to_owned())
            };
            ConnectionPoint {
                name: entry.name.clone(),
                tenant_id: after("azureADId"),
                tenant_domain: after("azureADName"),
            }
        });
        Ok(Ok(points.collect()))
    }
}
