//! The tree of objects that both domain controllers share, and what may be done with it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use super::{
    BASE, DEFAULT_CONTAINER, MACHINE_ACCOUNT_QUOTA, ORGANIZATIONAL_UNIT, OTHER_DOMAIN,
    answer::Answer,
    conditions::Conditions,
    contents::{self, JOIN_ACCOUNT, contents},
    message::{Attribute, Change, Scope, Search},
    name::Name,
    object::{Kind, Object, sid},
};
use crate::faults::{Conduct, Directory};

/// What was created; everything else is made anew for each request.
#[derive(Default)]
pub(super) struct Tree {
    created: Mutex<Vec<Object>>,
    count: AtomicU32,
}

impl Tree {
    /// Everything that matches, in no particular order.
    pub(super) fn search(
        &self,
        conditions: &Conditions,
        search: &Search,
    ) -> Result<Vec<Object>, Answer> {
        let mut view = self.view(conditions);
        if conditions.has(Directory::NameTaken) {
            view.add_foreign(&search.filter.compared_with("sAMAccountName"));
        }
        let base = named(&search.base)?;
        view.located(&base)?;
        let in_scope = |name: &Name| match search.scope {
            Scope::Base => *name == base,
            Scope::OneLevel => !name.is_root() && name.above() == base,
            Scope::Subtree => name.is_within(&base),
        };
        let found = view.objects.into_iter().filter(|(name, _)| in_scope(name));
        let found = found.map(|(_, object)| object).filter(|object| search.filter.matches(object));
        Ok(found.collect())
    }

    /// Computers only: nobody who signs in may create anything else.
    pub(super) fn add(
        &self,
        conditions: &Conditions,
        text: &str,
        attributes: Vec<Attribute>,
    ) -> Result<(), Answer> {
        let view = self.view(conditions);
        let name = named(text)?;
        let container = view.located(&name.above())?;
        if !container.is_container() {
            return Err(Answer::naming_violation());
        }
        let mut object = self.computer(conditions, text, attributes).ok_or_else(denied)?;
        if view.right_to_create(&name.above(), &object)? == Right::Quota {
            object = object.with_octets("mS-DS-CreatorSID", sid(JOIN_ACCOUNT));
        }
        if view.find(&name).is_some() {
            return Err(Answer::name_taken());
        }
        if conditions.has(Directory::NameTaken) || view.has_account_of(&object) {
            return Err(Answer::account_taken());
        }
        if conditions.has(Directory::CreateRefused) {
            return Err(Answer::password_restriction());
        }
        self.created().push(object);
        Ok(())
    }

    pub(super) fn modify(
        &self,
        conditions: &Conditions,
        text: &str,
        changes: Vec<(Change, Attribute)>,
    ) -> Result<(), Answer> {
        let name = named(text)?;
        self.view(conditions).located(&name)?;
        let mut created = self.created();
        let ours = created.iter_mut().find(|object| is_named(object, &name));
        let object = ours.filter(|_| !conditions.has(Directory::CannotDisable));
        let object = object.ok_or_else(Answer::no_right_to_write)?;
        if changes.iter().any(|(change, _)| *change != Change::Replace) {
            return Err(Answer::will_not_perform());
        }
        for (_, (attribute, values)) in
            changes.into_iter().filter(|(_, change)| can_be_read(change))
        {
            object.set(&attribute, values);
        }
        Ok(())
    }

    pub(super) fn delete(&self, conditions: &Conditions, text: &str) -> Result<(), Answer> {
        let name = named(text)?;
        self.view(conditions).located(&name)?;
        let mut created = self.created();
        let ours = created.iter().position(|object| is_named(object, &name));
        let at = ours.filter(|_| !conditions.has(Directory::CannotDelete)).ok_or_else(denied)?;
        created.remove(at);
        Ok(())
    }

    /// None if it has no account name, or is to be something else.
    fn computer(
        &self,
        conditions: &Conditions,
        name: &str,
        attributes: Vec<Attribute>,
    ) -> Option<Object> {
        let now = conditions.now().unix_timestamp();
        let relative = FIRST_CREATED + self.count.fetch_add(1, Ordering::Relaxed);
        let mut object = Object::new(Kind::Computer, name, now)
            .with("cn", super::name::first(name))
            .with_octets("objectSid", sid(relative));
        let mut is_computer = false;
        for (attribute, values) in attributes.into_iter().filter(can_be_read) {
            if attribute.eq_ignore_ascii_case("objectClass") {
                is_computer = values.iter().any(|class| class.eq_ignore_ascii_case(b"computer"));
            } else {
                object.set(&attribute, values);
            }
        }
        (is_computer && !object.values("sAMAccountName").is_empty()).then_some(object)
    }

