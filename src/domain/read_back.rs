//! What the service makes of a setting that was just applied, and when its word for it is believed.

use super::event_types::{ALL, as_set};
use super::rewording::is_rewording;
use super::{Field, FieldDifference, KeyForm, KeyView, LiveSetting, Setting};

/// How the service words a setting that it holds. It never holds a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// What it reported.
    pub reported: LiveSetting,
    /// How it showed the key, where one is set and that is known.
    pub key_form: Option<KeyForm>,
}

/// What to make of the setting as it was read right after it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// The service holds it. The fields that it words in its own way, if any, and the baseline from now on.
    Held {
        /// In other words than were sent.
        reworded: Vec<FieldDifference>,
        /// What is no drift from now on.
        baseline: Baseline,
    },
    /// It is another setting.
    Foreign(Vec<FieldDifference>),
}

impl Setting {
    /// Whether the first read after a Set looks like another setting: an answer from before, or somebody else's. It is
    /// to be read once more. `form` is how the service showed the key before.
    pub fn doubts_read_back(&self, live: Option<&LiveSetting>, form: Option<KeyForm>) -> bool {
        matches!(self.read_back(live, form, false), ReadBack::Foreign(_))
    }

    /// Judges a read after a Set that is not doubted, or the second one.
    ///
    /// Another text than the key, shown twice in a row right after our own Set, is how the service shows this key: a
    /// correction would find the same again, without end. Only where it has shown keys in clear is it somebody's else.
    pub fn judge_read_back(&self, live: Option<&LiveSetting>, form: Option<KeyForm>) -> ReadBack {
        self.read_back(live, form, true)
    }

    fn read_back(&self, live: Option<&LiveSetting>, form: Option<KeyForm>, again: bool) -> ReadBack {
        let found = self.differences(live, None);
        let none = LiveSetting::default();
        let live = live.unwrap_or(&none);
        let view = self.key_view(live, form);
        let foreign_key = view == Some(KeyView::Foreign);
        let another = |d: &FieldDifference| match d.field {
            Field::AuthKey => foreign_key && (!again || form == Some(KeyForm::Clear)),
            Field::EventTypes => !again && !is_told_by(&d.desired, &d.observed),
            Field::CallbackType | Field::Url | Field::AuthEnabled | Field::MnsEndpoint | Field::MnsQueueName => {
                !is_rewording(d.field, &d.desired, &d.observed)
            }
        };
        if found.iter().any(another) {
            return ReadBack::Foreign(found.into_iter().filter(another).collect());
        }
        ReadBack::Held {
            reworded: found.into_iter().filter(|d| d.field != Field::AuthKey).collect(),
            baseline: Baseline {
                reported: live.without_key(),
                key_form: view.map(|view| match view {
                    KeyView::Equal => KeyForm::Clear,
                    KeyView::Hidden(form) => form,
                    KeyView::Foreign => KeyForm::Masked,
                }),
            },
        }
    }

    /// The baseline after a check that found `live` equal to this setting, without the help of `before`.
    pub fn baseline_of_equal(&self, live: &LiveSetting, before: Option<&Baseline>) -> Baseline {
        let form = before.and_then(|b| b.key_form);
        Baseline {
            reported: live.without_key(),
            // A hidden key at a check does not tell how our own is shown; one in clear does.
            key_form: match self.key_view(live, form) {
                None => None,
                Some(KeyView::Equal) => Some(KeyForm::Clear),
                Some(KeyView::Hidden(_) | KeyView::Foreign) => form,
            },
        }
    }
}

/// Whether a list of events can be another way to write what was asked for: `ALL` as a list, new names left out, single
/// names under their common one. Two lists without a common name are doubtful, and so is one of the two being empty.
fn is_told_by(desired: &str, observed: &str) -> bool {
    let (desired, observed) = (as_set(desired), as_set(observed));
    let both_say_something = !desired.is_empty() && !observed.is_empty();
    both_say_something && (desired.contains(ALL) || observed.contains(ALL) || !desired.is_disjoint(&observed))
}

#[cfg(test)]
mod tests;
