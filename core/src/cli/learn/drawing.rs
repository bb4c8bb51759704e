//! Pieces of drawings.

/// Columns of a lesson.
pub(super) const WIDTH: usize = 100;

/// A bar of `width` cells, filled in proportion; anything but nothing fills at least one.
pub(super) fn bar(part: u64, whole: u64, width: usize) -> String {
    let cells = (part as f64 / whole.max(1) as f64 * width as f64).round() as usize;
    let cells = cells.clamp(usize::from(part > 0), width);
    "█".repeat(cells) + &"·".repeat(width - cells)
}

/// Cells side by side, each as wide as the others: text to the right.
pub(super) fn columns(cells: impl IntoIterator<Item = String>) -> String {
    cells.into_iter().fold(String::new(), |row, cell| format!("{row}{cell:>16}"))
}

/// A value, or a dot for one that is not known.
pub(super) fn or_dot(value: Option<impl ToString>) -> String {
    value.map_or("·".into(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_what_it_draws() {
        assert_eq!(bar(0, 8, 4), "····");
        assert_eq!(bar(1, 1000, 4), "█···");
        assert_eq!(bar(4, 8, 4), "██··");
        assert_eq!(bar(9, 8, 4), "████");
        assert_eq!(bar(0, 0, 2), "··");
    }
}
