//! What somebody changed in `customer_behavior` since it was made.

use mysql::prelude::Queryable as _;
use viewmart::check::Verdict;
use viewmart::console::Progress;
use viewmart::mart;
use viewmart::warehouse::Warehouse as _;
use viewmart::warehouse::mysql::examine;

use super::fixture::{
    Server, assert_finished, assert_message, assert_rows, clock, flavours, load_and_build, n_staging_tables, odd,
    options, shared,
};
use super::made::random_month;

/// After this change the doctor is content, and two months are loaded, the second over the first.
#[track_caller]
fn assert_loads(server: &Server, database: &str, changes: &[&str]) {
    drop(server.fresh(database));
    let months = [random_month("2022-04", 300, 1), random_month("2022-04", 200, 2), random_month("2022-04", 100, 3)];
    load_and_build(&server.url(database), &months[0], 1).unwrap();
    let mut root = server.root();
    changes
        .iter()
        .for_each(|sql| root.query_drop(sql.replace("{table}", &format!("{database}.customer_behavior"))).unwrap());
    let checks = examine(&server.url(database), None, &options(), &mart::schema());
    assert!(checks.iter().all(|check| check.verdict != Verdict::Failed), "{changes:?}: {checks:?}");
    for table in &months[1..] {
        load_and_build(&server.url(database), table, 1).unwrap_or_else(|error| panic!("{changes:?}: {error}"));
        assert_finished(server, database, table);
    }
}

#[test]
fn a_changed_table_takes_months_as_before() {
    for server in flavours() {
        for changes in [
            &["ALTER TABLE {table} ADD INDEX by_total (TotalDuration)"][..],
            &["ALTER TABLE {table} COMMENT = 'customers', MODIFY Activeness INT NOT NULL COMMENT 'days'"],
            &["ALTER TABLE {table} ADD CONSTRAINT not_negative CHECK (TotalDuration >= 0)"],
            &["ALTER TABLE {table} ROW_FORMAT = COMPRESSED"],
            &["ALTER TABLE {table} STATS_PERSISTENT = 0"],
            &["CREATE TRIGGER altered.guard BEFORE INSERT ON {table} FOR EACH ROW SET NEW.TotalDuration = 0"],
        ] {
            assert_loads(&server, "altered", changes);
        }
    }
}

#[test]
fn a_changed_default_of_the_row_format_stops_nothing() {
    let (_guard, servers) = odd();
    for server in servers {
        let compact = "SET GLOBAL innodb_default_row_format = compact";
        // As version 0.1 made it; and then months of both formats.
        let as_before = "ALTER TABLE {table} ROW_FORMAT = DEFAULT";
        let other_month = "ALTER TABLE {table} ADD PARTITION (PARTITION p202205 VALUES IN ('2022-05-01'))";
        for changes in [&[as_before, compact][..], &[as_before, compact, other_month], &[compact]] {
            assert_loads(&server, "formats", changes);
            let mut root = server.root();
            root.query_drop("SET GLOBAL innodb_default_row_format = dynamic").unwrap();
            let may = random_month("2022-05", 100, 4);
            load_and_build(&server.url("formats"), &may, 1).unwrap();
        }
    }
}

