//! What the user can do about each reason: the words of `vod-operator status` and of docs/troubleshooting.md.

use super::Reason;

impl Reason {
    /// What to do about it; `None` where there is nothing to do.
    pub fn fix(self) -> Option<&'static str> {
        Some(match self {
            Self::Applied | Self::InSync | Self::Observed => return None,
            Self::Progressing => "This takes seconds. If it stays, look at the operator's log.",
            Self::DriftCorrected => "If it comes again and again, find the other writer.",
            Self::Drifted => "To put it right, change it back at the service, or set managementPolicy: Enforce.",
            Self::Suspended => "Set spec.suspend to false to go on.",
            Self::Throttled => {
                "It is tried again by itself. If it lasts, somebody else uses the account's quota of 15 calls a second, \
                 or several clusters share the account: lower --vod-qps in each."
            }
            Self::ServiceUnavailable => {
                "It is tried again by itself. If it lasts, check from a Pod of the operator's namespace that \
                 status.endpoint can be reached."
            }
            Self::SecretNotFound => {
                "Create the Secret in the resource's own namespace: the operator goes on within a second."
            }
            Self::SecretKeyMissing => {
                "Add the key: credentials.secretRef needs accessKeyId and accessKeySecret; the AuthKey is in authKey \
                 unless keySecretRef.key says otherwise."
            }
            Self::InvalidAuthKey => {
                "Put a key into the Secret that has 1 to 32 characters, with an upper-case letter, a lower-case letter \
                 and a digit."
            }
            Self::InvalidCredentials => {
                "Put a valid AccessKey into the Secret, or correct the role's trust policy; status.lastError.code says \
                 what is wrong."
            }
            Self::PermissionDenied => {
                "Add the RAM policy to the AccessKey's user or role, and see that the account has opened ApsaraVideo VOD."
            }
            Self::InvalidSpec => {
                "Correct the value that the message names. Often it is the URL: it must be reachable from the internet."
            }
            Self::Conflict => "Delete one of the two, or change its region or appId by creating it anew.",
            Self::Contested => "Find the other writer: another cluster, a script, a person at the console.",
            Self::AmbientCredentialsDisabled => {
                "Name a Secret in credentials.secretRef, or allow the operator's own credentials to this namespace."
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../docs/troubleshooting.md");

    /// A page's words without its markup.
    fn words(markdown: &str) -> String {
        let plain = markdown.replace(['`', '*'], "");
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whoever reads the page and whoever reads the terminal is told the same.
    #[test]
    fn the_troubleshooting_page_has_the_same_words() {
        for reason in Reason::ALL {
            let heading = format!("\n### {}\n", reason.as_str());
            let (_, section) = PAGE
                .split_once(&heading)
                .unwrap_or_else(|| panic!("no section{heading}"));
            let section = section.split("\n#").next().unwrap_or_default();
            if let Some(fix) = reason.fix() {
                assert!(
                    words(section).contains(fix),
                    "the section {} lacks: {fix}\n{}",
                    reason.as_str(),
                    words(section)
                );
            }
        }
    }
}
