//! The Hadoop configuration as Java's client reads it: `core-site.xml` and `hdfs-site.xml`.
//!
//! hdfs-native reads these files too, but takes the values as they stand. We read them ourselves, so that blanks are
//! trimmed, `${variables}` and `xi:include` are resolved, `final` is obeyed and durations may have units.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::lake::{LakeError, LakeErrorKind};

/// How deep files may include each other, and how often a value is expanded: as Hadoop, enough for anything sane.
const MAX_DEPTH: usize = 20;

/// Variables that one value may lead to: values that name several others grow with the power of their depth.
const MAX_VARIABLES: usize = 1000;

/// Keys whose values hdfs-native wants in plain milliseconds.
const MILLIS: [&str; 3] =
    ["dfs.client.socket-timeout", "dfs.client.failover.sleep.base.millis", "dfs.client.failover.sleep.max.millis"];

/// Keys and values of a Hadoop configuration.
#[derive(Clone, Debug, Default)]
pub struct HadoopConf {
    values: BTreeMap<String, String>,
    finals: BTreeSet<String>,
    folder: Option<PathBuf>,
}

impl HadoopConf {
    /// Reads the configuration in `folder`; without one in `HADOOP_CONF_DIR`, else in `HADOOP_HOME/etc/hadoop`; without
    /// these nothing. Files that are not there are no error unless the folder was given and holds neither of them.
    pub fn load(folder: Option<&Path>) -> Result<HadoopConf, LakeError> {
        let from_env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let known = folder
            .map(Path::to_owned)
            .or_else(|| from_env("HADOOP_CONF_DIR"))
            .or_else(|| from_env("HADOOP_HOME").map(|home| home.join("etc/hadoop")));
        let Some(known) = known else { return Ok(HadoopConf::default()) };
        let mut conf = HadoopConf { folder: Some(known.clone()), ..HadoopConf::default() };
        let mut n_files = 0;
        for name in ["core-site.xml", "hdfs-site.xml"] {
            let file = known.join(name);
            if file.exists() {
                conf.read(&file, 0)?;
                n_files += 1;
            }
        }
        if n_files == 0 && folder.is_some() {
            return Err(LakeError::new(
                LakeErrorKind::Input,
                known.display().to_string(),
                "holds neither core-site.xml nor hdfs-site.xml",
            )
            .advise("give the folder of the Hadoop client configuration with --hadoop-conf"));
        }
        Ok(conf)
    }

    /// The folder that was read.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The value of `key`, expanded and trimmed.
    pub fn get(&self, key: &str) -> Option<String> {
        let value = self.expand(self.values.get(key)?, 0, &mut 0);
        let is_list = key.starts_with("dfs.ha.namenodes.") || key == "dfs.nameservices";
        Some(match (MILLIS.contains(&key), is_list) {
            (true, _) => millis(&value).map_or(value, |millis| millis.to_string()),
            (_, true) => value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>().join(","),
            _ => value,
        })
    }

