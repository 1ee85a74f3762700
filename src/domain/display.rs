//! What comes from elsewhere, fit to be shown: it cannot steer a terminal or turn the direction of writing.

/// Control characters, and those that turn the direction of writing.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Words in one line, without what is hidden.
pub fn one_line(words: &str) -> String {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !is_hidden(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_holds_nothing_that_steers() {
        assert_eq!(one_line("a\r\n  b\u{1b}[31m\u{202e}c"), "a b[31mc");
    }
}
