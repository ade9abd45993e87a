//! `viewmart completions`: what a shell and `man` know of the commands, made from the grammar itself.

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use crate::fs::atomic::{self, StagedFile};
use crate::fs::error::OutputError;

/// The script for a shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "viewmart", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes the script and a man page for each command into `folder`; gives their paths.
///
/// # Errors
/// [`OutputError::Io`] with the file that cannot be written.
pub fn write_files(shell: Shell, folder: &Path) -> Result<Vec<PathBuf>, OutputError> {
    std::fs::create_dir_all(folder).map_err(|source| OutputError::io(folder, "creating the folder", source))?;
    let script = match shell {
        Shell::Zsh => "_viewmart".to_owned(),
        Shell::Fish => "viewmart.fish".to_owned(),
        shell => format!("viewmart.{shell}"),
    };
    let mut files = vec![(script, completions(shell))];
    files.extend(man_pages().map_err(|source| OutputError::io(folder, "making a man page", source))?);
    let mut staged = Vec::new();
    for (name, text) in files {
        let mut file = StagedFile::create(&folder.join(name))?;
        file.write_with(|w| w.write_all(text.as_bytes()))?;
        staged.push(file);
    }
    atomic::publish(staged)
}

/// Name and text of the page of each command.
fn man_pages() -> io::Result<Vec<(String, String)>> {
    let mut root = Cli::command();
    root.build();
    let subcommands = root.get_subcommands().filter(|subcommand| subcommand.get_name() != "help").cloned();
    let commands: Vec<clap::Command> = std::iter::once(root.clone()).chain(subcommands).collect();
    commands
        .into_iter()
        .map(|command| {
            let name = match command.get_name() {
                "viewmart" => "viewmart".to_owned(),
                name => format!("viewmart-{name}"),
            };
            let mut page = Vec::new();
            Man::new(command).title(name.clone()).render(&mut page)?;
            Ok((format!("{name}.1"), String::from_utf8_lossy(&page).into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_and_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell);
            assert!(script.contains("max-reject-ratio") && script.contains("dashboard"), "{shell}");
        }
        let pages = man_pages().unwrap();
        let commands = Cli::command();
        assert_eq!(pages.len(), 1 + commands.get_subcommands().count());
        for (name, page) in pages {
            assert!(page.starts_with(".ie") && page.contains(".TH"), "{name}");
        }
    }
}
