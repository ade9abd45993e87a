//! What is asked of a cluster, without one.

use super::*;

#[test]
fn a_network_thread_that_is_blocked_keeps_nobody_waiting() {
    let network = Network::start().unwrap();
    let (unblock, blocked) = channel::<()>();
    network.handle.spawn(async move {
        let _ = blocked.recv();
    });
    let limit = Duration::from_millis(1);
    let (send, receive) = channel();
    network.handle.spawn(async move { drop(send.send(Ok(()))) });
    let said_nothing = |error: SourceError| assert_eq!(error.kind, SourceFault::Transient, "{}", error.what);
    said_nothing(answer(&receive, limit, "hdfs://nn").unwrap_err());
    let (send, receive) = channel();
    let room = Arc::new(Semaphore::new(MAX_BATCHES));
    let mut stream = Arriving { receive, room, n_left: 1, position: 7, limit, last: Instant::now() };
    let error = loop {
        match stream.next() {
            Ok(batch) => assert_eq!(batch.map(|batch| batch.len()), Some(0)),
            Err(error) => break error,
        }
    };
    assert!(error.what.ends_with("at byte 7"), "{}", error.what);
    said_nothing(error);
    drop((send, unblock));
}

#[test]
fn options_override_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let property = |key: &str, value: &str| format!("<property><name>{key}</name><value>{value}</value></property>");
    let of_file = [property("a", "file"), property("b", "file")].concat();
    std::fs::write(folder.path().join("core-site.xml"), format!("<configuration>{of_file}</configuration>")).unwrap();
    let check = |options: HdfsOptions, key: &str, expected: Option<&str>| {
        let options = HdfsOptions { conf_dir: Some(folder.path().to_owned()), ..options };
        assert_eq!(options.load_conf().unwrap().get(key).as_deref(), expected, "{options:?}");
    };
    let plain = HdfsOptions::default;
    let overrides = [("a", "1"), ("c", "2"), ("a", "3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let given = || HdfsOptions { overrides: overrides.to_vec(), ..plain() };
    check(plain(), "a", Some("file"));
    check(given(), "a", Some("3"));
    check(given(), "b", Some("file"));
    check(given(), "c", Some("2"));
    let by_name = || HdfsOptions { datanodes: DatanodeAddress::Hostname, ..plain() };
    check(plain(), "dfs.client.use.datanode.hostname", None);
    check(by_name(), "dfs.client.use.datanode.hostname", Some("true"));
    let with_keytab = || HdfsOptions { keytab: Some("alice.keytab".into()), ..plain() };
    check(plain(), "hadoop.security.authentication", None);
    check(with_keytab(), "hadoop.security.authentication", Some("kerberos"));
}