    /// Sets `key`, whatever the files say.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.values.insert(key.into(), value.into());
    }

    /// Sets `key` unless it is set already.
    pub fn set_default(&mut self, key: &str, value: impl Into<String>) {
        if !self.values.contains_key(key) {
            self.set(key, value);
        }
    }

    /// All keys with their values as [`HadoopConf::get`] gives them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.values.keys().filter_map(|key| Some((key.as_str(), self.get(key)?)))
    }

    fn read(&mut self, file: &Path, depth: usize) -> Result<(), LakeError> {
        let wrong = |what: String| {
            LakeError::new(LakeErrorKind::Input, file.display().to_string(), what)
                .advise("repair the file, or give another folder with --hadoop-conf")
        };
        if depth > MAX_DEPTH {
            return Err(wrong("files include each other in a circle".to_owned()));
        }
        let text = std::fs::read_to_string(file)
            .map_err(|error| LakeError::io_at(file, "reading the Hadoop configuration", &error))?;
        let mut reader = Reader::from_str(&text);
        reader.config_mut().expand_empty_elements = true;
        let mut property: Option<Property> = None;
        let mut content = String::new();
        loop {
            let event = reader
                .read_event()
                .map_err(|error| wrong(format!("is not XML: {error} (at byte {})", reader.error_position())))?;
            match event {
                Event::Start(start) => {
                    content.clear();
                    match start.local_name().as_ref() {
                        "property" => property = Some(Property::default()),
                        "include" => {
                            let href = attribute(&start, "href")
                                .ok_or_else(|| wrong("an xi:include has no href".to_owned()))?;
                            let included = file.parent().unwrap_or(Path::new("")).join(href);
                            self.read(&included, depth + 1)?;
                        }
                        _ => {}
                    }
                }
                Event::Text(text) => content.push_str(&text.xml10_content()),
                Event::CData(text) => content.push_str(&text.xml10_content()),
                Event::GeneralRef(name) => match name.resolve_char_ref() {
                    Ok(Some(character)) => content.push(character),
                    _ => match quick_xml::escape::resolve_predefined_entity(&name) {
                        Some(text) => content.push_str(text),
                        None => return Err(wrong(format!("the entity &{}; is not known", &*name))),
                    },
                },
                Event::End(end) => match (end.local_name().as_ref(), &mut property) {
                    ("name", Some(property)) => property.name = content.trim().to_owned(),
                    ("value", Some(property)) => property.value = Some(content.trim().to_owned()),
                    ("final", Some(property)) => property.is_final = content.trim() == "true",
                    ("property", done) => {
                        if let Some(property) = done.take() {
                            self.add(property);
                        }
                    }
                    _ => {}
                },
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn add(&mut self, property: Property) {
        let Some(value) = property.value.filter(|_| !property.name.is_empty()) else { return };
        if self.finals.contains(&property.name) {
            return;
        }
        if property.is_final {
            self.finals.insert(property.name.clone());
        }
        self.values.insert(property.name, value);
    }

    /// Replaces `${key}`, `${env.NAME}` and `${user.name}`; what is not known stays as it is, and so does what comes after
    /// too many of them. `n_variables` counts.
    fn expand(&self, text: &str, depth: usize, n_variables: &mut usize) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            expanded.push_str(before);
            match self.lookup(name, depth, n_variables) {
                Some(value) => expanded.push_str(&value),
                None => expanded.push_str(&format!("${{{name}}}")),
            }
            rest = behind;
        }
        expanded.push_str(rest);
        expanded
    }

    fn lookup(&self, name: &str, depth: usize, n_variables: &mut usize) -> Option<String> {
        *n_variables += 1;
        if depth >= MAX_DEPTH || *n_variables > MAX_VARIABLES {
            return None;
        }
        let env = |name: &str| std::env::var(name).ok();
        if let Some(name) = name.strip_prefix("env.") {
            // As in Hadoop: `-` for a variable that is not set, `:-` for one that is not set or empty.
            return match name.split_once('-') {
                Some((name, or)) => match name.strip_suffix(':') {
                    Some(name) => Some(env(name).filter(|value| !value.is_empty()).unwrap_or_else(|| or.to_owned())),
                    None => Some(env(name).unwrap_or_else(|| or.to_owned())),
                },
                None => env(name),
            };
        }
        match self.values.get(name) {
            Some(value) => Some(self.expand(value, depth + 1, n_variables)),
            None if name == "user.name" => env("USER"),
            None => None,
        }
    }
}

#[derive(Default)]
struct Property {
    name: String,
    value: Option<String>,
    is_final: bool,
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|attribute| attribute.key.as_ref() == name)?;
    Some(found.value.into_owned())
}

