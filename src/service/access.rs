use std::sync::Arc;

use crate::cloud::EndpointUrl;
use crate::credentials::{AssumeRole, Base, Credentials};
use crate::domain::{AccountKey, AppId, Region};
use crate::ownership::SettingKey;

/// Whose setting it is, and where.
#[derive(Clone)]
pub struct Access {
    /// The credentials.
    pub credentials: Arc<Credentials>,
    /// Where they come from, for when they end early.
    pub source: Arc<Source>,
    /// The account.
    pub account: AccountKey,
    /// What could not be found out about the account.
    pub account_note: Option<String>,
    /// The service's address.
    pub endpoint: EndpointUrl,
    /// The region.
    pub region: Region,
    /// The app.
    pub app: AppId,
}

/// Where credentials come from.
pub struct Source {
    /// What they are built on.
    pub base: Base,
    /// The role that is assumed with it.
    pub role: Option<AssumeRole>,
}

impl Access {
    /// The setting's identity.
    pub fn key(&self) -> SettingKey {
        SettingKey {
            account: self.account.clone(),
            region: self.region.setting_region(),
            app: self.app.clone(),
        }
    }
}
