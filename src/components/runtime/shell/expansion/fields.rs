//! Fields as they grow during expansion, and field splitting: POSIX XCU 2.6.5.

use super::super::pattern::Marked;

/// Collects what words expand to.
#[derive(Debug)]
pub(super) struct Fields {
    done: Vec<Marked>,
    open: Option<Marked>,
    /// The characters that split; `None` where nothing splits, as in an assignment.
    separators: Option<String>,
    /// The last field was ended by white space, which a following separator belongs to.
    after_blank: bool,
}

impl Fields {
    pub fn splitting(separators: String) -> Self {
        Self { done: Vec::new(), open: None, separators: Some(separators), after_blank: false }
    }

    pub fn single() -> Self {
        Self { done: Vec::new(), open: None, separators: None, after_blank: false }
    }

    /// Adds text that is not split. Even an empty text makes a field, if it was quoted.
    pub fn add(&mut self, text: &str, quoted: bool) {
        if quoted || !text.is_empty() {
            self.open.get_or_insert_default().push(text, quoted);
            self.after_blank = false;
        }
    }

    /// Adds what an unquoted expansion gave: it is split.
    pub fn split(&mut self, text: &str) {
        let Some(separators) = self.separators.clone() else {
            self.add(text, false);
            return;
        };
        for c in text.chars() {
            if !separators.contains(c) {
                self.add(c.encode_utf8(&mut [0; 4]), false);
            } else if c.is_ascii_whitespace() {
                if let Some(field) = self.open.take() {
                    self.done.push(field);
                    self.after_blank = true;
                }
            } else if self.after_blank {
                self.after_blank = false;
            } else {
                let field = self.open.take().unwrap_or_default();
                self.done.push(field);
            }
        }
    }

    /// Ends the field, as between the parameters of `"$@"`.
    pub fn end(&mut self) {
        if self.separators.is_none() {
            self.add(" ", false);
        } else if let Some(field) = self.open.take() {
            self.done.push(field);
            self.after_blank = false;
        }
    }

    pub fn finish(mut self) -> Vec<Marked> {
        self.done.extend(self.open);
        self.done
    }
}
