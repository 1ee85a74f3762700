//! What the service may make of a value without meaning another one.

use super::Field;

/// Whether `reported`, where it is not the same as `desired`, can be the service's own way to write it. Another callback
/// type, host, path or queue never is: then somebody else set it, or the answer is of before. Which events an `ALL` or a
/// new name stands for, and whether a switch is shown, is for the service to say.
pub fn is_rewording(field: Field, desired: &str, reported: &str) -> bool {
    match field {
        // A name that the documentation does not know can be another word for the same.
        Field::CallbackType => {
            !reported.is_empty() && !["HTTP", "MNS"].iter().any(|t| t.eq_ignore_ascii_case(reported))
        }
        Field::Url | Field::MnsEndpoint => match (place(desired), place(reported)) {
            (Some(desired), Some(reported)) => desired == reported,
            (Some(_) | None, _) => false,
        },
        Field::EventTypes | Field::AuthEnabled => true,
        Field::MnsQueueName | Field::AuthKey => false,
    }
}

/// The host with its port, and the path: what makes an address another one.
fn place(address: &str) -> Option<(String, Vec<Vec<u8>>)> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let authority = authority.to_ascii_lowercase();
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let host = authority.strip_suffix(default).unwrap_or(&authority).to_owned();
    let mut place = Vec::new();
    for segment in decoded(path).split(|byte| *byte == b'/') {
        match segment {
            // As everybody resolves them who normalises a path.
            b"" | b"." => {}
            b".." => drop(place.pop()),
            segment => place.push(segment.to_vec()),
        }
    }
    Some((host, place))
}

/// The bytes that percent-encoding stands for; a space has two forms.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let coded = after.get(..2).filter(|_| byte == b'%');
        let coded = coded.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(match coded {
            Some(coded) => coded,
            None if byte == b'+' => b' ',
            None => byte,
        });
        rest = after.get(if coded.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_in_other_words_is_a_rewording_and_another_place_is_none() {
        let url = "https://hooks.example.com/vod?x=1";
        for same in [
            "https://hooks.example.com/vod/?x=1",
            "https://HOOKS.example.com:443/vod?x=1",
            "https://hooks.example.com/%76od",
            "https://hooks.example.com/vod?x=1&y=2",
            "https://hooks.example.com//vod?x=1",
            "https://hooks.example.com/a/./.././vod?x=1",
        ] {
            assert!(is_rewording(Field::Url, url, same), "{same}");
        }
        for other in [
            "https://hooks.example.com/other?x=1",
            "https://hooks.example.com:8443/vod?x=1",
            "https://hooks.example.com.evil.example/vod?x=1",
            "https://x/vod",
            "hooks.example.com/vod",
            "",
        ] {
            assert!(!is_rewording(Field::Url, url, other), "{other}");
        }
        let spaced = "https://hooks.example.com/a%20b";
        assert!(is_rewording(Field::Url, spaced, "https://hooks.example.com/a+b"));
        assert!(!is_rewording(Field::Url, spaced, "https://hooks.example.com/a%2Bb"));
        let queue = "http://1.mns.example.com/";
        assert!(is_rewording(Field::MnsEndpoint, queue, "http://1.mns.example.com"));
        assert!(!is_rewording(Field::MnsEndpoint, queue, "http://2.mns.example.com"));
    }

    #[test]
    fn another_type_or_queue_is_never_a_rewording_and_events_and_the_switch_may_be() {
        assert!(!is_rewording(Field::CallbackType, "HTTP", "mns"));
        assert!(!is_rewording(Field::CallbackType, "HTTP", ""));
        assert!(is_rewording(Field::CallbackType, "MNS", "SMQ"));
        assert!(!is_rewording(Field::MnsQueueName, "q", "q2"));
        assert!(!is_rewording(Field::AuthKey, "", ""));
        assert!(is_rewording(Field::EventTypes, "ALL", "A,B"));
        assert!(is_rewording(Field::AuthEnabled, "on", ""));
    }
}