/// A duration with Hadoop's units, in milliseconds; without a unit it is in milliseconds already.
fn millis(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "ns" => Some(number / 1_000_000),
        "us" => Some(number / 1000),
        "" | "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(files: &[(&str, &str)]) -> Result<HadoopConf, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let here = format!("{}/", folder.path().display());
        HadoopConf::load(Some(folder.path())).map_err(|error| error.to_string().replace(&here, ""))
    }

    fn property(name: &str, value: &str) -> String {
        format!("<property><name>{name}</name><value>{value}</value></property>")
    }

    #[test]
    fn values_mean_what_they_mean_in_java() {
        let core = [
            "<?xml version=\"1.0\"?><!DOCTYPE configuration><configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n",
            &property(" fs.defaultFS ", "\n hdfs://${cluster} \n"),
            &property("cluster", "ns-${env.VIEWMART_TEST_NOT_SET:-1}"),
            &property("loop", "${loop}"),
            &property("unknown", "a${not.there}b ${"),
            &property("dfs.client.socket-timeout", " 60s "),
            &property("dfs.client.failover.sleep.max.millis", "1m"),
            &property("dfs.client.failover.sleep.base.millis", "250"),
            &property("escaped", "a &lt;&amp;&#65;<![CDATA[<b>]]>"),
            "<property><name>locked</name><value>first</value><final>true</final></property>",
            "<property><name>empty</name><value/></property><property><name>no value</name></property>",
            "<xi:include href=\"more.xml\"/></configuration>",
        ]
        .concat();
        let hdfs = [
            "<configuration>",
            &property("dfs.ha.namenodes.ns-1", " nn1, nn2 "),
            &property("locked", "second"),
            &property("later", "2"),
            "</configuration>",
        ]
        .concat();
        let more = format!("<configuration>{}{}</configuration>", property("included", "yes"), property("later", "1"));
        let conf = conf(&[("core-site.xml", &core), ("hdfs-site.xml", &hdfs), ("more.xml", &more)]).unwrap();
        let check = |key: &str, expected: Option<&str>| assert_eq!(conf.get(key).as_deref(), expected, "{key}");
        check("fs.defaultFS", Some("hdfs://ns-1"));
        check("unknown", Some("a${not.there}b ${"));
        check("loop", Some("${loop}"));
        check("dfs.client.socket-timeout", Some("60000"));
        check("dfs.client.failover.sleep.max.millis", Some("60000"));
        check("dfs.client.failover.sleep.base.millis", Some("250"));
        check("dfs.ha.namenodes.ns-1", Some("nn1,nn2"));
        check("escaped", Some("a <&A<b>"));
        check("locked", Some("first"));
        check("included", Some("yes"));
        check("later", Some("2"));
        check("empty", Some(""));
        check("no value", None);
        assert_eq!(conf.iter().count(), 13);
    }

    #[test]
    fn values_that_name_many_others_end_in_time() {
        let name_two = |level: usize| property(&format!("k{level}"), &format!("${{k{0}}}${{k{0}}}", level + 1));
        let core = format!("<configuration>{}</configuration>", (0..MAX_DEPTH).map(name_two).collect::<String>());
        let conf = conf(&[("core-site.xml", &core)]).unwrap();
        // The last ones are short enough to be whole.
        let last = format!("k{}", MAX_DEPTH - 2);
        assert_eq!(conf.get(&last), Some(format!("${{k{MAX_DEPTH}}}").repeat(4)));
        assert!(conf.get("k0").is_some_and(|value| value.len() < 10 * MAX_VARIABLES));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let check = |files: &[(&str, &str)], expected: &str| {
            let error = conf(files).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "holds neither core-site.xml nor hdfs-site.xml");
        check(&[("core-site.xml", "<configuration><property></configuration>")], "core-site.xml: is not XML");
        let include = "<configuration><xi:include href=\"core-site.xml\"/></configuration>";
        check(&[("core-site.xml", include)], "core-site.xml: files include each other in a circle");
        let include = "<configuration><xi:include href=\"gone.xml\"/></configuration>";
        check(&[("core-site.xml", include)], "gone.xml: reading the Hadoop configuration failed");
        check(&[("core-site.xml", "<configuration>&odd;</configuration>")], "the entity &odd;");
    }
}
