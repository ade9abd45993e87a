//! Tables. End tags that HTML does not need are left out: a page holds a year of them.

use std::fmt::Write as _;

use super::text::escape;

/// A table as it grows. Cells are HTML: whoever adds one has escaped it.
pub struct Table {
    html: String,
    has_body: bool,
}

/// How a column is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Words, to the left.
    Words(&'static str),
    /// Numbers, to the right.
    Numbers(&'static str),
}

impl Table {
    /// Starts a table. `name` is how the page's tests find it, `caption` what a screen reader says.
    pub fn new(name: &str, caption: &str, columns: &[Column]) -> Table {
        let caption = escape(caption);
        // Wide tables scroll by themselves; with a name and a place in the tab order that works from the keyboard.
        let mut html = format!(
            "<div class=scroll tabindex=0 role=region aria-label=\"{caption}\"><table data-table={name}>\
             <caption class=quiet>{caption}</caption><thead><tr>"
        );
        for column in columns {
            match column {
                Column::Words(title) => html.push_str(&format!("<th scope=col class=w>{title}")),
                Column::Numbers(title) => html.push_str(&format!("<th scope=col>{title}")),
            }
        }
        Table { html, has_body: false }
    }

    /// Adds a column of numbers whose title is data, HTML already; before the first row.
    pub fn column(&mut self, title: &str) -> &mut Table {
        let _ = write!(self.html, "<th scope=col>{title}");
        self
    }

    /// Starts a row with its heading.
    pub fn row(&mut self, heading: &str) -> &mut Table {
        self.begin_body();
        // Writing to a String cannot fail.
        let _ = write!(self.html, "\n<tr><th scope=row>{heading}");
        self
    }

    fn begin_body(&mut self) {
        if !std::mem::replace(&mut self.has_body, true) {
            self.html.push_str("<tbody>");
        }
    }

    /// Adds a number.
    pub fn number(&mut self, text: &str) -> &mut Table {
        let _ = write!(self.html, "<td>{text}");
        self
    }

    /// Adds words.
    pub fn words(&mut self, html: &str) -> &mut Table {
        let _ = write!(self.html, "<td class=w>{html}");
        self
    }

    /// Adds words in place of so many cells.
    pub fn words_across(&mut self, n_cells: usize, html: &str) -> &mut Table {
        let _ = write!(self.html, "<td class=w colspan={n_cells}>{html}");
        self
    }

    /// Adds a bar of `share` (0..=1) of the column's width; the number it draws stands in a cell of its own.
    pub fn bar(&mut self, share: f64) -> &mut Table {
        let width = if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
        let _ = write!(self.html, "<td class=b aria-hidden=true><i style=\"width:{width:.1}%\"></i>");
        self
    }

    /// Adds a cell shaded by `share` (0..=1).
    pub fn shaded(&mut self, text: &str, share: f64) -> &mut Table {
        let _ = write!(self.html, "<td class=s style=\"--s:{:.1}%\">{text}", share.clamp(0.0, 1.0) * 100.0);
        self
    }

    pub fn finish(mut self) -> String {
        self.begin_body();
        self.html.push_str("</table></div>\n");
        self.html
    }
}

/// Something long that opens on demand.
pub fn details(summary: &str, inside: &str) -> String {
    format!("<details><summary>{}</summary>{inside}</details>\n", escape(summary))
}
