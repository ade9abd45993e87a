//! One LAKE argument of the command line: a path or glob of this machine, or a URI.

use super::{LakeError, LakeErrorKind};
use crate::redact::redact;

/// Where to look for data files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A folder, file or glob of this machine.
    Local(String),
    /// A folder, file or glob of a Hadoop file system.
    Hdfs(HdfsUri),
}

/// A URI of a Hadoop file system. It is split by hand: `?`, `#`, `%`, braces and spaces belong to names and globs there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HdfsUri {
    /// `hdfs` or `viewfs`.
    pub scheme: String,
    /// `host:port`, `host` or the name of a nameservice; empty for the default of the Hadoop configuration.
    pub authority: String,
    /// The path or glob: begins with `/`, and has one `/` between two names. Otherwise it is as the user wrote it.
    pub path: String,
}

impl HdfsUri {
    /// The address of `path`, in which slashes that follow each other are one.
    pub fn new(scheme: &str, authority: &str, path: &str) -> HdfsUri {
        let names = path.split('/').filter(|name| !name.is_empty()).map(|name| format!("/{name}"));
        let path = Some(names.collect()).filter(|path: &String| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
        HdfsUri { scheme: scheme.to_owned(), authority: authority.to_owned(), path }
    }

    /// The address of `path`, as it is, in the same file system.
    pub fn at(&self, path: &str) -> HdfsUri {
        HdfsUri { path: path.to_owned(), ..self.clone() }
    }

    /// The file system: scheme and authority.
    pub fn root(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

impl std::fmt::Display for HdfsUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl Input {
    /// Its address, where its files come from a server.
    pub fn uri(&self) -> Option<&HdfsUri> {
        match self {
            Input::Local(_) => None,
            Input::Hdfs(uri) => Some(uri),
        }
    }

    /// As [`Input::uri`], to be changed.
    pub fn uri_mut(&mut self) -> Option<&mut HdfsUri> {
        match self {
            Input::Local(_) => None,
            Input::Hdfs(uri) => Some(uri),
        }
    }

    /// Reads one LAKE argument.
    pub fn parse(text: &str) -> Result<Input, LakeError> {
        if text.is_empty() {
            return Err(LakeError::new(LakeErrorKind::Input, "LAKE", "is empty")
                .advise("give a folder, a file, a glob or an hdfs:// URI"));
        }
        match split_scheme(text) {
            // No name of a file, and every message would show it.
            None if text.contains("://") && redact(text) != text => Err(LakeError::new(
                LakeErrorKind::Unsupported,
                redact(text),
                "is no lake, but an address with a password",
            )
            .advise("use a path, file://, hdfs:// or viewfs://")),
            None => Ok(Input::Local(text.to_owned())),
            Some(("file", rest)) => local_path(rest).map(|path| Input::Local(path.to_owned())).ok_or_else(|| {
                LakeError::new(LakeErrorKind::Input, redact(text), "names another host")
                    .advise("write a path of this machine as file:///path")
            }),
            Some((scheme @ ("hdfs" | "viewfs"), rest)) => {
                let rest = rest.strip_prefix("//").unwrap_or(rest);
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                if authority.contains('@') {
                    return Err(LakeError::new(LakeErrorKind::Input, redact(text), "holds a user")
                        .advise("give the user with --hdfs-user"));
                }
                if path.split('/').any(|name| matches!(name, "." | "..")) {
                    return Err(
                        LakeError::new(LakeErrorKind::Input, text, "holds `.` or `..`").advise("give the whole path")
                    );
                }
                Ok(Input::Hdfs(HdfsUri::new(scheme, authority, path)))
            }
            Some((scheme, _)) => Err(LakeError::new(
                LakeErrorKind::Unsupported,
                redact(text),
                format!("lakes of kind `{scheme}` are not supported"),
            )
            .advise("use a path, file://, hdfs:// or viewfs://")),
        }
    }
}

/// The scheme and what follows its colon. A local path may hold a colon, so `//` is asked for, save in `file:/path`.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_name = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))
        && scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let is_uri = rest.starts_with("//") || (matches!(scheme, "file" | "hdfs") && rest.starts_with('/'));
    (is_name && is_uri).then_some((scheme, rest))
}

/// The path in what follows `file:`.
fn local_path(rest: &str) -> Option<&str> {
    match rest.strip_prefix("//") {
        None => Some(rest),
        Some(rest) => {
            [rest, rest.strip_prefix("localhost").unwrap_or(rest)].into_iter().find(|path| path.starts_with('/'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_written() {
        let local = |path: &str| Some(Input::Local(path.to_owned()));
        let hdfs = |scheme: &str, authority: &str, path: &str| {
            Some(Input::Hdfs(HdfsUri { scheme: scheme.into(), authority: authority.into(), path: path.into() }))
        };
        let check = |text: &str, expected: Option<Input>| assert_eq!(Input::parse(text).ok(), expected, "{text}");
        check("lake", local("lake"));
        check("/lake/2022*.json", local("/lake/2022*.json"));
        check("file:///lake/a b%20#?.json", local("/lake/a b%20#?.json"));
        check("file:/lake", local("/lake"));
        check("file://localhost/lake", local("/lake"));
        check("file://elsewhere/lake", None);
        check("jdbc:mysql://u:secret@h/db", None);
        check("a:b", local("a:b"));
        check("12:30/x.json", local("12:30/x.json"));
        check("hdfs://nn:9000/user/log_content/", hdfs("hdfs", "nn:9000", "/user/log_content"));
        check("hdfs://ns/2022-{04,05}*.json", hdfs("hdfs", "ns", "/2022-{04,05}*.json"));
        check("hdfs:///user/a b#c?d%20", hdfs("hdfs", "", "/user/a b#c?d%20"));
        check("hdfs:/user", hdfs("hdfs", "", "/user"));
        check("hdfs:////user//log///2022*.json//", hdfs("hdfs", "", "/user/log/2022*.json"));
        check("hdfs://nn//", hdfs("hdfs", "nn", "/"));
        check("hdfs://nn", hdfs("hdfs", "nn", "/"));
        check("viewfs://cluster/user", hdfs("viewfs", "cluster", "/user"));
        check("hdfs://u@nn/x", None);
        check("hdfs://nn/a/../b", None);
        check("s3://bucket/x", None);
        check("", None);
    }
}
