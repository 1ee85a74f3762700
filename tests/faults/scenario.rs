//! The ways in which a setting changes hands or content.

use std::time::Duration;

use vod_endpoint::{ACCOUNT, ShowKey};

use crate::ground::{Ground, KEY, NEW_KEY, OTHER_ACCOUNT, OTHER_ID, OTHER_SECRET, URL};
use crate::invariants::Allowed;

const APP: &str = "app-faults";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Create,
    Change,
    Rotate,
    /// The service does not show keys.
    RotateHidden,
    Drift,
    Conflict,
    Takeover,
    Delete,
    /// Somebody else set it anew meanwhile.
    DeleteNotOurs,
    MoveAccount,
}

impl Scenario {
    /// What is there before: `first`, and in some a rival `second`.
    pub async fn arrange(self, ground: &Ground) {
        if self == Self::RotateHidden {
            ground.endpoint.world().behaviour.key = ShowKey::Hidden;
        }
        if self == Self::Create {
            return;
        }
        ground.apply(&ground.resource("first", APP)).await;
        ground.ready("first").await;
        match self {
            Self::Takeover => {
                older().await;
                ground.apply(&ground.resource("second", APP)).await;
                let said = async || ground.says("second").await == Some(("False".into(), "Conflict".into()));
                harness::eventually("the second is in conflict", said).await.unwrap();
            }
            Self::Conflict => older().await,
            Self::DeleteNotOurs => ground.tamper(APP, &[("CallbackURL", "https://elsewhere.example.com/")]),
            _ => {}
        }
    }

    /// What happens then.
    pub async fn act(self, ground: &Ground) {
        match self {
            Self::Create => ground.apply(&ground.resource("first", APP)).await,
            Self::Change => ground.apply(&ground.resource("first", APP).events(["ALL"])).await,
            Self::Rotate | Self::RotateHidden => {
                let key = [("authKey", NEW_KEY)];
                ground.cluster.secret(&ground.ns, "key", &key).await.unwrap();
            }
            Self::Drift => {
                ground.tamper(APP, &[("EventTypeList", "ALL")]);
                let asked = ground.cluster.request_reconcile(&ground.ns, "first", "drift");
                asked.await.unwrap();
            }
            Self::Conflict => ground.apply(&ground.resource("second", APP)).await,
            Self::Takeover | Self::Delete | Self::DeleteNotOurs => {
                ground.cluster.delete_vmc(&ground.ns, "first").await.unwrap();
            }
            Self::MoveAccount => {
                let moved = ground.cluster.access_key(&ground.ns, OTHER_ID, OTHER_SECRET);
                moved.await.unwrap();
            }
        }
    }

    /// Whether everything is as it must be in the end; else what is not.
    pub async fn ended(self, ground: &Ground) -> Result<(), String> {
        let says = async |name: &str, status: &str| {
            let said = ground.says(name).await;
            match &said {
                Some((found, _)) if found == status => Ok(()),
                _ => Err(format!("{name} says {said:?}: {}", ground.status(name).await)),
            }
        };
        let holds = |account: &str, owner: &str, events: &str, key: &str| {
            let url = format!("{URL}/{owner}");
            let wanted = [
                ("CallbackURL", url.as_str()),
                ("EventTypeList", events),
                ("AuthKey", key),
            ];
            let live = ground.live(account, APP).unwrap_or_default();
            let differs = wanted
                .iter()
                .find(|(field, value)| live.get(*field).map(String::as_str) != Some(value));
            differs.map_or(Ok(()), |(field, _)| {
                Err(format!("account {account} has another {field}: {live:?}"))
            })
        };
        let gone = async |name: &str| match ground.exists(name).await {
            false => Ok(()),
            true => Err(format!("{name} is still there")),
        };
        let usual = "FileUploadComplete";
        match self {
            Self::Create | Self::Drift => {
                holds(ACCOUNT, "first", usual, KEY)?;
                says("first", "True").await
            }
            Self::Change => {
                holds(ACCOUNT, "first", "ALL", KEY)?;
                says("first", "True").await
            }
            Self::Rotate | Self::RotateHidden => {
                holds(ACCOUNT, "first", usual, NEW_KEY)?;
                says("first", "True").await
            }
            Self::Conflict => {
                holds(ACCOUNT, "first", usual, KEY)?;
                says("first", "True").await?;
                says("second", "False").await
            }
            Self::Takeover => {
                gone("first").await?;
                holds(ACCOUNT, "second", usual, KEY)?;
                says("second", "True").await
            }
            Self::Delete => {
                gone("first").await?;
                ground
                    .live(ACCOUNT, APP)
                    .map_or(Ok(()), |live| Err(format!("left behind: {live:?}")))
            }
            Self::DeleteNotOurs => {
                gone("first").await?;
                let live = ground.live(ACCOUNT, APP);
                live.map(drop)
                    .ok_or_else(|| "somebody else's setting was deleted".to_owned())
            }
            Self::MoveAccount => {
                holds(ACCOUNT, "first", usual, KEY)?;
                holds(OTHER_ACCOUNT, "first", usual, KEY)?;
                says("first", "True").await
            }
        }
    }

    /// How often the service may be changed from the first moment to the last. One more Set where the service hides the
    /// key: an interrupted one cannot be told from none.
    pub fn allowed(self, interrupted: bool) -> Allowed {
        let sets = match self {
            Self::Create | Self::Conflict | Self::Delete | Self::DeleteNotOurs | Self::MoveAccount => 1,
            Self::Change | Self::Rotate | Self::Drift | Self::Takeover => 2,
            Self::RotateHidden => 2 + usize::from(interrupted),
        };
        let elsewhere = usize::from(self == Self::MoveAccount);
        Allowed {
            sets: [(ACCOUNT, sets), (OTHER_ACCOUNT, elsewhere)].into(),
            deletes: usize::from(matches!(self, Self::Takeover | Self::Delete)),
        }
    }
}

/// Creation times are whole seconds, and within one the uid decides who is the older.
async fn older() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}
