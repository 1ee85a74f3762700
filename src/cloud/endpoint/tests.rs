//! The endpoints against the official SDK's map, and the page of the docs that is made of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::*;

/// What an official SDK calls for each region that it knows.
#[derive(Deserialize)]
struct SdkMap {
    hosts: BTreeMap<String, String>,
}

fn sdk_map() -> BTreeMap<String, String> {
    let file: SdkMap = serde_json::from_str(include_str!("../../../tests/vectors/endpoints.json")).unwrap();
    file.hosts
}

fn region(name: &str) -> Region {
    Region(name.to_owned())
}

fn on(network: EndpointNetwork) -> Endpoints {
    Endpoints {
        network,
        ..Endpoints::default()
    }
}

#[test]
fn every_region_of_the_official_sdk_is_called_where_the_sdk_calls_it() {
    let map = sdk_map();
    assert_eq!(map.len(), 55, "the whole map is there");
    for (name, host) in &map {
        let url = on(EndpointNetwork::Public).vod(&region(name));
        assert_eq!(url.as_str(), format!("https://{host}"), "{name}");
    }
}

#[test]
fn two_regions_are_one_setting_exactly_where_they_share_an_address() {
    let map = sdk_map();
    for (one, host) in &map {
        for (other, other_host) in &map {
            let same_setting = region(one).setting_region() == region(other).setting_region();
            assert_eq!(same_setting, host == other_host, "{one} and {other}");
        }
    }
}

fn vod(region: &str, network: EndpointNetwork) -> String {
    Endpoints {
        network,
        ..Endpoints::default()
    }
    .vod(&Region(region.to_owned()))
    .to_string()
}

#[test]
fn an_address_follows_the_vendors_rule_and_its_exceptions() {
    use EndpointNetwork::{Public, Vpc};
    let table = [
        ("cn-shanghai", Public, "https://vod.cn-shanghai.aliyuncs.com"),
        ("cn-hangzhou", Public, "https://vod.cn-shanghai.aliyuncs.com"),
        ("cn-hangzhou", Vpc, "https://vod-vpc.cn-shanghai.aliyuncs.com"),
        ("ap-southeast-1", Vpc, "https://vod-vpc.ap-southeast-1.aliyuncs.com"),
        ("me-central-1", Public, "https://vod.me-central-1.aliyuncs.com"),
        ("cn-north-2-gov-1", Public, "https://vod.cn-north-2-gov-1.aliyuncs.com"),
        ("us-east-1", Public, "https://vod.aliyuncs.com"),
        ("cn-qingdao", Vpc, "https://vod.aliyuncs.com"),
        ("xx-new-9", Public, "https://vod.xx-new-9.aliyuncs.com"),
    ];
    for (region, network, expected) in table {
        assert_eq!(vod(region, network), expected, "{region} {network:?}");
    }
    let sts = Endpoints {
        network: Vpc,
        ..Endpoints::default()
    }
    .sts(&Region("cn-beijing".into()));
    assert_eq!(sts.as_str(), "https://sts-vpc.cn-beijing.aliyuncs.com");
}

#[test]
fn a_region_is_filled_into_a_template_and_a_bad_one_is_refused() {
    let vod = Some(EndpointTemplate::parse("http://{region}.localhost:8080/").unwrap());
    let endpoints = Endpoints {
        vod,
        ..Endpoints::default()
    };
    let url = endpoints.vod(&Region("cn-beijing".into()));
    assert_eq!(
        (url.as_str(), url.host()),
        ("http://cn-beijing.localhost:8080", "cn-beijing.localhost:8080")
    );
    for bad in [
        "",
        "localhost",
        "ftp://x",
        "http://u@x",
        "http://x/?q",
        "http://x/#f",
        "http://",
    ] {
        assert_eq!(EndpointTemplate::parse(bad), Err(InvalidEndpoint), "{bad:?}");
    }
}

