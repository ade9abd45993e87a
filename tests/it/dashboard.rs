//! The dashboard as the program makes it: masks, and nothing of an earlier run beside them.

use std::os::unix::fs::PermissionsExt as _;

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
