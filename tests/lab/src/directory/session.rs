//! What one connection of a client may ask, and what it is answered.

use std::sync::Arc;

use super::{
    ACCOUNT, BASE, PASSWORD,
    answer::Answer,
    ber::Element,
    conditions::Conditions,
    message::{self, Operation, Request, Search},
    object::Object,
    root_dse::root_dse,
    tree::Tree,
};
use crate::{
    dns::DOMAIN,
    faults::{Conduct, SignIn},
};

pub(super) struct Session {
    pub(super) conditions: Conditions,
    pub(super) tree: Arc<Tree>,
    /// Whether nobody can listen to it.
    pub(super) is_sealed: bool,
    /// Whether the join account has signed in.
    pub(super) is_bound: bool,
}

/// What comes of a request.
pub(super) enum Next {
    Answers(Vec<Element>),
    /// This answer, and then a handshake.
    StartTls(Element),
    HangUp,
}

impl Session {
    pub(super) fn respond(&mut self, request: Request) -> Next {
        let Request { id, operation, page } = request;
        let number = operation.answer();
        let answer = match operation {
            Operation::Unbind => return Next::HangUp,
            Operation::Abandon => return Next::Answers(Vec::new()),
            Operation::Extended(name) => return self.extended(id, &name),
            _ if self.is(Conduct::Busy) => Answer::busy(),
            _ if self.is(Conduct::Unavailable) => Answer::unavailable(),
            Operation::Bind(name, password) => self.bind(&name, password.as_deref()),
            Operation::Search(search) => return Next::Answers(self.search(id, &search, page)),
            _ if !self.is_bound => Answer::not_bound(),
            Operation::Modify(name, changes) => {
                outcome(self.tree.modify(&self.conditions, &name, changes))
            }
            Operation::Add(name, attributes) => {
                outcome(self.tree.add(&self.conditions, &name, attributes))
            }
            Operation::Delete(name) => outcome(self.tree.delete(&self.conditions, &name)),
        };
        Next::Answers(vec![message::done(id, number, &answer)])
    }

    fn extended(&self, id: i64, name: &str) -> Next {
        let done = |answer| message::done(id, message::EXTENDED_ANSWER, &answer);
        if name != START_TLS || self.is_sealed {
            Next::Answers(vec![done(Answer::unknown_request())])
        } else if self.is(Conduct::StartTlsRefused) {
            Next::Answers(vec![done(Answer::no_tls())])
        } else {
            Next::StartTls(done(Answer::success()))
        }
    }

    fn bind(&mut self, name: &str, password: Option<&[u8]>) -> Answer {
        self.is_bound = false;
        let Some(password) = password else { return Answer::unknown_method() };
        if name.is_empty() && password.is_empty() {
            return Answer::success();
        }
        if !self.is_sealed {
            return Answer::signing_required();
        }
        let refusal = self.conditions.refusal();
        // Whatever follows makes it a newer one: each of them is right.
        let is_right = is_account(name) && password.starts_with(PASSWORD.as_bytes());
        match refusal {
            Some(refusal) if is_right || refusal == SignIn::LockedOut => Answer::sign_in(refusal),
            None if is_right => {
                self.is_bound = true;
                Answer::success()
            }
            Some(_) | None => Answer::sign_in(SignIn::WrongPassword),
        }
    }

    fn search(&self, id: i64, search: &Search, page: Option<(usize, Vec<u8>)>) -> Vec<Element> {
        if search.base.is_empty() && search.scope == message::Scope::Base {
            let attributes = root_dse(&self.conditions, &search.attributes);
            let done = message::done(id, message::SEARCH_DONE, &Answer::success());
            return vec![message::entry(id, "", attributes), done];
        }
        let found = if !self.is_bound {
            Err(Answer::not_bound())
        } else if self.is(Conduct::SearchFails) {
            Err(Answer::operations_error())
        } else if self.is(Conduct::SearchFailsOtherwise) {
            Err(Answer::internal_failure())
        } else {
            self.tree.search(&self.conditions, search)
        };
        match found {
            Ok(found) => results(id, search, found, page),
            Err(answer) => vec![message::done(id, message::SEARCH_DONE, &answer)],
        }
    }

    fn is(&self, conduct: Conduct) -> bool {
        self.conditions.conducts_itself(conduct)
    }
}

const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Of one answer (`MaxPageSize`).
const MOST: usize = 1000;

/// By user principal name, in the way of Windows NT, and by distinguished name.
fn is_account(name: &str) -> bool {
    let short = ACCOUNT.trim_end_matches(DOMAIN).trim_end_matches('@');
    let names =
        [ACCOUNT.to_owned(), format!("CONTOSO\\{short}"), format!("CN={short},CN=Users,{BASE}")];
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// As many as were asked for, on this page or at all. A page begins where its cookie says: at the
/// entry of that number.
fn results(
    id: i64,
    search: &Search,
    found: Vec<Object>,
    page: Option<(usize, Vec<u8>)>,
) -> Vec<Element> {
    let limit = if search.limit == 0 { MOST } else { search.limit.min(MOST) };
    let entry =
        |object: Object| message::entry(id, &object.name, object.selected(&search.attributes));
    let total = found.len();
    let Some((size, cookie)) = page else {
        let is_cut = total > limit;
        let answer = if is_cut { Answer::size_limit_exceeded() } else { Answer::success() };
        let entries = found.into_iter().take(limit).map(entry);
        return entries.chain([message::done(id, message::SEARCH_DONE, &answer)]).collect();
    };
    let begin = str::from_utf8(&cookie).ok().and_then(|at| at.parse().ok()).unwrap_or(0);
    let end = total.min(size.clamp(1, MOST).saturating_add(begin));
    let rest = if end < total { end.to_string() } else { String::new() };
    let entries = found.into_iter().take(end).skip(begin).map(entry);
    entries.chain([message::page_done(id, &Answer::success(), rest.as_bytes())]).collect()
}

fn outcome(outcome: Result<(), Answer>) -> Answer {
    outcome.err().unwrap_or_else(Answer::success)
}
