//! Text that others wrote, made safe and visible.

use std::fmt::Write as _;

/// `text` for HTML, between tags and in quoted attributes: markup loses its meaning, and what cannot be seen can be, which
/// the crates that escape HTML leave as it is.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => push_visible(&mut safe, other),
        }
    }
    safe
}

/// `text` with control characters, invisible ones and those that change the direction of writing shown by number.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|character| push_visible(&mut shown, character));
    shown
}

fn push_visible(text: &mut String, character: char) {
    let hidden = character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    if hidden {
        // Writing to a String cannot fail.
        let _ = write!(text, "\u{27e8}U+{:04X}\u{27e9}", u32::from(character));
    } else {
        text.push(character);
    }
}

/// JSON for the inside of a `script` element: nothing in it can end the element or open a comment.
pub fn json_for_script(json: &serde_json::Value) -> String {
    let mut safe = String::new();
    for character in json.to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(safe, "\\u{:04x}", u32::from(character));
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected, "{text:?}");
        check("HND000001", "HND000001");
        check("</script><img src=x onerror='a()'>", "&lt;/script&gt;&lt;img src=x onerror=&#39;a()&#39;&gt;");
        check("\"&amp;", "&quot;&amp;amp;");
        check("Trẻ em 👪 🇻🇳", "Trẻ em 👪 🇻🇳");
        check("a\u{202e}b\0\n", "a⟨U+202E⟩b⟨U+0000⟩⟨U+000A⟩");
        check("A1 ", "A1 ");
    }

    #[test]
    fn a_script_element_cannot_be_left() {
        let json = serde_json::json!({"name": "</script><!--\u{2028}&\"\\"});
        let safe = json_for_script(&json);
        assert!(!safe.contains(['<', '>', '&', '\u{2028}']), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), json);
    }
}
