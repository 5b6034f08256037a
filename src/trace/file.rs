//! A record as a file of JSON lines, and back.
//!
//! One line a fact, in order; `seq` counts from zero and `cause` is the `seq` of an earlier line. A change that brings
//! an object carries it whole (`version`), a later one what it changed (`patch`, RFC 6902); `hash` is the beginning of
//! the fact's own hash, from the form that the run's digest is made of, so that two files differ wherever two digests
//! do.

use super::digest::FactHasher;
use super::record::{Actor, Detail, Fact, FactId, FactKind, Failure, TraceRecord};
use super::recorder::Recorder;
use super::subject::{Subject, SubjectId, Subjects};
use super::view::RuntimeView;
use crate::api::{ChangeKind, FastMap, Name, Text, Uid, WallTime, render_both};
use crate::components::message::NodeIndex;
use crate::engine::SimTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    t_ns: u64,
    seq: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<usize>,
    kind: FactKind,
    actor: Cow<'a, str>,
    what: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    part: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<Cow<'a, RuntimeView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Cow<'a, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<json_patch::Patch>,
    /// Of the first line: nanoseconds from 1970 to the start of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_unix_ns: Option<i64>,
    /// Of the first line: the machines, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<Cow<'a, str>>>,
}

impl TraceRecord {
    /// Writes the record, a line a fact.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut versions = Versions::default();
        for (id, fact) in self.iter() {
            let line = self.line(id, fact, &mut versions);
            serde_json::to_writer(&mut *to, &line)?;
            to.write_all(b"\n")?;
        }
        Ok(())
    }

    fn line<'a>(&'a self, id: FactId, fact: &'a Fact, versions: &mut Versions<'a>) -> Line<'a> {
        let subject = fact.subject().map(|id| self.subject(id));
        let failure = fact.failure();
        let boot = id == FactId::BOOT;
        let mut line = Line {
            t_ns: fact.time.as_nanos(),
            seq: id.index(),
            cause: fact.cause().map(FactId::index),
            kind: fact.kind,
            actor: self.actor(fact.actor).into(),
            what: fact.what.into(),
            object: subject.map(|subject| subject.to_string().into()),
            uid: subject.filter(|subject| !subject.uid.is_empty()).map(|subject| subject.uid.to_string().into()),
            part: fact.part.as_str().into(),
            number: fact.number(),
            reason: failure.map(|failure| failure.reason.as_str().into()),
            message: failure.map(|failure| (*failure.message).into()),
            runtime: fact.runtime().map(Cow::Borrowed),
            hash: None,
            version: None,
            patch: None,
            start_unix_ns: boot.then_some(self.start.unix_nanos()),
            nodes: boot.then(|| self.nodes.iter().map(|node| node.as_str().into()).collect()),
        };
        if let Some(subject) = fact.subject().filter(|_| fact.has_object()) {
            line.hash = self.hash_of(id, &mut versions.hasher).map(|hash| format!("{hash:016x}").into());
            match versions.newest.insert(subject, fact) {
                Some(before) => line.patch = Some(patch(before, fact)),
                None => line.version = fact.object(),
            }
            if fact.is_deleted() {
                versions.newest.remove(&subject);
            }
        }
        line
    }

    /// The beginning of the hash of a change, from the form that the run's digest is made of.
    pub(super) fn hash_of(&self, id: FactId, hasher: &mut FactHasher) -> Option<u64> {
        let fact = self.fact(id);
        match &fact.detail {
            Detail::Version(object) => {
                let kind = match fact.what {
                    "ADDED" => ChangeKind::Added,
                    "DELETED" => ChangeKind::Deleted,
                    _ => ChangeKind::Modified,
                };
                Some(hasher.hash(fact.time, kind, object))
            }
            _ => self.hashes.get(&id).copied(),
        }
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// The first line that is no fact, or not the one that was to come.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let mut reader = Reader::new();
        for (place, text) in text.lines().enumerate() {
            let error = |column, problem| ReadError { line: place + 1, column, problem };
            let line: Line<'_> =
                serde_json::from_str(text).map_err(|problem| error(problem.column(), problem.to_string()))?;
            reader.take(line).map_err(|problem| error(1, problem))?;
        }
        if reader.record.facts.is_empty() {
            return Err(ReadError { line: 1, column: 1, problem: "there is no fact".to_owned() });
        }
        Ok(reader.record)
    }
}

