//! What is remembered of refused sign-ins: never forgotten too early, never kept for ever.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::join_all;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::directory::{
    Attempts,
    Bind::{self, *},
    Key, Permit, Refusal, Withheld,
};

const USER: &str = "svc-join@corp.contoso.com";
const DAY: Duration = Duration::from_secs(24 * 3600);
const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);
const A_SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_wrong_password_is_remembered_over_a_reopened_folder() {
    for answer in [WrongCredentials, LockedOut, Refused] {
        let folder = folder();
        told(&Attempts::open(Some(folder.path())), "secret", answer, noon()).await;
        let later = noon() + DAY - A_SECOND;
        let refusal = refused(&Attempts::open(Some(folder.path())), "secret", later).await;
        let expected = Refusal {
            answer: Some(answer),
            controller: "dc1".into(),
            at: noon(),
            until: noon() + DAY,
        };
        assert_eq!(refusal, expected);
        allowed(&Attempts::open(Some(folder.path())), "secret", noon() + DAY).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_remembered_without_a_folder() {
    let attempts = Attempts::open(None);
    told(&attempts, "secret", WrongCredentials, noon()).await;
    assert_eq!(refused(&attempts.clone(), "secret", noon() + A_SECOND).await.until, noon() + DAY);
}

#[tokio::test]
async fn another_user_of_the_folder_knows_at_once() {
    let folder = folder();
    let [one, other] = [(); 2].map(|()| Attempts::open(Some(folder.path())));
    allowed(&other, "secret", noon()).await.unused().await;
    told(&one, "secret", WrongCredentials, noon()).await;
    assert_eq!(refused(&other, "secret", noon()).await.answer, Some(WrongCredentials));
    let key = key(&other, "secret");
    assert!(other.standing(&key, noon(), DAY).await.is_some());
}

#[tokio::test]
async fn all_users_of_a_new_folder_know_accounts_by_the_same_key() {
    let folder = folder();
    let [one, other] = [(); 2].map(|()| Attempts::open(Some(folder.path())));
    assert!(key(&one, "secret") == key(&other, "secret"), "each had a salt of its own");
    assert!(key(&one, "secret") != key(&Attempts::open(None), "secret"), "no salt at all");
}

#[tokio::test]
async fn other_accounts_and_passwords_are_not_affected() {
    let attempts = Attempts::open(None);
    told(&attempts, "secret", WrongCredentials, noon()).await;
    allowed(&attempts, "other", noon()).await;
    allowed(&attempts, "Secret", noon()).await;
    let other = attempts.key("svc-other@corp.contoso.com", &"secret".into()).unwrap();
    assert!(attempts.standing(&other, noon(), DAY).await.is_none());
    let shifted = attempts.key(&USER[..USER.len() - 1], &"msecret".into()).unwrap();
    assert!(shifted != key(&attempts, "secret"));
}

#[tokio::test]
async fn the_case_of_a_user_does_not_matter() {
    let attempts = Attempts::open(None);
    told(&attempts, "secret", WrongCredentials, noon()).await;
    let shouted = attempts.key(&USER.to_uppercase(), &"secret".into()).unwrap();
    assert!(attempts.standing(&shouted, noon(), DAY).await.is_some());
}

#[tokio::test]
async fn accounts_refused_with_the_right_password_wait_half_an_hour() {
    for answer in [Disabled, AccountExpired, Restricted, PasswordExpired, MustChangePassword] {
        let attempts = Attempts::open(None);
        told(&attempts, "secret", answer, noon()).await;
        let refusal = refused(&attempts, "secret", noon() + HALF_AN_HOUR - A_SECOND).await;
        assert_eq!((refusal.answer, refusal.until), (Some(answer), noon() + HALF_AN_HOUR));
        allowed(&attempts, "secret", noon() + HALF_AN_HOUR).await;
    }
}

#[tokio::test]
async fn a_shorter_retry_shortens_every_pause_of_an_answer() {
    let attempts = Attempts::open(None);
    told(&attempts, "secret", Disabled, noon()).await;
    let key = key(&attempts, "secret");
    assert!(attempts.standing(&key, noon() + A_SECOND, A_SECOND * 2).await.is_some());
    assert!(attempts.standing(&key, noon() + A_SECOND * 2, A_SECOND * 2).await.is_none());
}

#[tokio::test]
async fn success_clears() {
    let attempts = Attempts::open(None);
    told(&attempts, "secret", WrongCredentials, noon()).await;
    told(&attempts, "secret", Accepted, noon() + DAY).await;
    // A clock set back would bring it up again.
    allowed(&attempts, "secret", noon() + A_SECOND).await;
}

#[tokio::test]
async fn what_says_nothing_of_the_account_is_no_refusal() {
    for answer in [NotOperational, SigningRequired, ChannelBindingRequired] {
        let attempts = Attempts::open(None);
        for _ in 0..5 {
            told(&attempts, "secret", answer, noon()).await;
        }
        allowed(&attempts, "secret", noon()).await;
    }
}

#[tokio::test]
async fn a_busy_controller_does_not_clear_what_another_process_was_told() {
    let folder = folder();
    told(&Attempts::open(Some(folder.path())), "another", WrongCredentials, noon()).await;
    let [one, other] = [(); 2].map(|()| Attempts::open(Some(folder.path())));
    let (first, second) =
        (allowed(&one, "secret", noon()).await, allowed(&other, "secret", noon()).await);
    first.told(WrongCredentials, "dc1", noon()).await;
    second.told(NotOperational, "dc2", noon()).await;
    assert_eq!(refused(&one, "secret", noon()).await.answer, Some(WrongCredentials));
}

#[tokio::test]
async fn two_unanswered_in_a_row_pause_and_one_does_not() {
    let attempts = Attempts::open(None);
    allowed(&attempts, "secret", noon()).await.unanswered("dc1").await;
    let second = noon() + A_SECOND;
    allowed(&attempts, "secret", second).await.unanswered("dc2").await;
    let refusal = refused(&attempts, "secret", second + A_SECOND).await;
    let until = second + HALF_AN_HOUR;
    let expected = Refusal { answer: None, controller: "dc2".into(), at: second, until };
    assert_eq!(refusal, expected);
    allowed(&attempts, "secret", until).await.unanswered("dc1").await;
    assert_eq!(refused(&attempts, "secret", until).await.until, until + HALF_AN_HOUR);
}

#[tokio::test]
async fn an_answer_in_between_begins_the_count_anew() {
    let attempts = Attempts::open(None);
    for _ in 0..5 {
        allowed(&attempts, "secret", noon()).await.unanswered("dc1").await;
        told(&attempts, "secret", Accepted, noon()).await;
    }
    allowed(&attempts, "secret", noon()).await;
}

#[tokio::test]
async fn a_cancelled_sign_in_counts_as_unanswered() {
    let folder = folder();
    for _ in 0..2 {
        drop(allowed(&Attempts::open(Some(folder.path())), "secret", noon()).await);
    }
    assert_eq!(refused(&Attempts::open(Some(folder.path())), "secret", noon()).await.answer, None);
}

#[tokio::test]
async fn one_that_was_not_sent_counts_for_nothing() {
    let attempts = Attempts::open(None);
    for _ in 0..5 {
        allowed(&attempts, "secret", noon()).await.unused().await;
    }
}

#[tokio::test]
async fn one_that_was_not_sent_does_not_renew_a_refusal() {
    let attempts = Attempts::open(None);
    told(&attempts, "secret", WrongCredentials, noon()).await;
    allowed(&attempts, "secret", noon() + DAY).await.unused().await;
    allowed(&attempts, "secret", noon() + DAY).await;
}

#[tokio::test]
async fn those_of_one_key_wait_for_each_other() {
    let attempts = Attempts::open(None);
    let first = allowed(&attempts, "secret", noon()).await;
    let second = tokio::spawn({
        let attempts = attempts.clone();
        async move { permit(&attempts, "secret", noon()).await }
    });
    allowed(&attempts, "other", noon()).await;
    let mut second = second;
    assert!(timeout(Duration::from_millis(100), &mut second).await.is_err(), "it did not wait");
    first.told(WrongCredentials, "dc1", noon()).await;
    assert_eq!(second.await.unwrap().unwrap_err().answer, Some(WrongCredentials));
}

#[tokio::test]
async fn a_clock_set_back_does_not_prolong_for_ever() {
    let attempts = Attempts::open(None);
    told(&attempts, "secret", WrongCredentials, noon() + DAY * 3650).await;
    // The pause begins anew, once.
    refused(&attempts, "secret", noon()).await;
    refused(&attempts, "secret", noon() + DAY - A_SECOND).await;
    allowed(&attempts, "secret", noon() + DAY).await;
}

#[tokio::test]
async fn entries_of_another_age_do_not_drive_out_the_present() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    told(&attempts, "future", WrongCredentials, noon() + DAY * 3650).await;
    told(&attempts, "secret", WrongCredentials, noon()).await;
    told(&attempts, "other", WrongCredentials, noon()).await;
    refused(&attempts, "secret", noon() + A_SECOND).await;
}

#[tokio::test]
async fn what_is_long_past_leaves_the_file() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    told(&attempts, "secret", WrongCredentials, noon()).await;
    told(&attempts, "other", WrongCredentials, noon() + DAY * 32).await;
    assert_eq!(text(&folder).matches("wrong_credentials").count(), 1);
}

