//! The SQL of the mart names the five categories by hand, which keeps it readable: here its names, their order and their
//! bits are held against [`Category::ALL`].

use std::fs;
use std::path::Path;

use crate::engine::rules::Category;

/// The text of a file, with one blank wherever there is white space.
fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mart/sql").join(file);
    fs::read_to_string(&path).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The categories that words of a text begin with, one that follows itself once.
fn named_in(text: &str) -> Vec<Category> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut named: Vec<Category> =
        words.filter_map(|word| Category::ALL.into_iter().find(|category| word.starts_with(category.name()))).collect();
    named.dedup();
    named
}

#[test]
fn wherever_categories_are_named_all_are_and_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mart/sql");
    let mut n_files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let text = text(&file);
        // The most watched one is asked for in the order of how many watch it.
        let named = named_in(text.split("CASE MostWatch").next().unwrap());
        n_files += usize::from(!named.is_empty());
        let (lists, rest) = named.as_chunks::<5>();
        assert!(rest.is_empty() && lists.iter().all(|list| *list == Category::ALL), "{file}: {named:?}");
    }
    assert_eq!(n_files, 10, "files that name categories");
}

#[test]
fn every_category_has_the_bit_of_its_place() {
    // `{name}`, `{bit}` and `{place}`, from 1, stand for those of each category.
    let check = |file: &str, term: &str, between: &str| {
        let term = |category: Category| {
            let place = category as usize;
            let term = term.replace("{name}", category.name()).replace("{bit}", &(1 << place).to_string());
            let term = term.replace("{place}", &(place + 1).to_string());
            // Nobody multiplies by 1.
            term.strip_prefix("1 * ").map_or_else(|| term.clone(), str::to_owned)
        };
        let expected: Vec<String> = Category::ALL.into_iter().map(term).collect();
        let text = text(file);
        match between {
            "" => expected.iter().for_each(|term| assert!(text.contains(term), "{file} lacks {term}")),
            between => assert!(text.contains(&expected.join(between)), "{file} lacks {expected:?}"),
        }
    };
    check("customer_cell.key.sql", "{bit} * ({name}Duration > 0)", " + ");
    check("customer_cell.key.sql", "{bit} * ({name}Duration < 0)", " + ");
    check("customer_cell.key.sql", "WHEN '{name}' THEN {place}", "");
    check("movement_row.key.sql", "{bit} * ({row}.{name}Duration > 0)", " + ");
    check("movement_row.key.sql", "{bit} * ({row}.{name}Duration < 0)", " + ");
    check("month_check.sql", "{bit} * (INSTR(Taste, '{name}') > 0)", " + ");
    check("month_check.sql", "{bit} {name}", ", ");
    check("customer_segments.sql", "{bit} {name}", ", ");
    check("customer_segments.sql", "WHEN {place} THEN '{name}'", " ");
    check("category_audience.sql", "(Categories & {bit}) > 0 THEN Users END), 0) AS {name}Users", "");
    check("category_audience.sql", "CASE WHEN MostWatch = '{name}' THEN Users END), 0) AS {name}Most", "");
    check("category_overlap.sql", "'{name}', {bit}", "");
}
