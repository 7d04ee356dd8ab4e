//! Sign-ins against peers, with what is remembered of them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, time::timeout};

use super::peers::{
    BIND, LIMIT, Lab, PASSWORD, USER, WRONG_PASSWORD, asked, hear, result, say, sealed,
};
use crate::{
    directory::{Attempts, Bind, Credentials, Entered, Fault, Protection::Ldaps},
    net::{Stream, peers},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_wrong_password_is_sent_once() {
    let lab = Lab::new();
    let (server, binds) = answering(&lab, 49, WRONG_PASSWORD).await;
    let (account, door) = (account("wrong"), lab.door(server, Ldaps));
    let entered = account.enter(&door, noon()).await;
    let Entered::Refused(answer) = entered else { panic!("{entered:?}") };
    assert_eq!(answer.bind(), Bind::WrongCredentials);
    for later in [0, 1, 3600, 24 * 3600 - 1] {
        let entered = account.enter(&door, noon() + Duration::from_secs(later)).await;
        let Entered::Withheld(refusal) = entered else { panic!("{entered:?}") };
        assert_eq!((refusal.at, refusal.until), (noon(), noon() + DAY));
        assert_eq!(refusal.controller, door.host);
        assert!(account.withheld(noon()).await.is_some());
    }
    assert_eq!(binds.load(SeqCst), 1);
    account.enter(&door, noon() + DAY).await;
    assert_eq!(binds.load(SeqCst), 2);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_by_all_that_share_a_folder() {
    let lab = Lab::new();
    let (server, binds) = answering(&lab, 49, WRONG_PASSWORD).await;
    let folder = TempDir::new().unwrap();
    let door = lab.door(server, Ldaps);
    for _ in 0..3 {
        let attempts = Attempts::open(Some(folder.path()));
        let account =
            Credentials::new(USER.into(), "corp.contoso.com", "wrong".into(), DAY, attempts);
        account.enter(&door, noon()).await;
    }
    assert_eq!(binds.load(SeqCst), 1);
}

#[tokio::test]
async fn many_at_once_send_a_wrong_password_once() {
    let lab = Lab::new();
    let (server, binds) = answering(&lab, 49, WRONG_PASSWORD).await;
    let (attempts, door) = (Attempts::open(None), lab.door(server, Ldaps));
    let entering = (0..8).map(|_| async {
        let account = Credentials::new(
            USER.into(),
            "corp.contoso.com",
            "wrong".into(),
            DAY,
            attempts.clone(),
        );
        account.enter(&door, noon()).await
    });
    let entered = futures::future::join_all(entering).await;
    let refused = entered.iter().filter(|it| matches!(it, Entered::Refused(_))).count();
    let withheld = entered.iter().filter(|it| matches!(it, Entered::Withheld(_))).count();
    assert_eq!((refused, withheld, binds.load(SeqCst)), (1, 7, 1));
}

#[tokio::test]
async fn a_good_password_is_sent_as_often_as_it_is_needed() {
    let lab = Lab::new();
    let (server, binds) = answering(&lab, 0, "").await;
    let (account, door) = (account(PASSWORD), lab.door(server, Ldaps));
    for _ in 0..5 {
        assert!(matches!(account.enter(&door, noon()).await, Entered::In(_)));
    }
    assert_eq!((binds.load(SeqCst), account.withheld(noon()).await), (5, None));
}

#[tokio::test]
async fn a_busy_controller_says_nothing_of_the_account() {
    let lab = Lab::new();
    let (server, binds) = answering(&lab, 51, "").await;
    let (account, door) = (account(PASSWORD), lab.door(server, Ldaps));
    for _ in 0..5 {
        assert!(matches!(account.enter(&door, noon()).await, Entered::Refused(_)));
    }
    assert_eq!(binds.load(SeqCst), 5);
}

#[tokio::test]
async fn after_two_binds_without_an_answer_there_is_a_pause() {
    let lab = Lab::new();
    let silent = sealed(lab.good(), |stream| say(stream, Vec::new())).await;
    let (account, door) = (account(PASSWORD), lab.door(silent, Ldaps));
    for _ in 0..2 {
        let entered = account.enter(&door, noon()).await;
        assert!(matches!(entered, Entered::Unanswered(Fault::Timeout)), "{entered:?}");
    }
    let entered = account.enter(&door, noon()).await;
    let Entered::Withheld(refusal) = entered else { panic!("{entered:?}") };
    assert_eq!((refusal.answer, refusal.controller.as_str()), (None, door.host));
    assert_eq!(refusal.until, noon() + Duration::from_secs(1800));
}

#[tokio::test]
async fn a_bind_that_was_cancelled_counts_as_unanswered() {
    let lab = Lab::new();
    let silent = sealed(lab.good(), |stream| say(stream, Vec::new())).await;
    let (account, mut door) = (account(PASSWORD), lab.door(silent, Ldaps));
    door.limit = LIMIT * 10;
    account.withheld(noon()).await;
    for _ in 0..2 {
        assert!(timeout(LIMIT, account.enter(&door, noon())).await.is_err());
    }
    assert!(matches!(account.enter(&door, noon()).await, Entered::Withheld(_)));
}

#[tokio::test]
async fn who_cannot_be_reached_does_not_count() {
    let lab = Lab::new();
    let (account, door) = (account(PASSWORD), lab.door(peers::closed(), Ldaps));
    for _ in 0..5 {
        let entered = account.enter(&door, noon()).await;
        assert!(matches!(entered, Entered::NotReached(Fault::Tcp(_))), "{entered:?}");
    }
}

#[tokio::test]
async fn an_empty_password_does_not_count() {
    let lab = Lab::new();
    let (server, binds) = answering(&lab, 0, "").await;
    let (account, door) = (account(""), lab.door(server, Ldaps));
    for _ in 0..5 {
        let entered = account.enter(&door, noon()).await;
        assert!(matches!(&entered, Entered::NotReached(fault) if fault.is_ours()), "{entered:?}");
    }
    assert_eq!(binds.load(SeqCst), 0);
}

/// Answers each bind alike, and counts them.
async fn answering(lab: &Lab, code: u8, text: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let binds = Arc::new(AtomicUsize::new(0));
    let counted = binds.clone();
    let talk = move |mut stream: Stream| {
        let counted = counted.clone();
        async move {
            while let Some(heard) = hear(&mut stream).await {
                let (id, operation) = asked(&heard);
                counted.fetch_add(usize::from(operation == BIND), SeqCst);
                let answer = result(id, operation, code, text.as_bytes());
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    };
    (sealed(lab.good(), talk).await, binds)
}

fn account(password: &str) -> Credentials {
    Credentials::new(USER.into(), "corp.contoso.com", password.into(), DAY, Attempts::open(None))
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_348_800)
}
