//! Words that somebody may have meant.

/// The known word that is nearest to `word` in any case, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &known.to_ascii_lowercase());
    let near = known.iter().map(|known| (distance(known), *known)).min()?;
    (near.0 <= 2 && near.0 < near.1.len()).then_some(near.1)
}
