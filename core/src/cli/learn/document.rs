//! A lesson beside what the article says: the document for programs, and the text for people.

use std::fmt::{self, Formatter};

use serde::Serialize;

use super::drawing::WIDTH;
use super::lesson::Lesson;
use super::topics::Topic;
use crate::paragraph;

/// The form of the document; another number when a field gets another meaning or goes away.
const VERSION: u32 = 1;

/// What the article says under a heading, beside what an experiment found here. Its text is what `zcio learn` prints.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Document {
    version: u32,
    /// The topic's name.
    pub topic: &'static str,
    /// The heading.
    pub title: &'static str,
    /// What the article says under it.
    pub article: &'static str,
    /// What was measured, an object whose form depends on the topic.
    pub figures: serde_json::Value,
    /// The same for people, in lines.
    pub drawing: Vec<String>,
    /// Why the two are not the same, or that they are.
    pub differs: String,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
}

impl Document {
    pub(super) fn new(topic: &'static Topic, lesson: Lesson) -> Self {
        Self {
            version: VERSION,
            topic: topic.name,
            title: topic.title,
            article: topic.article,
            figures: lesson.figures,
            drawing: lesson.drawing.lines().map(str::to_owned).collect(),
            differs: lesson.differs,
            unseen: lesson.unseen,
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        paragraph::write(f, "the article says  ", self.article, WIDTH)?;
        writeln!(f, "\nthis machine\n")?;
        self.drawing.iter().try_for_each(|line| writeln!(f, "{}", format!("  {line}").trim_end()))?;
        writeln!(f)?;
        paragraph::write(f, "why they differ   ", &self.differs, WIDTH)?;
        self.unseen.iter().try_for_each(|what| paragraph::write(f, "not seen          ", what, WIDTH))
    }
}