#[tokio::test]
async fn times_that_cannot_be_do_not_upset_it() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    told(&attempts, "secret", WrongCredentials, noon()).await;
    let seconds = noon().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    fs::write(file(&folder), text(&folder).replace(&seconds, &u64::MAX.to_string())).unwrap();
    let attempts = Attempts::open(Some(folder.path()));
    allowed(&attempts, "other", noon()).await;
    refused(&attempts, "secret", noon()).await;
    allowed(&attempts, "secret", noon() + DAY).await;
}

#[tokio::test]
async fn a_broken_file_is_put_aside() {
    for broken in ["", "{", "[]", "{\"salt\":7}", "\u{0}"] {
        let folder = folder();
        fs::write(file(&folder), broken).unwrap();
        let attempts = Attempts::open(Some(folder.path()));
        told(&attempts, "secret", WrongCredentials, noon()).await;
        assert_eq!(fs::read_to_string(folder.path().join("binds.broken")).unwrap(), broken);
        refused(&Attempts::open(Some(folder.path())), "secret", noon()).await;
    }
}

#[tokio::test]
async fn a_file_that_breaks_or_goes_is_written_again() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    told(&attempts, "secret", WrongCredentials, noon()).await;
    fs::write(file(&folder), "broken").unwrap();
    refused(&attempts, "secret", noon()).await;
    refused(&Attempts::open(Some(folder.path())), "secret", noon()).await;
    fs::remove_file(file(&folder)).unwrap();
    refused(&attempts, "secret", noon()).await;
    refused(&Attempts::open(Some(folder.path())), "secret", noon()).await;
}

