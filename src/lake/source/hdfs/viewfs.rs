//! `viewfs://`: a file system that is nothing but names for folders of others, as the Hadoop configuration mounts them.
//!
//! The names are resolved here, once and for all: from here on a lake is one of `hdfs://`. hdfs-native could resolve them
//! too, but refuses mount tables without a fallback, which most are.

use super::conf::HadoopConf;
use crate::lake::input::HdfsUri;
use crate::lake::{LakeError, LakeErrorKind};

/// What `uri` stands for. One of `hdfs://` stands for itself.
pub(crate) fn resolve(uri: HdfsUri, conf: &HadoopConf) -> Result<HdfsUri, LakeError> {
    if uri.scheme != "viewfs" {
        return Ok(uri);
    }
    let table = format!("fs.viewfs.mounttable.{}.", uri.authority);
    let entries: Vec<(String, String)> =
        conf.iter().filter_map(|(key, value)| Some((key.strip_prefix(&table)?.to_owned(), value))).collect();
    let fail = |kind, what: String, advice: &str| Err(LakeError::new(kind, uri.to_string(), what).advise(advice));
    if entries.is_empty() {
        let what = format!("the Hadoop configuration has no mount table `{}`", uri.authority);
        return fail(
            LakeErrorKind::Input,
            what,
            "give the cluster's configuration with --hadoop-conf or HADOOP_CONF_DIR",
        );
    }
    let link = |key: &str| Some(key.strip_prefix("link.")?.trim_end_matches('/').to_owned());
    let mut mounts: Vec<(String, &str)> =
        entries.iter().filter_map(|(key, target)| Some((link(key)?, target.as_str()))).collect();
    mounts.sort();
    let named: Vec<&str> = mounts.iter().map(|(mount, _)| mount.as_str()).collect();
    let named = named.join(", ");
    let everything = |(key, _): &&(String, String)| matches!(key.as_str(), "linkFallback" | "linkMergeSlash");
    mounts.extend(entries.iter().find(everything).map(|(_, target)| (String::new(), target.as_str())));

    let below = |mount: &str| uri.path.strip_prefix(mount).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let found = mounts.iter().filter_map(|(mount, target)| Some((mount, target, below(mount)?)));
    let Some((_, target, rest)) = found.max_by_key(|(mount, ..)| mount.len()) else {
        let what = format!("lies in no mount of `{}`, which has {named}", uri.authority);
        return fail(
            LakeErrorKind::Input,
            what,
            "name a folder below one of them; a glob must begin with the whole name of the mount",
        );
    };
    let Some((authority, path)) =
        target.strip_prefix("hdfs://").map(|to| to.split_at(to.find('/').unwrap_or(to.len())))
    else {
        return fail(
            LakeErrorKind::Unsupported,
            format!("is mounted from {target}, and only hdfs:// can be read"),
            "copy it to a folder of HDFS",
        );
    };
    Ok(HdfsUri::new("hdfs", authority, &format!("{path}/{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Input;

    #[test]
    fn a_name_stands_for_what_is_mounted_there() {
        let mut conf = HadoopConf::default();
        for (key, target) in [
            ("big.link./user", "hdfs://ns1/home"),
            ("big.link./data", "hdfs://nn:9000/"),
            ("big.link./data/old/", "hdfs://ns2/archive/"),
            ("big.link./s3", "s3a://bucket/x"),
            ("all.linkFallback", "hdfs://ns3/base"),
            ("all.link./tmp", "hdfs://ns1/tmp"),
            ("one.linkMergeSlash", "hdfs://ns4/"),
        ] {
            conf.set(format!("fs.viewfs.mounttable.{key}"), target);
        }
        let check = |text: &str, expected: Result<&str, &str>| {
            let Ok(Input::Hdfs(uri)) = Input::parse(text) else { panic!("{text}") };
            match (resolve(uri, &conf), expected) {
                (Ok(uri), Ok(expected)) => assert_eq!(uri.to_string(), expected),
                (Err(error), Err(expected)) => assert_eq!(error.to_string(), format!("{text}: {expected}")),
                (result, _) => panic!("{text}: {result:?}"),
            }
        };
        check("hdfs://ns1/x", Ok("hdfs://ns1/x"));
        check("viewfs://big/user/log 2022*.json", Ok("hdfs://ns1/home/log 2022*.json"));
        check("viewfs://big/user", Ok("hdfs://ns1/home"));
        check("viewfs://big/data", Ok("hdfs://nn:9000/"));
        check("viewfs://big/data/new", Ok("hdfs://nn:9000/new"));
        check("viewfs://big/data/old/x", Ok("hdfs://ns2/archive/x"));
        let nowhere = "lies in no mount of `big`, which has /data, /data/old, /s3, /user";
        check("viewfs://big/database", Err(nowhere));
        check("viewfs://big/{user,data}/x", Err(nowhere));
        check("viewfs://big/", Err(nowhere));
        check("viewfs://big/s3/a", Err("is mounted from s3a://bucket/x, and only hdfs:// can be read"));
        check("viewfs://all/tmp/a", Ok("hdfs://ns1/tmp/a"));
        check("viewfs://all/x", Ok("hdfs://ns3/base/x"));
        check("viewfs://all/", Ok("hdfs://ns3/base"));
        check("viewfs://one/", Ok("hdfs://ns4/"));
        check("viewfs://one/x", Ok("hdfs://ns4/x"));
        check("viewfs://none/x", Err("the Hadoop configuration has no mount table `none`"));
    }
}