#[test]
fn the_host_header_leaves_out_the_schemes_own_port() {
    assert_eq!(EndpointUrl::parse("https://x:443/").unwrap().host(), "x");
    assert_eq!(EndpointUrl::parse("http://x:8080").unwrap().host(), "x:8080");
    let gateway = EndpointUrl::parse("http://x:8080/cn-beijing/").unwrap();
    assert_eq!((gateway.host(), gateway.path()), ("x:8080", "/cn-beijing"));
    assert_eq!(EndpointUrl::parse("http://x").unwrap().path(), "/");
    for (url, local) in [
        ("http://127.0.0.1:1", true),
        ("http://[::1]:1", true),
        ("http://a.localhost", true),
        ("http://10.0.0.1", false),
        ("https://x", false),
    ] {
        assert_eq!(EndpointUrl::parse(url).unwrap().is_loopback(), local, "{url}");
    }
}

/// The page, written anew with `hack/render-endpoints`.
#[test]
fn the_page_of_endpoints_is_what_the_code_says() {
    let page = page();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/endpoints.md");
    if std::env::var_os("WRITE_ENDPOINTS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == page,
        "docs/endpoints.md is out of date: run hack/render-endpoints"
    );
}

fn page() -> String {
    let map = sdk_map();
    let (central, own): (Vec<_>, Vec<_>) = map
        .keys()
        .map(|name| region(name))
        .partition(|region| region.setting_region().is_central());
    let mut page = String::from(INTRODUCTION);
    for region in &own {
        let seat = region.setting_region();
        let shared = if seat.to_string() == region.as_str() {
            String::from("its own")
        } else {
            format!("the same as `{seat}`")
        };
        let _ = writeln!(
            page,
            "| `{region}` | {} | {} | {shared} |",
            host(&on(EndpointNetwork::Public).vod(region)),
            host(&on(EndpointNetwork::Vpc).vod(region)),
        );
    }
    let new = region("REGION");
    let _ = writeln!(
        page,
        "| any other, as `REGION` | {} | {} | its own |",
        host(&on(EndpointNetwork::Public).vod(&new)),
        host(&on(EndpointNetwork::Vpc).vod(&new)),
    );
    let any_central = central.first().unwrap();
    let _ = write!(
        page,
        "\n## The central address\n\n\
         {} old, internal and finance regions are served from one address, {}, which has no form for a VPC.\n\
         **They share one setting for each account and application**: two resources that name two of them are in\n\
         [`Conflict`](troubleshooting.md#conflict).\n\n",
        central.len(),
        host(&on(EndpointNetwork::Public).vod(any_central)),
    );
    for region in &central {
        let _ = writeln!(page, "* `{region}`");
    }
    let _ = write!(
        page,
        "\n## The other services\n\n\
         | service | public | `--endpoint-network vpc` |\n|---|---|---|\n\
         | STS, in the resource's region | {} | {} |\n\
         | metadata of the ECS instance (`--metadata-endpoint`) | `{}` | the same |\n",
        host(&on(EndpointNetwork::Public).sts(&new)),
        host(&on(EndpointNetwork::Vpc).sts(&new)),
        crate::credentials::METADATA_ADDRESS,
    );
    page.push_str(LAST);
    page
}

fn host(url: &EndpointUrl) -> String {
    format!("`{}`", url.as_str().trim_start_matches("https://"))
}

const INTRODUCTION: &str = "\
<!-- Made from the code by hack/render-endpoints; a unit test compares the two. -->
# Regions and endpoints

What the operator calls for a `spec.region`, all over HTTPS. The regions are those that the official SDK knows; a new one needs no new
version of the operator, as its address follows the rule of the last row. `vod-operator run --endpoint-network vpc` (in the chart
`operator.endpointNetwork: vpc`) calls the addresses of the VPC, which answer only within Alibaba Cloud.

| region | VOD | VOD in a VPC | setting |
|---|---|---|---|
";

const LAST: &str = "
`--vod-endpoint` and `--sts-endpoint` replace the address for the whole operator, for tests and private gateways; `{region}` in them is
replaced by the region. A network policy that limits what the operator may reach must let through the addresses of your regions,
port 443, and DNS.

Sources: the endpoint map of the Python SDK `alibabacloud_vod20170321` 3.12.1 (`tests/vectors/endpoints.json`), and the vendor's pages
of VOD's and STS's endpoints.
";
