use std::fmt;

/// A region as the user writes it, such as `cn-shanghai`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(pub String);

impl Region {
    /// Where the setting of this region really lives: ownership goes by the endpoint's own region,
    /// so that `cn-hangzhou`, which VOD serves from Shanghai, is the same setting as `cn-shanghai`.
    pub fn setting_region(&self) -> SettingRegion {
        SettingRegion(match self.0.as_str() {
            "cn-hangzhou" => "cn-shanghai".to_owned(),
            other => other.to_owned(),
        })
    }

    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The region whose endpoint holds a setting. See [`Region::setting_region`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingRegion(String);

impl fmt::Display for SettingRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
