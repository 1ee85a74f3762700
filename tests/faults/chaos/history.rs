//! What happened at the service, played back from its log: which Sets were of no use, and which Deletes hit what was
//! not ours.

use std::collections::{BTreeMap, HashMap};

use vod_endpoint::Call;

/// Somebody changed a setting in the console, before the call of that number.
#[derive(Clone, Debug)]
pub struct Note {
    pub at: usize,
    pub account: String,
    pub app: String,
}

/// What is known of one setting at a moment.
#[derive(Clone, Debug, Default)]
struct Known {
    /// What was set last, while nobody else touched it.
    set: Option<BTreeMap<String, String>>,
    /// The last change was somebody else's.
    foreign: bool,
    /// It was read since then, and answered.
    foreign_was_seen: bool,
    /// Whether the last Set came about is not known to who made it.
    in_doubt: bool,
}

/// What the log shows that must not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faulty {
    /// Sets of what was set already, though it was known to be.
    pub useless_sets: usize,
    /// Deletes of what somebody else was seen to have set.
    pub foreign_deletes: usize,
}

pub fn judge(calls: &[Call], notes: &[Note]) -> Faulty {
    let mut faulty = Faulty::default();
    let mut settings: HashMap<(String, String), Known> = HashMap::new();
    let mut notes = notes.iter().peekable();
    for (number, call) in calls.iter().enumerate() {
        while let Some(note) = notes.next_if(|note| note.at <= number) {
            let known = settings.entry((note.account.clone(), note.app.clone())).or_default();
            *known = Known {
                foreign: true,
                ..Known::default()
            };
        }
        let known = settings
            .entry((call.account.clone(), call.app().to_owned()))
            .or_default();
        // An answer in brackets was spoiled: whether the call was carried out is not known.
        let spoiled = call.code.starts_with('(') || call.code == "ServiceUnavailable" || call.code == "InternalError";
        match call.action.as_str() {
            "GetMessageCallback" if call.code == "OK" => known.foreign_was_seen |= known.foreign,
            "SetMessageCallback" if call.code == "OK" || spoiled => {
                let asked = content(call);
                if known.set.as_ref() == Some(&asked) && !known.in_doubt {
                    faulty.useless_sets += 1;
                }
                *known = Known {
                    set: Some(asked),
                    in_doubt: spoiled,
                    ..Known::default()
                };
            }
            "DeleteMessageCallback" if call.code == "OK" => {
                faulty.foreign_deletes += usize::from(known.foreign && known.foreign_was_seen);
                *known = Known::default();
            }
            "DeleteMessageCallback" if spoiled => {
                *known = Known {
                    in_doubt: true,
                    ..Known::default()
                };
            }
            _ => {}
        }
    }
    faulty
}

/// What a Set asks for, without what differs each time.
fn content(call: &Call) -> BTreeMap<String, String> {
    const FIELDS: [&str; 5] = ["CallbackType", "CallbackURL", "EventTypeList", "AuthSwitch", "AuthKey"];
    let field = |name: &&str| Some(((*name).to_owned(), call.parameters.get(*name)?.clone()));
    FIELDS.iter().filter_map(field).collect()
}
