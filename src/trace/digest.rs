//! The digest of a run: one number that two runs share exactly when a watcher of everything would have seen the same.
//!
//! What is hashed, by BLAKE3, is a stream of facts in order: every object that is there at the start, then every write,
//! with its time, its kind and the whole version that it left, and at last the instant at which the run was looked at.
//! Events are objects like any other. A fact is written in the compact binary form of postcard: integers of variable
//! length, texts with their length before them, fields in the order of their declaration. No address, no place in a
//! table and no thread is in it, so the digest is the same on every machine and in every build.
//!
//! Pods share their specs, so a spec is hashed by itself and once; a fact of a pod carries that hash.
//!
//! Left out on purpose: messages that change no object. Two versions of the program may find another way to the same
//! cluster without a new digest.

use crate::api::{Change, ChangeKind, FastMap, Kind, Object, Pod, PodSpec};
use crate::components::message::Message;
use crate::engine::SimTime;
use crate::simulation::{Cluster, Trace};
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Stands at the start of the stream, and changes with the form.
const FORM: &str = "podsim trace 1";
/// So much is gathered before it is hashed: BLAKE3 is fastest on whole chunks.
const BATCH: usize = 1 << 16;
/// So many specs are remembered at once.
const SPECS: usize = 4_096;

/// Hashes what happens to a cluster while it happens.
///
/// ```
/// use podsim::simulation::Run;
/// use podsim::trace::Digest;
/// use std::sync::Arc;
///
/// # fn plan() -> podsim::scenario::plan::Plan {
/// #     let behavior = b"{case: one, duration_ms: 60000, nodes: [{name: node-1}]}";
/// #     let pod = b"{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: i}]}}";
/// #     podsim::scenario::recorded::RecordedCase::parse(pod, behavior).expect("a case").plan(1)
/// # }
/// let digest = |seed| {
///     let mut run = Run::new(Arc::new(plan()), seed);
///     let mut digest = Digest::of(run.cluster());
///     run.run(&mut digest);
///     digest.at(run.now()).to_string()
/// };
/// assert_eq!(digest(1), digest(1));
/// assert_ne!(digest(1), digest(2));
/// ```
#[derive(Debug, Clone)]
pub struct Digest {
    hasher: blake3::Hasher,
    facts: Encoder,
}

impl Digest {
    /// A digest of a cluster that nothing has happened to.
    pub fn of(cluster: &Cluster) -> Self {
        let mut digest = Self { hasher: blake3::Hasher::new(), facts: Encoder::default() };
        digest.facts.put(FORM);
        for object in Kind::ALL.iter().flat_map(|kind| cluster.server().store().list(*kind)) {
            digest.fact(SimTime::ZERO, ChangeKind::Added, &object);
        }
        digest
    }

    /// The digest of everything up to an instant: a number of 64 hexadecimal digits.
    pub fn at(&self, now: SimTime) -> TraceHash {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.facts.bytes);
        hasher.update(&now.as_nanos().to_le_bytes());
        TraceHash(hasher.finalize())
    }

    fn fact(&mut self, now: SimTime, kind: ChangeKind, object: &Object) {
        self.facts.change(now, kind, object);
        if self.facts.bytes.len() >= BATCH {
            self.hasher.update(&self.facts.bytes);
            self.facts.bytes.clear();
        }
    }
}

impl Trace for Digest {
    fn delivered(&mut self, _: SimTime, _: u64, _: &Message, _: &Cluster) {}

    fn changed(&mut self, now: SimTime, _: u64, change: &Change, _: &Cluster) {
        self.fact(now, change.kind, &change.object);
    }
}

/// The digest of a run: 32 bytes, printed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceHash(blake3::Hash);

impl TraceHash {
    /// The hash of some bytes, for whoever needs a digest without a run.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes))
    }
}

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_hex())
    }
}

impl fmt::Debug for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of one fact by itself, of which the digest's stream is made: what tells two facts apart whose texts agree.
#[derive(Debug, Clone, Default)]
pub(super) struct FactHasher(Encoder);

impl FactHasher {
    /// The first 64 bits of the hash of a change.
    pub(super) fn hash(&mut self, now: SimTime, kind: ChangeKind, object: &Object) -> u64 {
        self.0.bytes.clear();
        self.0.change(now, kind, object);
        let hash = blake3::hash(&self.0.bytes);
        u64::from_be_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
    }
}

/// Writes facts in their binary form.
#[derive(Debug, Clone, Default)]
struct Encoder {
    bytes: Vec<u8>,
    /// Hashes of specs, by address; the specs are kept, so that an address is not used again. A private look-up.
    specs: FastMap<usize, (Arc<PodSpec>, [u8; 32])>,
}

impl Encoder {
    fn change(&mut self, now: SimTime, kind: ChangeKind, object: &Object) {
        self.put(&(now.as_nanos(), kind.as_str(), object.api_version(), object.kind_name()));
        match object {
            Object::Pod(pod) => self.pod(pod),
            object => crate::api::with_object!(object, version => self.put(&**version)),
        }
    }

    fn pod(&mut self, pod: &Pod) {
        let spec = self.spec(&pod.spec);
        self.put(&(&pod.meta, pod.node_name, spec, &*pod.status));
    }

    fn spec(&mut self, spec: &Arc<PodSpec>) -> [u8; 32] {
        let address = Arc::as_ptr(spec) as usize;
        if let Some((_, hash)) = self.specs.get(&address) {
            return *hash;
        }
        let mut bytes = Vec::new();
        put(&mut bytes, &**spec);
        let hash = *blake3::hash(&bytes).as_bytes();
        if self.specs.len() == SPECS {
            self.specs.clear();
        }
        self.specs.insert(address, (spec.clone(), hash));
        hash
    }

    fn put(&mut self, value: &(impl Serialize + ?Sized)) {
        put(&mut self.bytes, value);
    }
}

fn put(bytes: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    postcard::serialize_with_flavor(value, Append(bytes)).expect("records are plain data");
}

/// Writes at the end of a buffer.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
