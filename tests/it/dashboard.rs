//! The dashboard as the program makes it: masks, and nothing of an earlier run beside them.

use std::os::unix::fs::PermissionsExt as _;

use crate::series::{WAREHOUSE, fates_of, run, write_months};
use crate::support::Workplace;
use crate::tiny;

/// A warehouse with the tiny month.
fn loaded() -> Workplace {
    let work = Workplace::new();
    tiny::write_lake(&work);
    work.run(tiny::arguments("run")).ok();
    work
}

#[test]
fn masks_work_on_a_fresh_machine_and_remove_the_live_workbooks() {
    let work = loaded();
    for name in ["viewmart.twb", "viewmart.tds"] {
        work.write(&format!("viewmart-out/{name}"), "of an earlier run without masks");
    }
    let mut command = work.command(["dashboard", "--month", "2022-04", "--mask-contracts"]);
    command.env("HOME", work.path("home")).env_remove("XDG_CONFIG_HOME");
    crate::support::Finished::of(command.output().unwrap()).ok();
    assert!(work.path("home/.config/viewmart/mask-key").exists());
    for name in ["viewmart.twb", "viewmart.tds"] {
        assert!(!work.path(format!("viewmart-out/{name}")).exists(), "{name}");
    }
}

#[test]
fn a_mask_key_that_others_may_read_is_refused() {
    let work = loaded();
    let key = work.write("key", "a secret of some length");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let arguments = ["dashboard", "--month", "2022-04", "--mask-contracts", "--mask-key-file", "key"];
    work.run(arguments).failed(2, &["mode 0644", "chmod 600"]);
}

/// What shows the newest month.
fn dashboards(work: &Workplace, out: &str) -> [Vec<u8>; 2] {
    ["dashboard.html", "viewmart.twbx"].map(|name| work.read(&format!("{out}/{name}")))
}

#[test]
fn dashboards_are_drawn_where_they_are_not_those_of_the_newest_month() {
    let work = Workplace::new();
    let months = ["2022-01", "2022-02", "2022-03"];
    write_months(&work, &months, 30);
    run(&work, "all", &[]).ok();
    let drawn = dashboards(&work, "viewmart-out");
    let written = |name: &str| std::fs::metadata(work.path(name)).unwrap().modified().unwrap();
    let before = ["dashboard.html", "viewmart.twbx"].map(|name| written(&format!("viewmart-out/{name}")));
    run(&work, "all", &[]).ok();
    assert_eq!(before, ["dashboard.html", "viewmart.twbx"].map(|name| written(&format!("viewmart-out/{name}"))));
    // Another machine has files of its own.
    let left = fates_of(&work, "all", &["--out", "other"]);
    assert!(left.iter().all(|line| line.ends_with("outputs_missing files_written")), "{left:?}");
    assert!(dashboards(&work, "other") == drawn);
    // One of them is gone, or of another month, or of before.
    let check = |spoil: &dyn Fn()| {
        spoil();
        assert!(dashboards_or_nothing(&work) != drawn.clone().map(Some));
        run(&work, "all", &[]).ok();
        assert!(dashboards(&work, "viewmart-out") == drawn);
    };
    check(&|| std::fs::remove_file(work.path("viewmart-out/viewmart.twbx")).unwrap());
    check(&|| std::fs::remove_file(work.path("viewmart-out/dashboard.html")).unwrap());
    check(&|| {
        work.run(["dashboard", "--warehouse", WAREHOUSE, "--month", "2022-01"]).ok();
    });
    // As a run is killed between two files.
    let page = work.read("viewmart-out/dashboard.html");
    check(&|| {
        work.run(["dashboard", "--warehouse", WAREHOUSE, "--month", "2022-02"]).ok();
        work.write("viewmart-out/dashboard.html", &page);
    });
    // From the last month to the first: what is drawn last is the newest all the same.
    run(&work, "all", &["--reprocess", "all", "--backwards"]).ok();
    assert!(dashboards(&work, "viewmart-out") == drawn);
}

fn dashboards_or_nothing(work: &Workplace) -> [Option<Vec<u8>>; 2] {
    ["dashboard.html", "viewmart.twbx"].map(|name| std::fs::read(work.path(format!("viewmart-out/{name}"))).ok())
}

#[test]
fn pseudonyms_are_shown_once_they_are_asked_for() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02"], 30);
    let key = work.write("key", "0123456789abcdef0123456789abcdef");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    run(&work, "all", &[]).ok();
    let plain = dashboards(&work, "viewmart-out");
    let left = ["2022-01 up_to_date left", "2022-02 up_to_date left"];
    let masking = ["--mask-contracts", "--mask-key-file", "key"];
    assert_eq!(fates_of(&work, "all", &masking), left);
    let masked = dashboards(&work, "viewmart-out");
    let contracts = |page: &[u8]| String::from_utf8_lossy(page).matches("<th scope=row>00").count();
    let pseudonyms = |page: &[u8]| String::from_utf8_lossy(page).matches("m-").count();
    assert!(masked != plain && pseudonyms(&masked[0]) > pseudonyms(&plain[0]) && contracts(&masked[0]) == 0);
    assert_eq!(fates_of(&work, "all", &masking), left);
    assert!(dashboards(&work, "viewmart-out") == masked);
    assert_eq!(fates_of(&work, "all", &[]), left);
    assert!(dashboards(&work, "viewmart-out") == plain);
}

#[test]
fn a_gap_is_told() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-04"], 30);
    run(&work, "all", &[]).ok();
    let page = work.read_text("viewmart-out/dashboard.html");
    assert!(page.contains("March 2022 is not in the warehouse: nothing to compare with."));
    assert!(page.contains("<th scope=row>February 2022 to March 2022<td class=w colspan=7>not in the warehouse"));
    assert!(page.contains("<path id=s-users d=\"M"));
}
