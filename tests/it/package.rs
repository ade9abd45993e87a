//! What `scripts/package` makes of a binary. Needs GNU tar and binutils, as every machine that links has; the Debian package
//! is looked at where `dpkg-deb` is.

use std::path::Path;
use std::process::Command;

use crate::support::Workplace;

/// What the command prints; it must succeed.
fn output_of(program: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The files of a package without folders, as its listing names them from `prefix` on.
fn files(listing: &str, prefix: &str) -> Vec<String> {
    let names = listing.lines().filter_map(|line| line.split(prefix).nth(1));
    names.filter(|name| !name.is_empty() && !name.ends_with('/')).map(str::to_owned).collect()
}

#[test]
fn a_binary_is_packed_with_what_belongs_to_it() {
    let work = Workplace::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
    let out = work.path("packages");
    let arguments = ["--binary", env!("CARGO_BIN_EXE_viewmart"), "--out", out.to_str().unwrap()];
    let made = output_of(&script, &arguments);
    let made: Vec<&str> = made.lines().collect();
    let [tarball, debug, packages @ ..] = made.as_slice() else { panic!("{made:?}") };
    assert!(Path::new(debug).exists(), "{debug}");

    let name = Path::new(tarball).file_name().unwrap().to_str().unwrap().strip_suffix(".tar.gz").unwrap();
    assert!(name.starts_with(&format!("viewmart-{}-", env!("CARGO_PKG_VERSION"))), "{name}");
    let inside = files(&output_of(Path::new("tar"), &["-tzf", tarball]), &format!("{name}/"));
    let check = |inside: &[String], wanted: &[&str]| {
        for wanted in wanted {
            assert!(inside.iter().any(|file| file == wanted), "{wanted}: {inside:?}");
        }
    };
    let completions = ["completions/viewmart.bash", "completions/_viewmart", "completions/viewmart.fish"];
    check(&inside, &completions);
    check(&inside, &["viewmart", "man/viewmart.1", "man/viewmart-run.1", "README.md", "LICENSE-MIT", "LICENSE-APACHE"]);
    output_of(Path::new("tar"), &["-xzf", tarball, "-C", out.to_str().unwrap()]);
    let version = output_of(&out.join(name).join("viewmart"), &["--version"]);
    assert_eq!(version.trim_end(), format!("viewmart {}", env!("CARGO_PKG_VERSION")));

    // Its symbols are in a file of their own, which it names.
    let sections = output_of(Path::new("readelf"), &["-S", "-W", out.join(name).join("viewmart").to_str().unwrap()]);
    let has = |section: &str| sections.lines().any(|line| line.split_whitespace().any(|word| word == section));
    assert!(has(".gnu_debuglink") && !has(".symtab") && !has(".debug_info"), "{sections}");

    let [package] = packages else { return };
    let inside = files(&output_of(Path::new("dpkg-deb"), &["-c", package]), " ./usr/");
    check(&inside, &["bin/viewmart", "share/man/man1/viewmart.1.gz", "share/man/man1/viewmart-run.1.gz"]);
    check(&inside, &["share/bash-completion/completions/viewmart", "share/zsh/vendor-completions/_viewmart"]);
    check(&inside, &["share/fish/vendor_completions.d/viewmart.fish", "share/doc/viewmart/copyright"]);
}
