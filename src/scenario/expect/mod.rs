//! Expectations: sentences about what must hold, which make a scenario a test.
//!
//! ```text
//! eventually pod(web).ready within 40s
//! at 2m: container(web/app).restarts == 3
//! always count(pods(app=web) where ready) >= 2 after deployment(web).availableReplicas == 3
//! never any(pods(web-*) where phase == Failed)
//! first event(pod(web), Killing) between 40s and 45s
//! pod(db).ready before pod(web).ready
//! container(web/app).lastState.reason == OOMKilled
//! ```
//!
//! **When.** `eventually F` wants `F` at some instant, `always F` at every one, `never F` at none; `at 2m: F` (or
//! `F at 2m`) wants it at that instant, a bare `F` at the end. `first F between A and B` wants the first instant of `F`
//! in that span, `F before G` wants both, `F` first. The first three take a window: `from 30s`, `until 2m`,
//! `within 40s` (counted from the window's beginning) and `after G` (the window begins when `G` first holds; `G` must).
//!
//! **What.** An object is `kind(name)` or `kind(namespace/name)`, with any name of the kind that kubectl takes; without
//! a namespace it is looked for in `default`. Alone it asks whether the object exists. After a dot stands a value:
//!
//! | of | values |
//! |---|---|
//! | pods | `phase` `ready` `restarts` `node` `ip` `reason` `message` `qosClass` `terminating` `condition(TYPE)` |
//! | `container(pod/name)` | `state` `reason` `message` `exitCode` `restarts` `ready` `started` `image`
//! `lastState.reason` `lastState.exitCode` |
//! | nodes | `ready` `schedulable` `condition(TYPE)` `taint(KEY)` |
//! | every object | `spec.…` `status.…` `metadata.…` `data.…`: the object as `kubectl get -o json` prints it, `[0]` or
//! `[name=app]` in lists |
//! | every other kind | any other name is read in `status`: `deployment(web).readyReplicas` |
//!
//! `condition(TYPE)` and `taint(KEY)` take `.reason` and `.message`, or `.effect`. Values are compared with `==`, `!=`,
//! `<`, `<=`, `>`, `>=`, `like 'glob*'` and `matches /regex/`; a value alone asks whether it is true. What an object
//! does not state is `0`, `''` or `false`, as the comparison asks. `and`, `or`, `not` and parentheses join formulas.
//!
//! **How many.** Several objects are `any(…)`, `all(…)` (of at least one), `none(…)` or `count(…)`, of names with
//! patterns or of labels: `count(pods(app=web) where phase == Running and ready) >= 3`. `*/name` looks in all
//! namespaces.
//!
//! **Events.** `event(pod(web), BackOff)` has been seen, perhaps with a message (`'Back-off*'` or `/regex/`);
//! `event(…).count` is how often. `refused(pod(web), '*exceeded quota*')`: the server refused a call about it.
//!
//! **Over time.** Studies measure in the same words: `time(F)` is for how many seconds a formula held, `first(F)` after
//! how many it first did; `mean(X)`, `min(X)`, `max(X)` and `last(X)` are of a number such as
//! `deployment(web).readyReplicas`, `count(pods(app=web) where ready)`, `event(pod(web), BackOff).count` or
//! `traffic(shop).goodput`, means weighted by time; of a formula, which is 1 while it holds and 0 otherwise, the mean
//! is the share of the time. All take a window: `mean(traffic(shop).goodput from 2m until 5m)`. What did not last for
//! any time is not seen.
//!
//! **Traffic.** `misrouted(service(web))`: a container of a pod has ended, none of its others runs, and the kube-proxy
//! of a node still sends it requests for the Service; `never misrouted(services(*))` is what a graceful end is for.

mod condition;
mod formula;
mod judge;
mod observation;
mod parser;
mod value;

pub use condition::Condition;
pub use formula::{Clause, Expectation, Window};
pub use judge::{Judge, Verdict};
pub use observation::{Observation, Observer, Summary};
pub(super) use parser::{parse, parse_observation};