/// What two changes of an object have between them.
fn patch(before: &Fact, after: &Fact) -> json_patch::Patch {
    match (&before.detail, &after.detail) {
        (Detail::Version(before), Detail::Version(after)) => {
            let (before, after) = render_both(before, after);
            json_patch::diff(&before, &after)
        }
        _ => {
            let object = |fact: &Fact| fact.object().expect("a change brings an object").into_owned();
            json_patch::diff(&object(before), &object(after))
        }
    }
}

/// The newest change of each object while lines are written.
#[derive(Default)]
struct Versions<'a> {
    newest: FastMap<SubjectId, &'a Fact>,
    hasher: FactHasher,
}

/// Why a file is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The line, counted from one.
    pub line: usize,
    /// The column, counted from one.
    pub column: usize,
    /// What was found.
    pub problem: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; name a trace.jsonl as podsim run writes it", self.line, self.column, self.problem)
    }
}

impl std::error::Error for ReadError {}

/// Takes lines one after the other.
struct Reader {
    record: TraceRecord,
    newest: FastMap<SubjectId, Arc<Value>>,
}

impl Reader {
    fn new() -> Self {
        let record = TraceRecord {
            facts: Vec::new(),
            subjects: Subjects::new(),
            nodes: Vec::new(),
            start: WallTime::default(),
            recorder: Recorder::default(),
            hashes: FastMap::default(),
        };
        Self { record, newest: FastMap::default() }
    }

    fn take(&mut self, line: Line<'_>) -> Result<(), String> {
        let place = self.record.facts.len();
        if line.seq != place {
            return Err(format!("seq {} stands where {place} was to come", line.seq));
        }
        if line.cause.is_some_and(|cause| cause >= place) {
            return Err("its cause comes later".to_owned());
        }
        if let Some(start) = line.start_unix_ns {
            self.record.start = WallTime::from_unix_nanos(start);
        }
        if let Some(nodes) = &line.nodes {
            self.record.nodes = nodes.iter().map(|node| Name::new(node)).collect();
        }
        let subject = self.subject(&line)?;
        let actor = self.actor(&line.actor).ok_or_else(|| format!("nobody is called {:?}", line.actor))?;
        if let Some(hash) = line.hash.as_ref().and_then(|hash| u64::from_str_radix(hash, 16).ok()) {
            self.record.hashes.insert(FactId::new(place), hash);
        }
        let fact = Fact {
            time: SimTime::from_nanos(line.t_ns),
            cause: line.cause.map_or(FactId::NONE, FactId::new),
            subject,
            actor,
            kind: line.kind,
            what: Name::new(&line.what).as_str(),
            part: Name::new(&line.part),
            detail: self.detail(line, subject)?,
        };
        if fact.is_deleted() {
            self.record.subjects.gone(subject);
        }
        self.record.facts.push(fact);
        Ok(())
    }

    fn subject(&mut self, line: &Line<'_>) -> Result<SubjectId, String> {
        let Some(object) = &line.object else { return Ok(SubjectId::NONE) };
        let subject = parse_subject(object).ok_or_else(|| format!("{object:?} names no object"))?;
        let Subject { kind, namespace, name, .. } = subject;
        let subjects = &mut self.record.subjects;
        Ok(match line.uid.as_ref().and_then(|uid| Uid::parse(uid)) {
            Some(uid) => subjects.seen(kind, namespace, name, uid),
            None => subjects.named(kind, namespace, name),
        })
    }

    fn actor(&mut self, name: &str) -> Option<Actor> {
        Some(match name {
            "user" => Actor::User,
            "apiserver" => Actor::ApiServer,
            "scheduler" => Actor::Scheduler,
            "controller-manager" => Actor::ControllerManager,
            "workload" => Actor::Workload,
            "cluster-autoscaler" => Actor::Autoscaler,
            other => {
                let (component, node) = other.split_once('/')?;
                if component == "extension" {
                    return Some(Actor::Extension(node.parse().ok()?));
                }
                let place = self.record.nodes.iter().position(|known| *known == *node)?;
                let node = NodeIndex(u16::try_from(place).ok()?);
                match component {
                    "kubelet" => Actor::Kubelet(node),
                    "runtime" => Actor::Runtime(node),
                    _ => return None,
                }
            }
        })
    }