#[tokio::test]
async fn a_file_made_anew_by_another_does_not_make_us_forget() {
    let folder = folder();
    let old = Attempts::open(Some(folder.path()));
    told(&old, "secret", WrongCredentials, noon()).await;
    fs::remove_file(file(&folder)).unwrap();
    let new = Attempts::open(Some(folder.path()));
    told(&new, "other", WrongCredentials, noon()).await;
    refused(&old, "secret", noon()).await;
    refused(&new, "other", noon()).await;
    refused(&Attempts::open(Some(folder.path())), "other", noon()).await;
}

#[tokio::test]
async fn nobody_signs_in_where_a_refusal_could_not_be_remembered() {
    let folder = folder();
    let missing = Attempts::open(Some(&folder.path().join("missing")));
    assert!(missing.key(USER, &"secret".into()).unwrap_err().contains("missing/binds.json"));
    let attempts = Attempts::open(Some(folder.path()));
    told(&attempts, "secret", WrongCredentials, noon()).await;
    let other = key(&attempts, "other");
    // Nobody can write a folder as a file, not even root.
    fs::create_dir(folder.path().join("binds.draft")).unwrap();
    let unwritten = attempts.permit(&other, noon(), DAY).await.unwrap_err();
    assert!(matches!(unwritten, Withheld::Unusable(_)), "{unwritten:?}");
    refused(&attempts, "secret", noon()).await;
    fs::remove_dir(folder.path().join("binds.draft")).unwrap();
    attempts.permit(&other, noon(), DAY).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_kept_until_it_can() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    let permit = allowed(&attempts, "secret", noon()).await;
    fs::create_dir(folder.path().join("binds.draft")).unwrap();
    permit.told(WrongCredentials, "dc1", noon()).await;
    attempts.standing(&key(&attempts, "secret"), noon(), DAY).await.unwrap();
    fs::remove_dir(folder.path().join("binds.draft")).unwrap();
    refused(&attempts, "secret", noon()).await;
    refused(&Attempts::open(Some(folder.path())), "secret", noon()).await;
}

#[tokio::test]
async fn a_lock_that_somebody_keeps_is_not_waited_for() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    let key = key(&attempts, "secret");
    let held = fs::File::open(folder.path().join("binds.lock")).unwrap();
    held.lock().unwrap();
    let permit = timeout(A_SECOND * 5, attempts.permit(&key, noon(), DAY)).await.unwrap();
    assert!(matches!(permit, Err(Withheld::Unusable(_))), "{permit:?}");
}

