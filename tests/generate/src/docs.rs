//! From Rust documentation to the other languages': links become names, code is marked as it is there, and lines are filled anew.

/// What a piece of code in the documentation becomes.
pub type Code<'a> = &'a dyn Fn(&str) -> String;

/// The paragraphs, without the links of Rust, each in one line. `code` writes what stood between backticks.
pub fn paragraphs(docs: &str, code: Code<'_>) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut example = false;
    for line in docs.lines() {
        // An example in Rust is for Rust's readers.
        if line.trim().starts_with("```") {
            example = !example;
            continue;
        }
        if example {
            continue;
        }
        let last = found.last_mut().expect("one is there");
        if line.trim().is_empty() {
            found.push(String::new());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(line.trim());
        }
    }
    found.retain(|paragraph| !paragraph.is_empty());
    found.iter().map(|paragraph| translated(paragraph, code)).collect()
}

fn translated(text: &str, code: Code<'_>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let Some(length) = rest[start + 1..].find('`') else { break };
        let (before, inside) = (&rest[..start], &rest[start + 1..start + 1 + length]);
        rest = &rest[start + length + 2..];
        let linked = before.ends_with('[') && rest.starts_with(']');
        out.push_str(if linked { &before[..before.len() - 1] } else { before });
        if linked {
            rest = &rest[1..];
            if rest.starts_with('(') {
                rest = rest.find(')').map_or("", |end| &rest[end + 1..]);
            }
        }
        out.push_str(&code(inside));
    }
    out.push_str(rest);
    out
}

/// As the description of a parameter: no capital at the beginning, no full stop at the end.
pub fn as_parameter(text: &str) -> String {
    let mut letters = text.chars();
    let (first, second) = (letters.next(), letters.next());
    let lower =
        matches!((first, second), (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase());
    let text = if lower { first.map(|first| first.to_lowercase().chain(text.chars().skip(1)).collect()) } else { None }
        .unwrap_or_else(|| text.to_owned());
    text.strip_suffix('.').map(str::to_owned).unwrap_or(text)
}

/// Fills lines of 120 characters, with room for what ends a comment.
pub fn filled(text: &str, first: &str, others: &str) -> Vec<String> {
    const WIDTH: usize = 117;
    let mut lines = vec![first.to_owned()];
    let mut empty = true;
    for word in text.split(' ') {
        let last = lines.last_mut().expect("one is there");
        if !empty && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{others}{word}"));
        } else {
            if !empty {
                last.push(' ');
            }
            last.push_str(word);
        }
        empty = false;
    }
    lines
}

/// `snake_case` or `CamelCase` as `camelCase`.
pub fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            _ if upper => {
                out.extend(letter.to_uppercase());
                upper = false;
            }
            _ if out.is_empty() => out.extend(letter.to_lowercase()),
            _ => out.push(letter),
        }
    }
    out
}

/// `CamelCase` as `snake_case`; what is that already stays.
pub fn snake(name: &str) -> String {
    if name.chars().all(|letter| !letter.is_lowercase()) {
        return name.to_lowercase();
    }
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}
