//! Whatever the server or `init_connect` sets, a session is ours.

use mysql::prelude::Queryable as _;
use viewmart::console::Progress;
use viewmart::mart;
use viewmart::warehouse::mysql::{MysqlOptions, MysqlUrl, MysqlWarehouse, PRIVILEGES};
use viewmart::warehouse::{Missing, Value, Warehouse as _};

use super::fixture::{assert_finished, assert_rows, clock, flavours, load_and_build, odd, options};
use super::made::random_month;

/// Root is spared by `init_connect`.
#[test]
fn what_init_connect_sets_for_an_account_is_undone() {
    let (_guard, servers) = odd();
    for server in servers {
        let mut root = server.root();
        for sql in [
            "DROP DATABASE IF EXISTS initiated",
            "DROP DATABASE IF EXISTS initiated_mart",
            "DROP USER IF EXISTS etl",
            "CREATE USER etl",
            &format!("GRANT {PRIVILEGES} ON `initiated`.* TO etl"),
            &format!("GRANT {PRIVILEGES} ON `initiated\\_mart`.* TO etl"),
        ] {
            root.query_drop(sql).unwrap();
        }
        let url = MysqlUrl::parse(&format!("mysql://etl@127.0.0.1:{}/initiated", server.port)).unwrap();
        for (init_connect, local_infile) in [
            ("SET autocommit = 0, sql_select_limit = 1, completion_type = 1", 0),
            ("SET autocommit = 0, sql_select_limit = 1, completion_type = 1", 1),
            // The end of a transaction that it begins begins the next one, or closes the connection.
            ("SET completion_type = 1; START TRANSACTION", 1),
            ("SET completion_type = 2; START TRANSACTION", 1),
        ] {
            root.query_drop(format!("SET GLOBAL init_connect = '{init_connect}', local_infile = {local_infile}"))
                .unwrap();
            let months = [random_month("2022-04", 3000, 1), random_month("2022-04", 2000, 2)];
            for table in &months {
                load_and_build(&url, table, 1).unwrap();
                assert_finished(&server, "initiated", table);
            }
        }
        root.query_drop("SET GLOBAL init_connect = ''").unwrap();
    }
}

/// More than the log for replicas takes in one transaction.
#[test]
fn a_month_larger_than_a_transaction_may_be_is_loaded() {
    for server in flavours() {
        for n_connections in [1, 3] {
            let table = random_month("2022-04", 30_000, 7);
            let mut warehouse = server.fresh("parted");
            let options = MysqlOptions { load_connections: n_connections.try_into().unwrap(), ..options() };
            let mut warehouse_of_n = MysqlWarehouse::open(&server.url("parted"), None, options).unwrap();
            warehouse_of_n.load(&table, clock(), &Progress::hidden()).unwrap();
            assert_rows(&mut warehouse, &table);
            mart::build(&mut warehouse, table.month).unwrap();
            assert_finished(&server, "parted", &table);
        }
    }
}

#[test]
fn names_of_databases_are_spelled_as_the_server_does() {
    for server in flavours().skip(2) {
        drop(server.fresh("spelled"));
        let [first, second] = [random_month("2022-04", 100, 1), random_month("2022-04", 90, 2)];
        load_and_build(&server.url("Spelled"), &first, 1).unwrap();
        load_and_build(&server.url("SPELLED"), &second, 1).unwrap();
        assert_finished(&server, "spelled", &second);
        let mut warehouse = MysqlWarehouse::open(&server.url("sPelled"), None, options()).unwrap();
        mart::prepare(&mut warehouse, Missing::Refuse).unwrap();
        let n_runs = warehouse.query(first.month, "SELECT COUNT(*) FROM {warehouse}.etl_run").unwrap();
        assert_eq!(n_runs, [[Value::Integer(2)]]);
    }
}
