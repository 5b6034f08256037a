//! What happened: messages delivered, objects changed; facts first, meaning later.
//!
//! Whoever looks on while a run goes implements [`Trace`](crate::simulation::Trace). Four here do: [`Witness`] notes
//! events and refusals, [`Digest`] sums everything up in one number, [`TraceRecord`] keeps every fact with its cause,
//! and [`Recording`] writes what a
//! recorder beside a real cluster would have.

mod causes;
mod condense;
mod diff;
mod digest;
mod file;
mod record;
mod recorder;
mod recording;
mod subject;
#[cfg(test)]
pub(crate) mod test_run;
mod view;
mod witness;
mod workload;

pub use causes::{Behind, Causes, Link};
pub use diff::{Divergence, Scope, diff};
pub use digest::{Digest, TraceHash};
pub use file::ReadError;
pub use record::{Actor, Detail, Fact, FactId, FactKind, Failure, TraceRecord};
pub use recording::Recording;
pub use subject::{Subject, SubjectId};
pub use view::{
    ConditionView, ContainerView, EndView, EventView, InstanceView, NodeView, PodView, Role, RuntimeView, StateView,
};
pub use witness::{Refused, ToldEvent, Witness};
