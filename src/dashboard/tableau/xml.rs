//! A tree of XML elements, because the same relation stands at two places of a workbook and is best made once.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use quick_xml::escape::partial_escape;
use quick_xml::events::attributes::Attribute;

/// An element with its attributes and content. Attributes are written sorted by name, as Tableau Desktop does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Element(Element),
    Text(String),
}

/// An element without attributes and content.
pub(super) fn element(name: &'static str) -> Element {
    Element { name, attributes: Vec::new(), children: Vec::new() }
}

impl Element {
    pub(super) fn attr(mut self, name: &'static str, value: impl Display) -> Element {
        self.attributes.push((name, printable(value.to_string())));
        self
    }

    pub(super) fn child(mut self, child: Element) -> Element {
        self.children.push(Node::Element(child));
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    pub(super) fn text(mut self, text: impl Display) -> Element {
        self.children.push(Node::Text(printable(text.to_string())));
        self
    }

    /// The document with this element as its root. Tableau wants the declaration first and no comment before the root.
    pub(super) fn document(&self) -> String {
        format!("<?xml version='1.0' encoding='utf-8' ?>\n\n{self}")
    }

    fn write(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = 2 * depth;
        write!(f, "{:indent$}<{}", "", self.name)?;
        let mut attributes: Vec<_> = self.attributes.iter().collect();
        attributes.sort();
        for (name, value) in attributes {
            // The library's attribute escapes quotes, tabs and line breaks too.
            write!(f, " {name}=\"{}\"", Attribute::from((*name, value.as_str())).value)?;
        }
        match self.children.as_slice() {
            [] => f.write_str(" />\n"),
            // Text is written without indentation: white space around it would belong to it.
            [Node::Text(text)] => writeln!(f, ">{}</{}>", partial_escape(text.as_str()), self.name),
            children => {
                f.write_str(">\n")?;
                for child in children {
                    match child {
                        Node::Element(child) => child.write(f, depth + 1)?,
                        Node::Text(text) => f.write_str(&partial_escape(text.as_str()))?,
                    }
                }
                writeln!(f, "{:indent$}</{}>", "", self.name)
            }
        }
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

/// Replaces what XML 1.0 cannot hold even escaped: a database may be named with it, a file with it opens nowhere.
fn printable(text: String) -> String {
    let held = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(held) {
        return text;
    }
    text.chars().map(|c| if held(c) { c } else { '\u{fffd}' }).collect()
}

/// `name` in Tableau's brackets; a closing bracket in it is doubled.
pub(super) fn bracketed(name: &str) -> String {
    let name: Cow<'_, str> = if name.contains(']') { name.replace(']', "]]").into() } else { name.into() };
    format!("[{name}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_written_one_way() {
        let check = |element: Element, expected: &str| assert_eq!(element.to_string(), expected);
        check(element("a"), "<a />\n");
        check(element("a").attr("y", 1).attr("x", "2"), "<a x=\"2\" y=\"1\" />\n");
        check(element("a").text("1 < 2 & 3"), "<a>1 &lt; 2 &amp; 3</a>\n");
        check(element("a").child(element("b").text("c")), "<a>\n  <b>c</b>\n</a>\n");
        check(element("a").attr("x", "'\"\n\t<&"), "<a x=\"&apos;&quot;&#10;&#9;&lt;&amp;\" />\n");
        check(element("a").attr("x", "b\u{1}\u{0}\u{fffe}"), "<a x=\"b\u{fffd}\u{fffd}\u{fffd}\" />\n");
        check(element("a").text("\u{1f600}é"), "<a>\u{1f600}é</a>\n");
    }

    #[test]
    fn a_bracket_in_a_name_is_doubled() {
        assert_eq!(bracketed("a]b"), "[a]]b]");
        assert_eq!(bracketed("ab"), "[ab]");
    }
}
