//! One name for one cluster, however it was written: a file that is named in two ways must not count twice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs as _};

use super::conf::HadoopConf;
use crate::lake::input::HdfsUri;

/// The port of a NameNode that names none.
const DEFAULT_PORT: &str = "8020";

/// `uri` by the nameservice that `conf` knows its NameNode under, else by host and port.
pub(crate) fn canonical(uri: HdfsUri, conf: &HadoopConf) -> HdfsUri {
    if is_nameservice(&uri.authority, conf) {
        return uri;
    }
    let address = with_port(&uri.authority);
    let authority = nameservice_of(&address, conf).unwrap_or(address);
    HdfsUri { authority, ..uri }
}

/// Whether `conf` says which NameNodes `authority` stands for.
pub(super) fn is_nameservice(authority: &str, conf: &HadoopConf) -> bool {
    ["dfs.ha.namenodes", "dfs.namenode.rpc-address"].iter().any(|key| conf.get(&format!("{key}.{authority}")).is_some())
}

/// Names of hosts know no case.
pub(super) fn with_port(authority: &str) -> String {
    let host = authority.to_ascii_lowercase();
    // The colons within brackets are those of an address.
    let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
    if has_port { host } else { format!("{host}:{DEFAULT_PORT}") }
}

/// The nameservice that has a NameNode at `address`.
fn nameservice_of(address: &str, conf: &HadoopConf) -> Option<String> {
    let names = conf.get("dfs.nameservices")?;
    let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let keys = |name: &str| {
        let nodes = conf.get(&format!("dfs.ha.namenodes.{name}")).unwrap_or_default();
        let of_node = |node: &str| format!("dfs.namenode.rpc-address.{name}.{}", node.trim());
        nodes.split(',').map(of_node).chain([format!("dfs.namenode.rpc-address.{name}")]).collect::<Vec<_>>()
    };
    let is_at = |name: &&str| {
        keys(name).iter().any(|key| conf.get(key).is_some_and(|known| with_port(known.trim()) == address))
    };
    names.find(is_at).map(str::to_owned)
}

/// Gives all names of a host the same one, the least: those with an IP address and a port in common.
pub(crate) fn unite_aliases(uris: &mut [&mut HdfsUri], conf: &HadoopConf) {
    let resolve = |address: &str| address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    unite(uris, |uri| !is_nameservice(&uri.authority, conf), resolve);
}

fn unite(
    uris: &mut [&mut HdfsUri],
    is_host: impl Fn(&HdfsUri) -> bool,
    resolve: impl Fn(&str) -> BTreeSet<SocketAddr>,
) {
    let hosts: BTreeSet<String> = uris.iter().filter(|uri| is_host(uri)).map(|uri| uri.authority.clone()).collect();
    if hosts.len() < 2 {
        return;
    }
    let mut known: Vec<(String, BTreeSet<SocketAddr>)> = Vec::new();
    let mut aliases: BTreeMap<String, String> = BTreeMap::new();
    for host in hosts {
        let addresses = resolve(&host);
        match known.iter_mut().find(|(_, others)| !others.is_disjoint(&addresses)) {
            Some((first, others)) => {
                others.extend(addresses);
                aliases.insert(host, first.clone());
            }
            None => known.push((host, addresses)),
        }
    }
    for uri in uris.iter_mut().filter(|uri| is_host(uri)) {
        if let Some(first) = aliases.get(&uri.authority) {
            uri.authority.clone_from(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf() -> HadoopConf {
        let mut conf = HadoopConf::default();
        for (key, value) in [
            ("dfs.nameservices", "big, small"),
            ("dfs.ha.namenodes.big", "a, b"),
            ("dfs.namenode.rpc-address.big.a", "NN1.example:9000"),
            ("dfs.namenode.rpc-address.big.b", "nn2.example:9000"),
            ("dfs.namenode.rpc-address.small", "nn3.example"),
        ] {
            conf.set(key, value);
        }
        conf
    }

    #[test]
    fn a_cluster_has_one_name() {
        let check = |authority: &str, expected: &str| {
            let uri = canonical(HdfsUri::new("hdfs", authority, "/x"), &conf());
            assert_eq!(uri.to_string(), format!("hdfs://{expected}/x"), "{authority}");
        };
        check("big", "big");
        check("small", "small");
        check("nn1.example:9000", "big");
        check("NN2.Example:9000", "big");
        check("nn2.example:8020", "nn2.example:8020");
        check("nn3.example", "small");
        check("nn3.example:8020", "small");
        check("Other.example", "other.example:8020");
        check("10.0.0.1:9000", "10.0.0.1:9000");
        check("[::1]", "[::1]:8020");
        check("[::1]:9000", "[::1]:9000");
    }

    #[test]
    fn names_of_one_host_become_one() {
        let resolve = |address: &str| -> BTreeSet<SocketAddr> {
            let addresses: &[&str] = match address {
                "alias:9000" => &["10.0.0.1:9000", "10.0.0.2:9000"],
                "nn:9000" => &["10.0.0.2:9000"],
                "10.0.0.1:9000" => &["10.0.0.1:9000"],
                "nn:8020" => &["10.0.0.2:8020"],
                _ => &[],
            };
            addresses.iter().map(|address| address.parse().unwrap()).collect()
        };
        let check = |authorities: &[&str], expected: &[&str]| {
            let mut uris: Vec<HdfsUri> =
                authorities.iter().map(|authority| HdfsUri::new("hdfs", authority, "/x")).collect();
            unite(&mut uris.iter_mut().collect::<Vec<_>>(), |uri| uri.authority != "big", resolve);
            let found: Vec<&str> = uris.iter().map(|uri| uri.authority.as_str()).collect();
            assert_eq!(found, expected, "{authorities:?}");
        };
        check(&["nn:9000", "alias:9000", "nn:8020"], &["alias:9000", "alias:9000", "nn:8020"]);
        check(&["nn:9000", "10.0.0.1:9000", "alias:9000"], &["10.0.0.1:9000"; 3]);
        check(&["nn:9000", "10.0.0.1:9000"], &["nn:9000", "10.0.0.1:9000"]);
        check(&["unknown:9000", "gone:9000", "big"], &["unknown:9000", "gone:9000", "big"]);
    }
}
