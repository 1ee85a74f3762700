use super::*;

fn name(name: &str) -> ObjectName {
    ObjectName {
        namespace: "media".to_owned(),
        name: name.to_owned(),
    }
}

fn sighting(uid: &str, of: &str, change: u64) -> Sighting {
    Sighting {
        uid: uid.to_owned(),
        name: name(of),
        change: Some(change),
    }
}

fn unreadable(uid: &str, of: &str) -> Sighting {
    Sighting {
        change: None,
        ..sighting(uid, of, 0)
    }
}

fn seen(of: &str) -> Effect {
    Effect::Seen(name(of))
}

fn wake(of: &str) -> Effect {
    Effect::Wake(name(of))
}

fn gone(uid: &str) -> Effect {
    Effect::Gone(uid.to_owned())
}

fn list(roster: &mut Roster, sightings: &[Sighting]) -> Vec<Effect> {
    roster.list_begins();
    for sighting in sightings {
        roster.listed(sighting.clone());
    }
    roster.list_ends()
}

#[test]
fn a_list_wakes_what_is_new_or_changed_and_tells_what_is_gone() {
    let mut roster = Roster::default();
    let first = list(
        &mut roster,
        &[sighting("1", "a", 1), sighting("2", "b", 1), sighting("3", "c", 1)],
    );
    assert_eq!(
        first,
        [seen("a"), wake("a"), seen("b"), wake("b"), seen("c"), wake("c")]
    );
    let second = list(
        &mut roster,
        &[sighting("1", "a", 1), sighting("2", "b", 2), sighting("4", "d", 1)],
    );
    assert_eq!(
        second,
        [gone("3"), seen("a"), seen("b"), wake("b"), seen("d"), wake("d")]
    );
}

#[test]
fn of_one_created_again_under_its_name_the_old_one_goes_first() {
    let mut roster = Roster::default();
    list(&mut roster, &[sighting("1", "a", 1)]);
    assert_eq!(
        list(&mut roster, &[sighting("2", "a", 1)]),
        [gone("1"), seen("a"), wake("a")]
    );
}

#[test]
fn nothing_follows_from_a_list_that_is_not_complete() {
    let mut roster = Roster::default();
    list(&mut roster, &[sighting("1", "a", 1)]);
    assert!(roster.is_fresh_list() && !roster.is_fresh_list());
    roster.list_begins();
    roster.listed(sighting("2", "b", 1));
    assert!(!roster.is_fresh_list());
    // It failed, and another one begins.
    assert_eq!(list(&mut roster, &[sighting("1", "a", 1)]), [seen("a")]);
    assert!(!roster.knows("2"));
}

#[test]
fn a_change_that_does_not_matter_wakes_nobody() {
    let mut roster = Roster::default();
    assert_eq!(roster.changed(sighting("1", "a", 1)), [seen("a"), wake("a")]);
    assert_eq!(roster.changed(sighting("1", "a", 1)), [seen("a")]);
    assert_eq!(roster.changed(sighting("1", "a", 2)), [seen("a"), wake("a")]);
}

#[test]
fn one_that_cannot_be_read_is_kept_while_it_exists_and_no_longer() {
    let mut roster = Roster::default();
    list(&mut roster, &[sighting("1", "a", 1), unreadable("2", "b")]);
    assert_eq!(roster.changed(unreadable("1", "a")), []);
    assert_eq!(list(&mut roster, &[unreadable("1", "a"), unreadable("2", "b")]), []);
    assert!(roster.knows("1") && roster.knows("2"));
    assert_eq!(roster.deleted("1"), [gone("1")]);
    assert_eq!(list(&mut roster, &[]), [gone("2")]);
    // One that can be read again is looked at, though nothing else changed.
    list(&mut roster, &[sighting("3", "c", 1)]);
    roster.changed(unreadable("3", "c"));
    assert_eq!(roster.changed(sighting("3", "c", 1)), [seen("c"), wake("c")]);
}

#[test]
fn a_deletion_of_somebody_unknown_means_nothing() {
    assert_eq!(Roster::default().deleted("1"), []);
}
