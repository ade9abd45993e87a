//! Clusters with Kerberos: how the program logs in, and what it says when it cannot.

use std::path::Path;
use std::process::Command;

use super::cluster::{Cluster, N_BLOCK, content, folder};
use crate::support::{Finished, Workplace};

#[test]
fn kerberos_with_ticket_keytab_or_token_and_without() {
    for (protection, port) in [("privacy", 19500), ("authentication", 19600)] {
        let cluster = Cluster::up("kerberos", port, &["--kerberos", protection, "--datanodes", "2"]);
        let files = [("20220401.json", content(1, 3 * N_BLOCK + 1)), ("20220402.json", content(2, 100))];
        let local = folder(&files);
        let path = |n: usize| local.path().join(files[n].0).display().to_string();
        cluster.script(&["put", &path(0), &path(1), "/log"]);
        let work = Workplace::new();
        // The Kerberos library takes its settings from the environment.
        let extract = |ticket: &Path, token: Option<&Path>, more: &[&str]| {
            let mut command =
                work.command(["extract", "hdfs:///log", "--cache", "cache", "--refresh"].iter().chain(more));
            command
                .env("KRB5_CONFIG", cluster.folder().join("krb5.conf"))
                .env("KRB5CCNAME", format!("FILE:{}", ticket.display()))
                .env("HADOOP_CONF_DIR", cluster.conf());
            if let Some(token) = token {
                command.env("HADOOP_TOKEN_FILE_LOCATION", token);
            }
            let _ = std::fs::remove_dir_all(work.path("cache"));
            Finished::of(command.output().unwrap())
        };
        let came = |finished: Finished| {
            finished.ok();
            for (name, content) in &files {
                let path = work.path(format!("cache/hdfs/localhost:{port}/log/{name}"));
                assert!(std::fs::read(path).unwrap() == *content, "{protection}: {name}");
            }
        };
        let keytab = cluster.folder().join("alice.keytab");
        let keytab = keytab.to_str().unwrap();
        let (none, ticket, token) = (work.path("no-ticket"), work.path("ticket"), work.path("token"));
        extract(&none, None, &[]).failed(3, &["localhost:", "/log: Kerberos: ", "kinit"]);
        came(extract(&none, None, &["--keytab", keytab, "--principal", "alice@VIEWMART.TEST"]));
        let kinit = Command::new("kinit")
            .args(["-k", "-t", keytab, "-c", ticket.to_str().unwrap(), "alice"])
            .env("KRB5_CONFIG", cluster.folder().join("krb5.conf"))
            .status()
            .unwrap();
        assert!(kinit.success());
        came(extract(&ticket, None, &[]));
        // A delegation token does without a ticket.
        cluster.script(&["token", token.to_str().unwrap()]);
        came(extract(&none, Some(&token), &[]));
        extract(&none, Some(&none), &[]).failed(3, &["no-ticket: HADOOP_TOKEN_FILE_LOCATION", "cannot be read"]);
        let odd = work.write("odd-token", "no token");
        extract(&ticket, Some(&odd), &[]).failed(3, &["odd-token: HADOOP_TOKEN_FILE_LOCATION", "fetchdt"]);
    }
}
