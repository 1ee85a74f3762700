use std::fmt;

/// Old, internal and finance regions that the official SDKs send to one central address (endpoint map of the Python
/// SDK `alibabacloud_vod20170321` 3.12.1).
const CENTRAL: [&str; 43] = [
    "ap-northeast-2-pop",
    "ap-southeast-2",
    "ap-southeast-3",
    "cn-beijing-finance-1",
    "cn-beijing-finance-pop",
    "cn-beijing-gov-1",
    "cn-beijing-nu16-b01",
    "cn-chengdu",
    "cn-edge-1",
    "cn-fujian",
    "cn-haidian-cm12-c01",
    "cn-hangzhou-bj-b01",
    "cn-hangzhou-finance",
    "cn-hangzhou-internal-prod-1",
    "cn-hangzhou-internal-test-1",
    "cn-hangzhou-internal-test-2",
    "cn-hangzhou-internal-test-3",
    "cn-hangzhou-test-306",
    "cn-hongkong-finance-pop",
    "cn-huhehaote",
    "cn-huhehaote-nebula-1",
    "cn-qingdao",
    "cn-qingdao-nebula",
    "cn-shanghai-et15-b01",
    "cn-shanghai-et2-b01",
    "cn-shanghai-finance-1",
    "cn-shanghai-inner",
    "cn-shanghai-internal-test-1",
    "cn-shenzhen-finance-1",
    "cn-shenzhen-inner",
    "cn-shenzhen-st4-d01",
    "cn-shenzhen-su18-b01",
    "cn-wuhan",
    "cn-wulanchabu",
    "cn-yushanfang",
    "cn-zhangbei",
    "cn-zhangbei-na61-b01",
    "cn-zhangjiakou-na62-a01",
    "cn-zhengzhou-nebula-1",
    "eu-west-1-oxs",
    "me-east-1",
    "rus-west-1-pop",
    "us-east-1",
];

/// What the central address's settings go by; no region has this name.
const CENTRAL_SEAT: &str = "central";

/// A region as the user writes it, such as `cn-shanghai`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(pub String);

impl Region {
    /// Where the setting of this region really lives: ownership goes by the endpoint's own region,
    /// so that `cn-hangzhou`, which VOD serves from Shanghai, is the same setting as `cn-shanghai`.
    pub fn setting_region(&self) -> SettingRegion {
        let seat = match self.0.as_str() {
            "cn-hangzhou" => "cn-shanghai",
            central if CENTRAL.contains(&central) => CENTRAL_SEAT,
            other => other,
        };
        SettingRegion(seat.to_owned())
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

impl SettingRegion {
    /// Whether it is the central address, which serves many old regions.
    pub fn is_central(&self) -> bool {
        self.0 == CENTRAL_SEAT
    }
}

impl fmt::Display for SettingRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
