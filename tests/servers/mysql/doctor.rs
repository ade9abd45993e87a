//! What the doctor says.

use mysql::prelude::Queryable as _;
use viewmart::check::Verdict;
use viewmart::warehouse::mysql::{MysqlOptions, MysqlUrl, Secret, examine};

use super::fixture::{assert_message, flavours, n_staging_tables, odd, options, refused, take_lock};

#[test]
fn the_doctor_sees_what_is_wrong() {
    let check = |url: &MysqlUrl, options: &MysqlOptions, expected: &[(&str, Verdict)]| {
        let checks = examine(url, None, options, &viewmart::mart::schema());
        for (what, verdict) in expected {
            let found = checks.iter().find(|check| check.what == *what);
            assert_eq!(found.map(|check| check.verdict), Some(*verdict), "{what}: {checks:?}");
            assert_eq!(found.unwrap().advice.is_some(), *verdict != Verdict::Good, "{what}: {checks:?}");
        }
        let n_wrong = checks.iter().filter(|check| check.verdict != Verdict::Good).count();
        assert_eq!(n_wrong, expected.iter().filter(|(_, verdict)| *verdict != Verdict::Good).count(), "{checks:?}");
    };
    use Verdict::{Failed, Good, Warning};
    for server in flavours() {
        drop(server.fresh("examined"));
        let all = ["connection", "version", "local_infile", "packet size", "character set", "write access", "rights"];
        check(&server.url("examined"), &options(), &all.map(|what| (what, Good)));
        check(&server.url("not_there"), &options(), &[("rights", Warning), ("rights, mart", Warning)]);
        assert_eq!(grants(&server.url("not_there")), ["ON `not\\_there`.*", "ON `not\\_there\\_mart`.*"]);
        assert_eq!(n_staging_tables(&server, "examined"), 0);

        let mut root = server.root();
        root.query_drop("DROP USER IF EXISTS reader").unwrap();
        root.query_drop("CREATE USER reader").unwrap();
        root.query_drop("GRANT SELECT, CREATE, DROP ON examined.* TO reader").unwrap();
        root.query_drop("GRANT ALL ON examined_mart.* TO reader").unwrap();
        let url = MysqlUrl::parse(&format!("mysql://reader@127.0.0.1:{}/examined", server.port)).unwrap();
        check(&url, &options(), &[("rights", Failed), ("rights, mart", Good)]);
        root.query_drop("REVOKE CREATE VIEW ON examined_mart.* FROM reader").unwrap();
        check(&url, &options(), &[("rights", Failed), ("rights, mart", Failed)]);
        assert_eq!(grants(&url), ["ON `examined`.*", "ON `examined\\_mart`.*"]);
        assert_eq!(n_staging_tables(&server, "examined"), 0);
        let wrong = MysqlOptions { password: Some(Secret::new("wrong password")), ..options() };
        check(&url, &wrong, &[("connection", Failed)]);
    }
    let (_guard, servers) = odd();
    for server in servers {
        server.root().query_drop("SET GLOBAL max_allowed_packet = 16384").unwrap();
        server.root().query_drop("SET GLOBAL read_only = 1").unwrap();
        drop(server.fresh("examined"));
        let expected =
            [("local_infile", Warning), ("packet size", Warning), ("write access", Warning), ("rights", Good)];
        check(&server.url("examined"), &options(), &expected);
        server.root().query_drop("SET GLOBAL read_only = 0").unwrap();
        server.kill();
    }
}

/// The objects of all GRANT statements that are advised.
fn grants(url: &MysqlUrl) -> Vec<String> {
    let checks = examine(url, None, &options(), &viewmart::mart::schema());
    let advice: Vec<String> = checks.into_iter().filter_map(|check| check.advice).collect();
    let advice = advice.join(" ");
    let objects = advice.split("GRANT ").skip(1).filter_map(|grant| grant.split_once("CREATE VIEW "));
    objects.filter_map(|(_, object)| Some(object.split_once(" TO ")?.0.to_owned())).collect()
}

#[test]
fn the_doctor_keeps_out_of_a_run_and_leaves_nothing() {
    for server in flavours() {
        drop(server.fresh("visited"));
        let mut root = server.root();
        // What a look that was cut off leaves.
        let scratch = "viewmart_staging_0123456789abcdef";
        for database in ["visited", "visited_mart"] {
            root.query_drop(format!("CREATE TABLE {database}.{scratch} (One INT)")).unwrap();
            root.query_drop(format!("CREATE VIEW {database}.{scratch}_view AS SELECT 1 AS One")).unwrap();
        }
        let look = || examine(&server.url("visited"), None, &options(), &viewmart::mart::schema());
        take_lock(&mut root, "visited");
        let checks = look();
        let tables = checks.iter().find(|check| check.what == "tables").unwrap();
        assert_eq!(tables.verdict, Verdict::Good);
        let holder = format!("another viewmart works on them: connection {} of root@", root.connection_id());
        assert!(tables.found.starts_with(&holder), "{tables:?}");
        assert_eq!(n_staging_tables(&server, "visited"), 2);
        root.query_drop("DO RELEASE_ALL_LOCKS()").unwrap();
        let checks = look();
        assert!(checks.iter().all(|check| check.verdict == Verdict::Good), "{checks:?}");
        for database in ["visited", "visited_mart"] {
            assert_eq!(n_staging_tables(&server, database), 0);
        }
    }
}

#[test]
fn the_doctor_refuses_what_a_run_refuses() {
    for server in flavours() {
        drop(server.fresh("unlike"));
        let mut root = server.root();
        root.query_drop("UPDATE unlike_mart.warehouse_id SET Id = 'another'").unwrap();
        let checks = examine(&server.url("unlike"), None, &options(), &viewmart::mart::schema());
        let tables = checks.iter().find(|check| check.what == "tables").unwrap();
        assert_eq!(tables.verdict, Verdict::Failed);
        assert!(tables.found.contains("`unlike_mart` is the mart of another warehouse (another,"), "{tables:?}");
        let error = refused(&server.url("unlike"), options());
        assert_message(&error, "`unlike_mart` is the mart of another warehouse (another,", "--mart-db");
    }
}