/// Each change, the step that ends a load of the next month, and what the message advises: to run it puts the table right.
/// What a server says of a table follows from the table: two servers will do.
#[test]
fn what_stops_a_load_is_named_with_the_statement_that_puts_it_right() {
    const PARTED: &str = "PARTITION BY LIST COLUMNS (Month) (PARTITION p_none VALUES IN (NULL), \
                          PARTITION p202204 VALUES IN ('2022-04-01'))";
    let of_partitions = format!("ALTER TABLE `named`.customer_behavior {PARTED}");
    let of_options = "ALTER TABLE `named`.customer_behavior MAX_ROWS = 0 MIN_ROWS = 0; ALTER TABLE `named`.customer_behavior \
                      REORGANIZE PARTITION p_none INTO (PARTITION p_none VALUES IN (NULL))";
    let of_month = of_options.replace("p_none", "p202204").replace("NULL", "'2022-04-01'");
    for server in shared() {
        for (change, why, repair) in [
            ("ALTER TABLE {table} REMOVE PARTITIONING", "is not partitioned by month", of_partitions.as_str()),
            ("ALTER TABLE {table} DROP PARTITION p_none", "is not partitioned by month", &of_partitions),
            (
                "ALTER TABLE {table} PARTITION BY KEY (Month) PARTITIONS 2",
                "is not partitioned by month",
                &of_partitions,
            ),
            (
                "ALTER TABLE {table} PARTITION BY LIST COLUMNS (Month) SUBPARTITION BY KEY (Contract) SUBPARTITIONS 2 \
                 (PARTITION p_none VALUES IN (NULL), PARTITION p202204 VALUES IN ('2022-04-01'))",
                "is not partitioned by month",
                &of_partitions,
            ),
            // An exchange would take the other month away.
            (
                "ALTER TABLE {table} REORGANIZE PARTITION p202204 INTO \
                 (PARTITION p202204 VALUES IN ('2022-04-01', '2022-05-01'))",
                "is not partitioned by month",
                &of_partitions,
            ),
            ("ALTER TABLE {table} MAX_ROWS = 1000000", "'MAX_ROWS' between partition and table", of_options),
            (
                "ALTER TABLE {table} REORGANIZE PARTITION p202204 INTO \
                 (PARTITION p202204 VALUES IN ('2022-04-01') MAX_ROWS = 1000000)",
                "'MAX_ROWS' between partition and table",
                &of_month,
            ),
        ] {
            let mut warehouse = server.fresh("named");
            let months = [random_month("2022-04", 300, 1), random_month("2022-04", 200, 2)];
            warehouse.load(&months[0], clock(), &Progress::hidden()).unwrap();
            let mut root = server.root();
            root.query_drop(change.replace("{table}", "named.customer_behavior")).unwrap();
            let error = load_and_build(&server.url("named"), &months[1], 1).unwrap_err();
            assert_message(&error, why, &format!("({repair})"));
            assert_rows(&mut warehouse, &months[0]);
            assert_eq!(n_staging_tables(&server, "named"), 0, "{change}");
            repair.split("; ").for_each(|sql| root.query_drop(sql).unwrap());
            load_and_build(&server.url("named"), &months[1], 1).unwrap();
            assert_finished(&server, "named", &months[1]);
        }
    }
}

#[test]
fn rows_that_do_not_fit_what_somebody_added_say_so() {
    let of_check = |server: &Server| match server.script {
        "mysql" => "_chk_1' is violated",
        _ => "CONSTRAINT `few` failed",
    };
    for server in shared() {
        for (change, why) in [
            ("ALTER TABLE {table} ADD CONSTRAINT few CHECK (TotalDuration < 10)", of_check(&server)),
            ("ALTER TABLE {table} ADD UNIQUE one_of_a_kind (Month, Activeness)", "Duplicate entry"),
            ("ALTER TABLE {table} MODIFY TvDuration TINYINT NOT NULL", "Out of range value"),
        ] {
            let mut warehouse = server.fresh("unfit");
            let mut root = server.root();
            root.query_drop(change.replace("{table}", "unfit.customer_behavior")).unwrap();
            let error = load_and_build(&server.url("unfit"), &random_month("2022-04", 200, 1), 1).unwrap_err();
            assert_message(&error, why, "SHOW CREATE TABLE customer_behavior");
            assert_eq!(warehouse.months().unwrap(), []);
            assert_eq!(n_staging_tables(&server, "unfit"), 0, "{change}");
        }
    }
}

/// A column that came and went leaves its mark on every row there is.
#[test]
fn a_change_that_stops_exchanges_is_named_before_any_row_is_loaded() {
    let [_, mysql] = shared();
    let mut warehouse = mysql.fresh("marked");
    let months = [random_month("2022-04", 300, 1), random_month("2022-04", 200, 2)];
    warehouse.load(&months[0], clock(), &Progress::hidden()).unwrap();
    let mut root = mysql.root();
    root.query_drop("ALTER TABLE marked.customer_behavior ADD COLUMN note INT").unwrap();
    root.query_drop("ALTER TABLE marked.customer_behavior DROP COLUMN note").unwrap();
    let error = warehouse.load(&months[1], clock(), &Progress::hidden()).unwrap_err();
    let advice = "put it right (ALTER TABLE `marked`.customer_behavior FORCE)";
    assert_message(&error, "trying to exchange an empty partition failed", advice);
    let checks = examine(&mysql.url("marked"), None, &options(), &mart::schema());
    let rights = checks.iter().find(|check| check.what == "rights").unwrap();
    assert_eq!(rights.verdict, Verdict::Failed);
    assert!(rights.advice.as_ref().unwrap().contains(advice), "{rights:?}");
    assert_rows(&mut warehouse, &months[0]);
    assert_eq!(n_staging_tables(&mysql, "marked"), 0);
    root.query_drop("ALTER TABLE marked.customer_behavior FORCE").unwrap();
    warehouse.load(&months[1], clock(), &Progress::hidden()).unwrap();
    assert_rows(&mut warehouse, &months[1]);
}
