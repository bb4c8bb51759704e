//! A lesson beside what the article says: the document for programs, and the text for people.

use std::fmt::{self, Formatter};

use serde::Serialize;

use super::drawing::WIDTH;
use super::lesson::Lesson;
use super::topics::Topic;
use crate::paragraph;

/// The form of the document; another number when a field gets another meaning or goes away.
const VERSION: u32 = 1;

/// A lesson with its place in the article.
#[derive(Serialize)]
pub(super) struct Document {
    version: u32,
    topic: &'static str,
    title: &'static str,
    article: &'static str,
    figures: serde_json::Value,
    drawing: Vec<String>,
    differs: String,
    unseen: Vec<String>,
}

impl Document {
    pub fn new(topic: &'static Topic, lesson: Lesson) -> Self {
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
