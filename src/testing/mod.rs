//! What property tests stand on: laws that hold after every step of any run, and strategies that make scenarios to try
//! them on.
//!
//! # Laws
//!
//! Each law has a name; `podsim check --list` prints all. Those of the cluster, watched by a
//! [`Watchdog`](crate::simulation::Watchdog), look at every write to the API server
//! ([`INVARIANTS`](crate::simulation::INVARIANTS)) and at what the scheduler, the controllers and the nodes did before
//! ([`HISTORY_LAWS`](crate::simulation::HISTORY_LAWS)); those of a kubelet ([`invariants`], watched by a
//! [`Checker`](invariants::Checker)) also at what it asks of its runtime and at what it keeps to itself. Both are a
//! [`Trace`](crate::simulation::Trace), as are your own: whoever looks on is given every message, every write and the
//! whole cluster.
//!
//! ```
//! use podsim::api::{Change, Object};
//! use podsim::engine::SimTime;
//! use podsim::simulation::{Cluster, Run, Trace, Watchdog};
//! use podsim::testing::invariants::Checker;
//! # use podsim::Scenario;
//! # use std::collections::BTreeMap;
//!
//! /// A law of one's own: nobody uses the default ServiceAccount's name for a pod.
//! #[derive(Default)]
//! struct NoDefaultPods(Option<SimTime>);
//!
//! impl Trace for NoDefaultPods {
//!     fn changed(&mut self, now: SimTime, _cause: u64, change: &Change, _cluster: &Cluster) {
//!         let Object::Pod(pod) = &change.object else { return };
//!         if pod.meta.name == "default" {
//!             self.0.get_or_insert(now);
//!         }
//!     }
//! }
//!
//! # let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: nginx}]}}";
//! # let web = r#"(manifests: [File("pod.yaml")], duration: "1m")"#;
//! # let files = BTreeMap::from([("web.ron", web), ("pod.yaml", pod)]);
//! # let scenario = Scenario::load("web.ron", &files)?;
//! let mut onlookers = (NoDefaultPods::default(), (Watchdog::default(), Checker::default()));
//! Run::new(scenario.plan(1).into(), 1).run(&mut onlookers);
//! let (mine, (cluster, kubelets)) = onlookers;
//! assert_eq!((mine.0, cluster.violation(), kubelets.breaches()), (None, None, &[][..]));
//! # Ok::<(), podsim::scenario::Problems>(())
//! ```
//!
//! # Strategies
//!
//! With the feature `proptest`, `strategies` draws small scenarios: a few pods of every make on one or two nodes, and
//! what users and fate do to them. A scenario is drawn as data, so it shrinks, and it prints as the RON file that
//! `podsim run FILE --seed N --check` repeats it from. Start from `strategies::scenario`, or put one together from
//! `strategies::pod`, `strategies::container`, `strategies::probe` and `strategies::step`.
//!
//! ```
//! # #[cfg(feature = "proptest")] {
//! use podsim::testing::strategies::{self, SmallScenario};
//! use proptest::prelude::*;
//!
//! let config = ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() };
//! // Any scenario: no law is broken.
//! proptest!(config.clone(), |(scenario in strategies::scenario(), seed in 0_u64..100)| {
//!     prop_assert_eq!(scenario.check(seed), Vec::new());
//! });
//! // One pod of any make, alone on its node: it is admitted.
//! proptest!(config, |(pod in strategies::pod())| {
//!     let scenario = SmallScenario { nodes: 1, pods: vec![pod], steps: Vec::new(), seconds: 30 };
//!     let mut simulation = scenario.load().simulate(1);
//!     simulation.run();
//!     prop_assert!(simulation.pod("default", "pod-0").is_some_and(|pod| !pod.node_name.is_empty()));
//! });
//! # }
//! ```

pub mod invariants;
#[cfg(feature = "proptest")]
pub mod strategies;
