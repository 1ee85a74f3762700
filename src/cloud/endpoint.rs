use std::fmt;

use crate::domain::Region;

/// A service's address: scheme, host and port, and the path of a private gateway if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointUrl(String);

/// Text that is not such an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use an absolute http:// or https:// address without user info, query, fragment, white space and odd characters"
)]
pub struct InvalidEndpoint;

impl EndpointUrl {
    /// Takes an address apart and puts it together again without the trailing slash.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let scheme = text.starts_with("http://") || text.starts_with("https://");
        // What the parser forgives or fixes, a request must not depend on.
        let odd = |c: char| !c.is_ascii_graphic() || "{}\\\"<>@?#".contains(c);
        if !scheme || text.contains(odd) || text.contains(":///") {
            return Err(InvalidEndpoint);
        }
        let url = reqwest::Url::parse(text).map_err(|_| InvalidEndpoint)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidEndpoint);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// `https://vod.cn-shanghai.aliyuncs.com`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        let url = reqwest::Url::parse(&self.0).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|ip| ip.is_loopback())
    }

    /// What the `Host` header says: the port only where it is not the scheme's own.
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        rest.split_once('/').map_or(rest, |(host, _)| host)
    }

    /// The path that is called and signed: `/` but for a gateway's.
    pub fn path(&self) -> &str {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An operator-wide address that may hold `{region}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTemplate(String);

impl EndpointTemplate {
    /// Checks the address with a region filled in.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        EndpointUrl::parse(&text.replace("{region}", "cn-shanghai")).map(|_| Self(text.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn fill(&self, region: &Region) -> EndpointUrl {
        // The schema lets only letters, digits and hyphens into a region, so the address stays one.
        let filled = self.0.replace("{region}", region.as_str());
        EndpointUrl::parse(&filled).unwrap_or(EndpointUrl(filled))
    }
}

/// How the services are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointNetwork {
    /// Over the internet.
    #[default]
    Public,
    /// From within a VPC.
    Vpc,
}

/// Where the services are.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// `--vod-endpoint`
    pub vod: Option<EndpointTemplate>,
    /// `--sts-endpoint`
    pub sts: Option<EndpointTemplate>,
    /// `--endpoint-network`
    pub network: EndpointNetwork,
}

impl Endpoints {
    /// VOD's address for a region: the vendor's rule is `vod.REGION`, in a VPC `vod-vpc.REGION`; regions that are
    /// served from elsewhere are told apart by [`Region::setting_region`].
    pub fn vod(&self, region: &Region) -> EndpointUrl {
        if let Some(template) = &self.vod {
            return template.fill(region);
        }
        let served_from = region.setting_region();
        EndpointUrl(match (served_from.is_central(), self.network) {
            // The central address has no VPC form.
            (true, _) => "https://vod.aliyuncs.com".to_owned(),
            (false, EndpointNetwork::Public) => format!("https://vod.{served_from}.aliyuncs.com"),
            (false, EndpointNetwork::Vpc) => format!("https://vod-vpc.{served_from}.aliyuncs.com"),
        })
    }

    /// STS's address for a region.
    pub fn sts(&self, region: &Region) -> EndpointUrl {
        match (&self.sts, self.network) {
            (Some(template), _) => template.fill(region),
            (None, EndpointNetwork::Public) => EndpointUrl(format!("https://sts.{region}.aliyuncs.com")),
            (None, EndpointNetwork::Vpc) => EndpointUrl(format!("https://sts-vpc.{region}.aliyuncs.com")),
        }
    }
}

#[cfg(test)]
mod tests;
