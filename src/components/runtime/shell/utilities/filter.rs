//! What reads files or standard input and writes something else: the frame around `cat`, `grep`, `sed` and the others.
//!
//! A filter works as its input comes, so that `tail -f log | grep x` shows what it finds at once, and an endless
//! producer is stopped by a consumer that has enough.

use super::super::open_files::Read;
use super::super::process::{Context, Step, Task, Wait};
use super::Outcome;
use std::collections::VecDeque;
use std::fmt;

/// Whether a filter wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    More,
    /// It has seen enough of this input; the next one may follow.
    NextInput,
    Enough,
}

/// What a filter does with bytes.
pub(super) trait Filter: fmt::Debug + Send + Sync {
    /// A new input begins.
    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        let _ = (name, out);
    }
    /// Some bytes have come.
    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Flow;
    /// An input has ended.
    fn end(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }
    /// All inputs have ended. The exit status.
    fn finish(&mut self, out: &mut Vec<u8>) -> i32;
    fn boxed_clone(&self) -> Box<dyn Filter>;
}

impl Clone for Box<dyn Filter> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

/// What a filter does with lines; the line comes without its end.
pub(super) trait LineFilter: fmt::Debug + Clone + Send + Sync + 'static {
    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        let _ = (name, out);
    }
    fn line(&mut self, line: &str, out: &mut Vec<u8>) -> Flow;
    fn end(&mut self, out: &mut Vec<u8>) {
        let _ = out;
    }
    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        let _ = out;
        0
    }
}

/// A line filter made into a filter.
#[derive(Debug, Clone)]
pub(super) struct Lines<F> {
    partial: Vec<u8>,
    filter: F,
}

impl<F: LineFilter> Lines<F> {
    pub fn boxed(filter: F) -> Box<dyn Filter> {
        Box::new(Self { partial: Vec::new(), filter })
    }
}

impl<F: LineFilter> Filter for Lines<F> {
    fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        self.filter.begin(name, out);
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Flow {
        self.partial.extend_from_slice(bytes);
        let mut start = 0;
        let mut flow = Flow::More;
        while flow == Flow::More
            && let Some(length) = self.partial[start..].iter().position(|byte| *byte == b'\n')
        {
            let line = String::from_utf8_lossy(&self.partial[start..start + length]).into_owned();
            start += length + 1;
            flow = self.filter.line(&line, out);
        }
        match flow {
            Flow::More => drop(self.partial.drain(..start)),
            // What is left of an input that was enough is not its last line.
            Flow::NextInput | Flow::Enough => self.partial.clear(),
        }
        flow
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            self.filter.line(&String::from_utf8_lossy(&rest), out);
        }
        self.filter.end(out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> i32 {
        self.filter.finish(out)
    }

    fn boxed_clone(&self) -> Box<dyn Filter> {
        Box::new(self.clone())
    }
}

/// A filter on its inputs.
#[derive(Debug, Clone)]
struct Filtering {
    inputs: VecDeque<String>,
    reading_stdin: bool,
    filter: Box<dyn Filter>,
    failed: bool,
    /// It reads a device without end, and wants all of it.
    stuck: bool,
    /// What the exit status is when an input could not be read.
    failure: i32,
}

/// Runs a filter over files, or over standard input if there are none or one is called `-`.
pub(super) fn run(
    context: &mut Context<'_, '_>,
    inputs: Vec<String>,
    filter: Box<dyn Filter>,
    failure: i32,
) -> Outcome {
    let inputs = if inputs.is_empty() { vec!["-".to_owned()] } else { inputs };
    let mut filtering =
        Filtering { inputs: inputs.into(), reading_stdin: false, filter, failed: false, stuck: false, failure };
    match filtering.step(context) {
        Step::Exit(status) => Outcome::Ended(status),
        Step::Unsupported(what) => Outcome::Unsupported(what),
        Step::Continue | Step::Block(_) | Step::Become(_) => Outcome::Task(Box::new(filtering)),
    }
}

impl Task for Filtering {
    fn step(&mut self, context: &mut Context<'_, '_>) -> Step {
        let mut out = Vec::new();
        let end = self.pump(context, &mut out);
        let status = end.is_none().then(|| self.filter.finish(&mut out));
        context.print(out);
        match (end, status) {
            (Some(wait), _) if context.own.full_pipe.is_none() => Step::Block(wait),
            (Some(_), _) => Step::Continue,
            (None, status) if self.failed => Step::Exit(status.unwrap_or(0).max(self.failure)),
            (None, status) => Step::Exit(status.unwrap_or(0)),
        }
    }

    fn boxed_clone(&self) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}

impl Filtering {
    /// Moves input through the filter until it must wait, or everything has ended.
    fn pump(&mut self, context: &mut Context<'_, '_>, out: &mut Vec<u8>) -> Option<Wait> {
        if self.stuck {
            return Some(Wait::Forever);
        }
        loop {
            if self.reading_stdin {
                match context.read(64 * 1024) {
                    Ok(Read::Bytes(bytes)) => match self.filter.bytes(&bytes, out) {
                        Flow::More if out.len() > 1 << 20 => return Some(Wait::Ready),
                        Flow::More => continue,
                        Flow::NextInput => {}
                        Flow::Enough => return None,
                    },
                    Ok(Read::Nothing(pipe)) => return Some(Wait::Readable(pipe)),
                    Ok(Read::End) => self.filter.end(out),
                    Err(error) => {
                        context.complain(error);
                        self.failed = true;
                    }
                }
                self.reading_stdin = false;
            }
            let name = self.inputs.pop_front()?;
            let shown = if name == "-" { "(standard input)" } else { &name };
            if matches!(name.as_str(), "-" | "/dev/stdin") {
                self.filter.begin(shown, out);
                self.reading_stdin = true;
                continue;
            }
            match content(context, &name) {
                Ok(Some(bytes)) => {
                    self.filter.begin(shown, out);
                    if self.filter.bytes(&bytes, out) == Flow::Enough {
                        return None;
                    }
                    self.filter.end(out);
                }
                Ok(None) => {
                    // An endless device: as much as the filter takes.
                    self.filter.begin(shown, out);
                    let satisfied = (0..256).any(|_| self.filter.bytes(&[b'x'; 4096], out) != Flow::More);
                    if !satisfied {
                        out.clear();
                        self.stuck = true;
                        return Some(Wait::Forever);
                    }
                }
                Err(error) => {
                    context.complain_of_file(&name, error);
                    self.failed = true;
                }
            }
        }
    }
}

/// The content of a file; `None` for a device without end.
fn content(
    context: &mut Context<'_, '_>,
    name: &str,
) -> Result<Option<Vec<u8>>, crate::components::runtime::filesystem::FileError> {
    let path = context.path(name);
    if matches!(path.as_str(), "/dev/zero" | "/dev/urandom" | "/dev/random" | "/dev/full") {
        return Ok(None);
    }
    context.files().read(&path).map(|content| Some(content.bytes.to_vec()))
}
