//! A text broken into the lines of a terminal.

use std::fmt;

/// Writes a text in lines of `width` columns: the first one begins with `lead`, the later ones stand under the text's beginning.
pub(crate) fn write(to: &mut dyn fmt::Write, lead: &str, text: &str, width: usize) -> fmt::Result {
    let indent = lead.chars().count();
    let (mut line, mut room) = (lead.to_string(), width - indent);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if length > room && room < width - indent {
            writeln!(to, "{}", line.trim_end())?;
            (line, room) = (" ".repeat(indent), width - indent);
        }
        line = line + word + " ";
        room = room.saturating_sub(length + 1);
    }
    writeln!(to, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_long_text_goes_on_under_its_beginning() {
        let mut text = String::new();
        super::write(&mut text, " lead: ", &"word ".repeat(60), 120).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with(" lead: word"), "{text}");
        assert!(lines[1].starts_with("       word") && lines.iter().all(|line| line.len() <= 120), "{text}");
        assert_eq!(text.matches("word").count(), 60);
    }
}
