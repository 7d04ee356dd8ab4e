//! Eyes on Active Directory: domain controllers found, asked, signed in to, and written to.
//!
//! What comes from a domain controller is taken for hostile until it has passed the guard; a
//! password goes to a server only once that has proved who it is, and never twice after it was
//! refused. What is seen is told, never whether that is good.

mod account;
mod answer;
mod attempts;
mod computers;
mod credentials;
mod domain;
mod fault;
mod guard;
#[cfg(feature = "kerberos")]
pub mod kerberos;
mod kerberos_server;
mod ledger;
mod locate;
mod message;
mod moment;
pub mod name;
mod policies;
mod registration;
mod rehearsal;
mod root_dse;
mod session;

#[cfg(test)]
mod tests;

pub use self::{
    account::Account,
    answer::{Answer, Bind, Outcome},
    attempts::{Attempts, Key, Permit, Refusal, Withheld},
    computers::{Computer, Computers},
    credentials::{Credentials, Door, DoorPorts, Entered, Protection},
    domain::{Container, Domain},
    fault::Fault,
    kerberos_server::KerberosServer,
    locate::{Controller, Located, Locator, Site},
    policies::Policy,
    registration::ConnectionPoint,
    rehearsal::{MARK, Phase, Rehearsal, Rehearsed, Standing, computer_name},
    root_dse::RootDse,
    session::{Anchors, Entry, Found, Scope, Sealed, Session, Tls},
};