    fn view<'a>(&self, conditions: &'a Conditions) -> View<'a> {
        let contents = contents(conditions).into_iter();
        let mut view = View { conditions, objects: contents.filter_map(with_name).collect() };
        for object in self.created().iter().cloned() {
            let named = with_name(object);
            view.objects.extend(named.filter(|(name, _)| view.find(&name.above()).is_some()));
        }
        view
    }

    fn created(&self) -> MutexGuard<'_, Vec<Object>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that there is for one request.
struct View<'a> {
    conditions: &'a Conditions,
    objects: Vec<(Name, Object)>,
}

/// By what the join account may create something.
#[derive(Debug, PartialEq, Eq)]
enum Right {
    Delegated,
    Quota,
}

impl View<'_> {
    /// The object of this name, or where it is instead.
    fn located(&self, name: &Name) -> Result<&Object, Answer> {
        let is_within = |place: &str| Name::of(place).is_some_and(|place| name.is_within(&place));
        let is_here = !self.conditions.conducts_itself(Conduct::OfOtherDomain) && is_within(BASE);
        if !is_here && !name.domain().is_empty() {
            return Err(Answer::elsewhere(&name.domain(), BASE));
        }
        if self.conditions.has(Directory::UnitElsewhere) && is_within(ORGANIZATIONAL_UNIT) {
            return Err(Answer::elsewhere(OTHER_DOMAIN, ORGANIZATIONAL_UNIT));
        }
        self.find(name).ok_or_else(|| Answer::no_such_object(self.nearest(name)))
    }

    fn find(&self, name: &Name) -> Option<&Object> {
        self.objects.iter().find(|(other, _)| other == name).map(|(_, object)| object)
    }

    /// Of the names above it, that of the nearest object.
    fn nearest(&self, name: &Name) -> &str {
        let mut above = name.clone();
        while !above.is_root() {
            above = above.above();
            if let Some(object) = self.find(&above) {
                return &object.name;
            }
        }
        ""
    }

    fn right_to_create(&self, container: &Name, object: &Object) -> Result<Right, Answer> {
        let is = |place: &str| Name::of(place).as_ref() == Some(container);
        if is(ORGANIZATIONAL_UNIT) && !self.conditions.has(Directory::NoRights) {
            return Ok(Right::Delegated);
        }
        let quota_suffices = object.values("description").is_empty();
        if !is(DEFAULT_CONTAINER) || !quota_suffices {
            return Err(denied());
        }
        let creator = sid(JOIN_ACCOUNT);
        let by_quota = self.objects.iter().filter(|(_, it)| it.has("mS-DS-CreatorSID", &creator));
        let is_left = by_quota.count() < MACHINE_ACCOUNT_QUOTA as usize;
        if is_left { Ok(Right::Quota) } else { Err(Answer::quota_exceeded()) }
    }

    fn has_account_of(&self, object: &Object) -> bool {
        let accounts = object.values("sAMAccountName");
        let has = |other: &Object| accounts.iter().any(|it| other.has("sAMAccountName", it));
        self.objects.iter().any(|(_, other)| has(other))
    }

    fn add_foreign(&mut self, accounts: &[&[u8]]) {
        for account in accounts.iter().filter(|account| account.ends_with(b"$")) {
            let is_there = |(_, it): &(Name, Object)| it.has("sAMAccountName", account);
            if !self.objects.iter().any(is_there) {
                let account = String::from_utf8_lossy(account);
                self.objects.extend(with_name(contents::foreign(&account, self.conditions)));
            }
        }
    }
}

/// Relative ids of what is created begin here.
const FIRST_CREATED: u32 = 1601;

fn named(text: &str) -> Result<Name, Answer> {
    let name = Name::of(text).filter(|name| !name.is_root());
    name.ok_or_else(|| Answer::bad_name(text))
}

fn with_name(object: Object) -> Option<(Name, Object)> {
    Some((Name::of(&object.name)?, object))
}

fn is_named(object: &Object, name: &Name) -> bool {
    Name::of(&object.name).as_ref() == Some(name)
}

fn can_be_read((attribute, _): &Attribute) -> bool {
    !attribute.eq_ignore_ascii_case("unicodePwd")
}

fn denied() -> Answer {
    Answer::access_denied()
}
