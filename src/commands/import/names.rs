//! What the imported resources are called: valid names, no two alike, and the same ones at every run.

use std::collections::BTreeSet;

use crate::domain::{AppId, Region};

/// The longest name that the API server takes for a resource.
const LONGEST: usize = 253;

/// A name for each of `settings`, in their order. With `base` (`--name`) a single one has that name, and of several
/// each has what tells it from the others added; without it a name says region and app.
pub fn names(base: Option<&str>, settings: &[(Region, AppId)]) -> Vec<String> {
    let differ = |of: fn(&(Region, AppId)) -> &str| settings.iter().map(of).collect::<BTreeSet<_>>().len() > 1;
    let (regions, apps) = (differ(|(region, _)| region.as_str()), differ(|(_, app)| app.0.as_str()));
    let mut taken = BTreeSet::new();
    let mut unique = |name: String| {
        let name = (2..)
            .map(|n| {
                if n == 2 {
                    name.clone()
                } else {
                    format!("{name}-{}", n - 1)
                }
            })
            .find(|name| !taken.contains(name))
            .unwrap_or(name);
        taken.insert(name.clone());
        name
    };
    let each = |(region, app): &(Region, AppId)| {
        let mut parts = vec![base.unwrap_or("vod").to_owned()];
        if base.is_none() || regions {
            parts.push(label(region.as_str()));
        }
        if base.is_none() || apps {
            parts.push(label(&app.0));
        }
        parts.retain(|part| !part.is_empty());
        unique(parts.join("-"))
    };
    settings.iter().map(each).collect()
}

/// Whether the API server takes `name` for a resource: an RFC 1123 subdomain.
pub fn is_valid(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let part =
        |part: &str| !part.is_empty() && part.chars().all(allowed) && !part.starts_with('-') && !part.ends_with('-');
    name.len() <= LONGEST && name.split('.').all(part)
}

/// What can be said of `text` in a name.
fn label(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let replaced = lower.replace(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()), "-");
    replaced.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(base: Option<&str>, settings: &[(&str, &str)]) -> Vec<String> {
        let settings: Vec<_> = settings
            .iter()
            .map(|(region, app)| (Region((*region).to_owned()), AppId((*app).to_owned())))
            .collect();
        names(base, &settings)
    }

    #[test]
    fn a_name_says_what_tells_it_from_the_others() {
        let one = [("cn-shanghai", "app-1000000")];
        assert_eq!(of(None, &one), ["vod-cn-shanghai-app-1000000"]);
        assert_eq!(of(Some("media-events"), &one), ["media-events"]);
        let apps = [("cn-shanghai", "app-1000000"), ("cn-shanghai", "app-2")];
        assert_eq!(of(Some("m"), &apps), ["m-app-1000000", "m-app-2"]);
        let regions = [("cn-shanghai", "app-1"), ("ap-southeast-1", "app-1")];
        assert_eq!(of(Some("m"), &regions), ["m-cn-shanghai", "m-ap-southeast-1"]);
        let both = [("cn-shanghai", "a"), ("ap-southeast-1", "b")];
        assert_eq!(of(Some("m"), &both), ["m-cn-shanghai-a", "m-ap-southeast-1-b"]);
        let alike = [
            ("cn-shanghai", "App_1"),
            ("cn-shanghai", "app.1"),
            ("cn-shanghai", "app-1"),
        ];
        assert_eq!(of(Some("m"), &alike), ["m-app-1", "m-app-1-2", "m-app-1-3"]);
    }

    #[test]
    fn names_that_the_api_server_takes() {
        for good in ["a", "media-events", "a.b-1.c", "0"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a..b", "a_b", "ä", &"a".repeat(254)] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_valid_and_none_is_there_twice(
            apps in proptest::collection::vec("[!-~é]{1,64}", 1..6),
            regions in proptest::collection::vec("[a-z]{2}-[a-z0-9-]{1,60}", 1..3),
            base in proptest::option::of("[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"),
        ) {
            let settings: Vec<_> = regions
                .iter()
                .flat_map(|region| apps.iter().map(|app| (Region(region.clone()), AppId(app.clone()))))
                .collect();
            let names = names(base.as_deref(), &settings);
            prop_assert_eq!(names.len(), settings.len());
            prop_assert!(names.iter().all(|name| is_valid(name)), "{:?}", names);
            prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }
}