    fn detail(&mut self, line: Line<'_>, subject: SubjectId) -> Result<Detail, String> {
        let version = match (line.version, line.patch) {
            (Some(version), _) => Some(version.into_owned()),
            (None, Some(patch)) => {
                let before = self.newest.get(&subject).ok_or("it changes an object that is not there")?;
                let mut version = Value::clone(before);
                json_patch::patch(&mut version, &patch)
                    .map_err(|error| format!("its patch does not apply: {error}"))?;
                Some(version)
            }
            (None, None) => None,
        };
        if let Some(version) = version {
            let version = Arc::new(version);
            self.newest.insert(subject, version.clone());
            return Ok(Detail::Read(version));
        }
        Ok(match (line.runtime, line.reason, line.number) {
            (Some(runtime), _, _) => Detail::Runtime(Arc::new(runtime.into_owned())),
            (None, Some(reason), _) => {
                let message = Text::from(line.message.unwrap_or_default());
                Detail::Failure(Arc::new(Failure { reason: Name::new(&reason), message }))
            }
            (None, None, Some(number)) => Detail::Number(number),
            (None, None, None) => Detail::None,
        })
    }
}

/// Reads `Kind/namespace/name` or `Kind/name`.
fn parse_subject(text: &str) -> Option<Subject> {
    let (kind, rest) = text.split_once('/')?;
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    let (kind, namespace, name) = (Name::new(kind), Name::new(namespace), Name::new(name));
    Some(Subject { kind, namespace, name, uid: Uid::default() })
}

#[cfg(test)]
mod tests {
    use super::super::test_run::crash_loop;
    use super::*;

    fn written(record: &TraceRecord) -> String {
        let mut bytes = Vec::new();
        record.write(&mut bytes).expect("memory takes everything");
        String::from_utf8(bytes).expect("JSON is text")
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record = crash_loop();
        let text = written(&record);
        let read = TraceRecord::read(&text).expect("it was written by us");
        assert_eq!(written(&read), text);
        assert_eq!(read.subjects().count(), record.subjects().count());
        for (live, back) in record.facts().iter().zip(read.facts()) {
            assert_eq!((live.pod(), live.node(), live.event()), (back.pod(), back.node(), back.event()));
        }
    }

    #[test]
    fn a_patch_is_what_the_whole_objects_have_between_them() {
        let record = crash_loop();
        let mut newest: FastMap<SubjectId, &Fact> = FastMap::default();
        let mut changed = 0;
        for (_, fact) in record.iter().filter(|(_, fact)| fact.has_object()) {
            let subject = fact.subject().expect("an object has a name");
            if let Some(before) = newest.insert(subject, fact) {
                let whole = |fact: &Fact| fact.object().expect("it has one").into_owned();
                assert_eq!(patch(before, fact), json_patch::diff(&whole(before), &whole(fact)), "{fact:?}");
                changed += 1;
            }
        }
        assert!(changed > 10, "{changed} changes are no test");
    }

    #[test]
    fn every_cause_comes_before_its_effect() {
        let record = crash_loop();
        for (id, fact) in record.iter() {
            assert!(fact.cause().is_none_or(|cause| cause < id), "{id:?} {fact:?}");
            let root = matches!(fact.kind, FactKind::Boot | FactKind::Action | FactKind::End);
            assert_eq!(fact.cause().is_none(), root, "{id:?} {fact:?}");
        }
    }

    #[test]
    fn what_is_no_record_is_placed() {
        let first = written(&crash_loop()).lines().next().expect("a line").to_owned();
        for (text, line, problem) in [
            (String::new(), 1, "there is no fact"),
            ("nonsense".to_owned(), 1, "expected"),
            (format!("{first}\n{first}"), 2, "seq 0 stands where 1 was to come"),
            (first.replace("\"user\"", "\"nobody\""), 1, "nobody is called"),
        ] {
            let error = TraceRecord::read(&text).expect_err("it is no record");
            assert_eq!(error.line, line, "{error}");
            assert!(error.problem.contains(problem), "{error}");
        }
    }
}