#[tokio::test]
async fn the_file_is_private_and_names_nobody() {
    let folder = folder();
    told(&Attempts::open(Some(folder.path())), "secret", WrongCredentials, noon()).await;
    assert_eq!(fs::metadata(file(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
    let hash = |text: &str| {
        let sum = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        sum.as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<String>()
    };
    let text = text(&folder).to_lowercase();
    for plain in [USER, "secret", "svc-join", &format!("{USER}\0secret")] {
        assert!(!text.contains(plain) && !text.contains(&hash(plain)), "{text}");
    }
}

#[tokio::test]
async fn looking_writes_nothing() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    told(&attempts, "secret", WrongCredentials, noon()).await;
    let written = || fs::metadata(file(&folder)).unwrap().ino();
    let before = written();
    refused(&attempts, "secret", noon()).await;
    attempts.standing(&key(&attempts, "secret"), noon(), DAY).await.unwrap();
    assert_eq!(written(), before);
}

#[tokio::test]
async fn what_root_writes_belongs_to_the_owner_of_the_folder() {
    let folder = folder();
    let nobody = 65534;
    if chown(folder.path(), Some(nobody), Some(nobody)).is_err() {
        return;
    }
    told(&Attempts::open(Some(folder.path())), "secret", WrongCredentials, noon()).await;
    for file in ["binds.json", "binds.lock"] {
        assert_eq!(fs::metadata(folder.path().join(file)).unwrap().uid(), nobody, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_lose_nothing() {
    let folder = folder();
    let users = (0..8).map(|user| {
        let path = folder.path().to_owned();
        tokio::spawn(async move {
            let attempts = Attempts::open(Some(&path));
            for number in 0..6 {
                told(&attempts, &format!("{user}.{number}"), WrongCredentials, noon()).await;
            }
        })
    });
    for user in join_all(users).await {
        user.unwrap();
    }
    let attempts = Attempts::open(Some(folder.path()));
    for password in (0..8).flat_map(|user| (0..6).map(move |number| format!("{user}.{number}"))) {
        refused(&attempts, &password, noon()).await;
    }
    assert!(fs::File::open(folder.path().join("binds.lock")).unwrap().try_lock().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_wrong_password_is_sent_less_than_three_times_by_many_at_once() {
    let folder = folder();
    let users = (0..16).map(|_| {
        let path = folder.path().to_owned();
        tokio::spawn(async move {
            let attempts = Attempts::open(Some(&path));
            let Ok(permit) = permit(&attempts, "secret", noon()).await else { return 0 };
            tokio::time::sleep(Duration::from_millis(50)).await;
            permit.told(WrongCredentials, "dc1", noon()).await;
            1
        })
    });
    let sent: usize = join_all(users).await.into_iter().map(|sent| sent.unwrap()).sum();
    assert!((1..=2).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_made_all_the_same() {
    let folder = folder();
    let attempts = Attempts::open(Some(folder.path()));
    let permit = allowed(&attempts, "secret", noon()).await;
    // Polled once: the change is under way, and its caller is gone.
    assert!(
        futures::FutureExt::now_or_never(permit.told(WrongCredentials, "dc1", noon())).is_none()
    );
    assert_eq!(refused(&attempts, "secret", noon()).await.answer, Some(WrongCredentials));
}

#[test]
fn nothing_is_shown() {
    let attempts = Attempts::open(None);
    let shown = format!("{attempts:?} {:?}", key(&attempts, "secret"));
    assert_eq!(shown, "Attempts(None) Key");
}

async fn told(attempts: &Attempts, password: &str, answer: Bind, now: SystemTime) {
    allowed(attempts, password, now).await.told(answer, "dc1", now).await;
}

async fn allowed(attempts: &Attempts, password: &str, now: SystemTime) -> Permit {
    permit(attempts, password, now).await.expect("nothing speaks against it")
}

async fn refused(attempts: &Attempts, password: &str, now: SystemTime) -> Refusal {
    permit(attempts, password, now).await.expect_err("it was refused before")
}

async fn permit(attempts: &Attempts, password: &str, now: SystemTime) -> Result<Permit, Refusal> {
    let permit = attempts.permit(&key(attempts, password), now, DAY).await;
    permit.map_err(|withheld| match withheld {
        Withheld::Refused(refusal) => refusal,
        Withheld::Unusable(why) => panic!("{why}"),
    })
}

fn key(attempts: &Attempts, password: &str) -> Key {
    attempts.key(USER, &SecretString::from(password)).unwrap()
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

fn file(folder: &TempDir) -> PathBuf {
    Path::new(folder.path()).join("binds.json")
}

fn text(folder: &TempDir) -> String {
    fs::read_to_string(file(folder)).unwrap()
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_348_800)
}
