use std::slice;

use super::*;

fn spec(secret: &str) -> VodMessageCallbackSpec {
    let spec = serde_json::json!({
        "region": "cn-shanghai",
        "callbackType": "HTTP",
        "http": {"url": "https://hooks.example.com/vod"},
        "eventTypes": [],
        "credentials": {"secretRef": {"name": secret}},
    });
    serde_json::from_value(spec).unwrap()
}

fn user(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn list(index: &SecretIndex, scope: &str, shown: &[(&str, &str, &str)]) -> Vec<ObjectName> {
    index.list_begins(scope);
    let mut told: Vec<_> = shown
        .iter()
        .flat_map(|(namespace, name, version)| index.present(namespace, name, version))
        .collect();
    told.extend(index.list_ends(scope));
    told
}

#[test]
fn of_secrets_that_nobody_refers_to_nothing_is_kept() {
    let index = SecretIndex::default();
    let resource = user("a", "r");
    index.refer("u", &resource, &spec("x"));
    index.list_begins("");
    for n in 0..1000 {
        assert!(index.present("a", &format!("other-{n}"), "1").is_empty());
        assert!(index.present("b", "x", &n.to_string()).is_empty());
    }
    assert_eq!(index.present("a", "x", "7"), [resource]);
    assert!(index.list_ends("").is_empty());
    assert!(index.gone("a", "other-1").is_empty());
    assert_eq!(index.lock().by_secret.len(), 1);
    index.forget("u");
    assert!(index.lock().by_secret.is_empty() && index.lock().by_resource.is_empty());
}

#[test]
fn versions_are_news_once_and_what_a_list_does_not_show_is_gone() {
    let index = SecretIndex::default();
    let resource = user("a", "r");
    index.refer("u", &resource, &spec("x"));
    assert_eq!(index.version("a", "x"), SecretVersion::Unknown, "no list was seen yet");
    assert_eq!(list(&index, "a", &[("a", "x", "1")]), slice::from_ref(&resource));
    assert_eq!(index.version("a", "x"), SecretVersion::Present("1".into()));
    assert!(list(&index, "a", &[("a", "x", "1")]).is_empty());
    assert!(list(&index, "b", &[]).is_empty(), "that list was of another namespace");
    assert_eq!(index.version("a", "x"), SecretVersion::Present("1".into()));
    assert_eq!(list(&index, "a", &[]), slice::from_ref(&resource));
    assert_eq!(index.version("a", "x"), SecretVersion::Gone);
    assert!(list(&index, "", &[]).is_empty(), "known already");
    assert_eq!(index.present("a", "x", "2"), slice::from_ref(&resource));
    assert_eq!(index.gone("a", "x"), [resource]);
    assert_eq!(index.version("a", "x"), SecretVersion::Gone);
}

#[test]
fn a_list_says_nothing_of_a_secret_that_was_named_while_it_ran() {
    let index = SecretIndex::default();
    index.list_begins("");
    assert!(index.present("a", "x", "1").is_empty());
    index.refer("u", &user("a", "r"), &spec("x"));
    assert!(index.list_ends("").is_empty());
    assert_eq!(
        index.version("a", "x"),
        SecretVersion::Unknown,
        "it was shown before it mattered"
    );
    assert_eq!(list(&index, "", &[]), [user("a", "r")]);
    assert_eq!(index.version("a", "x"), SecretVersion::Gone);
}

#[test]
fn a_list_that_failed_halfway_shows_nothing() {
    let index = SecretIndex::default();
    index.refer("u", &user("a", "r"), &spec("x"));
    index.list_begins("");
    index.present("a", "x", "1");
    assert_eq!(list(&index, "", &[]), [user("a", "r")], "the next one no longer has it");
}

#[test]
fn one_created_again_under_its_name_keeps_its_secrets_wakes() {
    let index = SecretIndex::default();
    let resource = user("a", "r");
    index.refer("old", &resource, &spec("x"));
    index.refer("new", &resource, &spec("x"));
    index.forget("old");
    assert_eq!(index.present("a", "x", "1"), [resource]);
}

#[test]
fn a_resource_that_names_another_secret_is_told_of_that_one_alone() {
    let index = SecretIndex::default();
    let resource = user("a", "r");
    index.refer("u", &resource, &spec("x"));
    index.refer("u", &resource, &spec("y"));
    assert!(index.present("a", "x", "1").is_empty());
    assert_eq!(index.present("a", "y", "1"), [resource]);
}
