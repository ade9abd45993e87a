//! The dashboard as one offline page: a pure function from the model to bytes.
//!
//! Numbers come first: tiles and tables are written here and need no script. The charts are drawn over them by Apache
//! ECharts from a small block of JSON. The page asks for nothing: its content security policy admits the three blocks
//! it was built with, by their hash. The same model gives the same bytes.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::dashboard::mask::Masker;
use crate::dashboard::model::DashboardModel;
use crate::engine::calendar::Month;

mod charts;
mod frame;
mod sections;
mod sparks;
mod table;
mod text;
mod units;

use sections::Context;
use sparks::Sparks;

const STYLE: &str = include_str!("../assets/style.css");
const CHART_LIBRARY: &str = include_str!("../assets/echarts.min.js");
const CHARTS: &str = include_str!("../assets/charts.js");

/// Largest page in bytes. Months that do not fit, the oldest ones, keep their line in the table of months.
pub const MAX_PAGE_BYTES: usize = 1_000_000;

/// What can be chosen about the page.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// Shows pseudonyms in place of contracts.
    pub mask: Option<Masker>,
    /// The month that is shown first; the newest one without it.
    pub first_shown: Option<Month>,
}

/// The page. Nothing in it depends on a clock, on the machine or on the address of the warehouse.
pub fn render(model: &DashboardModel, options: &RenderOptions) -> String {
    let shown = options
        .first_shown
        .and_then(|month| model.months.iter().find(|candidate| candidate.month == month))
        .or(model.months.last());
    let Some(shown) = shown else {
        return page("TV viewing", &empty_body(), &serde_json::json!({}));
    };

    let sparks = Sparks::of(&model.months);
    let context = |month| Context {
        month,
        before: model.month_before(month.month),
        known: &model.known,
        sparks: &sparks,
        mask: options.mask.as_ref(),
    };
    // The month asked for has its place; then as many as fit, from the newest back.
    let mut parts = vec![(shown.month, sections::month(&context(shown), Shown::First), charts::month(&context(shown)))];
    let mut n_bytes = FRAME_BYTES + part_bytes(&parts[0]) + model.months.len() * MONTH_LINE_BYTES;
    for month in model.months.iter().rev().filter(|month| month.month != shown.month) {
        let part = (month.month, sections::month(&context(month), Shown::OnRequest), charts::month(&context(month)));
        n_bytes += part_bytes(&part);
        if n_bytes > MAX_PAGE_BYTES {
            break;
        }
        parts.push(part);
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.0));

    let full: Vec<Month> = parts.iter().map(|part| part.0).collect();
    let mut body = frame::page_header(&full, shown.month);
    body.push_str("<main id=main>\n");
    body.push_str(&sparks.definitions());
    let mut data = serde_json::Map::new();
    for (month, html, chart_data) in parts {
        body.push_str(&html);
        data.insert(month.to_string(), chart_data);
    }
    body.push_str(&frame::all_months(&model.months, &full, &model.known));
    body.push_str("</main>\n");
    body.push_str(&frame::page_footer());
    page(&format!("TV viewing, {}", units::month(shown.month)), &body, &data.into())
}

/// Whether a month is on the screen before anybody has chosen one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    First,
    OnRequest,
}

/// Room for everything that is not a month: scripts, style, head, header and footer.
const FRAME_BYTES: usize = STYLE.len() + CHART_LIBRARY.len() + CHARTS.len() + 8_000;
/// Room for a line of the table of months.
const MONTH_LINE_BYTES: usize = 600;

fn part_bytes((_, html, data): &(Month, String, serde_json::Value)) -> usize {
    html.len() + text::json_for_script(data).len() + 20
}

fn empty_body() -> String {
    "<header class=top><div><h1>TV viewing</h1></div></header>\n<main id=main><section class=card><h2>No month yet</h2>\
     <p>The mart holds no month. Load one with <code>viewmart run</code> and make this page again.</p></section></main>\n"
        .to_owned()
}

fn page(title: &str, body: &str, data: &serde_json::Value) -> String {
    let mut page = String::with_capacity(FRAME_BYTES + body.len());
    // Writing to a String cannot fail. ECharts and the bars of the tables set style attributes, which no text of
    // others reaches; everything else needs its hash.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src {library} {charts}; \
         style-src {style}; style-src-elem {style}; style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <meta name=color-scheme content=\"light dark\">\n<meta name=referrer content=no-referrer>\n\
         <meta name=generator content=\"{engine}\">\n<link rel=icon href=\"data:,\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}",
        library = source_hash(CHART_LIBRARY),
        charts = source_hash(CHARTS),
        style = source_hash(STYLE),
        engine = text::escape(crate::ENGINE),
        title = text::escape(title),
    );
    let _ = write!(
        page,
        "<script type=\"application/json\" id=data>{}</script>\n<script>{CHART_LIBRARY}</script>\n<script>{CHARTS}</script>\n\
         </body>\n</html>\n",
        text::json_for_script(data)
    );
    page
}

/// How a content security policy names an inline block: the hash of its bytes.
fn source_hash(block: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(block.as_bytes())))
}

#[cfg(test)]
mod tests;
