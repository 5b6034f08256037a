//! From the faults of a scenario to plans: names are looked up, times are counted, and what is wrong is told.

use super::Placed;
use super::error::suggestion;
use super::expect::{self, Clause};
use super::load::Loader;
use super::machines::Machine;
use super::names;
use crate::api::{Kind, Labels, Name, Timestamp, WallClock, WallTime, ZONE_LABEL};
use crate::components::controllers::Schedule;
use crate::components::runtime::Glob;
use crate::components::scope::Scope;
use crate::engine::{SimDuration, SimTime, StreamKey};
use crate::faults::{
    BadImage, ConfigChange, CpuSteal, Fault, FaultKind, FaultPlan, NodeTaint, ObjectLoss, PlannedTrigger,
    PoisonRequest, RolloutRestart, ScaleTo, SlowNode, Subject, Targets, Trigger, WrongOwner,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most times that a fault strikes.
const MOST_TIMES: usize = 100_000;
/// Workloads with rollouts.
const ROLLED_OUT: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
/// The verbs of calls.
const VERBS: [&str; 8] = ["get", "create", "update", "patch", "amend", "bind", "evict", "delete"];

/// What faults are checked with.
pub(super) struct FaultContext<'a, 'l, 'f> {
    pub loader: &'a mut Loader<'l>,
    pub machines: &'f [Machine],
    pub duration: SimDuration,
    pub start: WallTime,
}

impl FaultContext<'_, '_, '_> {
    /// The plans of all faults that are right.
    pub(super) fn plans(&mut self, faults: &[Placed<Fault>]) -> Vec<FaultPlan> {
        let mut names = BTreeSet::new();
        let mut of_kind: BTreeMap<&str, usize> = BTreeMap::new();
        let mut plans = Vec::new();
        for fault in faults {
            let kind = fault.fault.value.info().name;
            let n = of_kind.entry(kind).or_insert(0);
            *n += 1;
            let name = match &fault.name {
                Some(name) => name.value.clone(),
                None if *n == 1 => kind.to_owned(),
                None => format!("{kind}-{n}"),
            };
            if !names.insert(name.clone()) {
                let place = fault.name.as_ref().map_or(fault.place, |name| name.place);
                let remedy = "give each a name of its own: it keys the fault's chance";
                self.loader.problems.add(place, format!("two faults named {name:?}"), remedy);
            }
            plans.extend(self.plan(fault, &name));
        }
        plans
    }

    fn plan(&mut self, fault: &Placed<Fault>, name: &str) -> Option<FaultPlan> {
        let kind = &fault.fault.value;
        self.kind_is_right(&fault.fault);
        let scope = self.scope(fault);
        let trigger = self.trigger(fault)?;
        let info = kind.info();
        if let Some(lasts) = &fault.lasts {
            self.loader.distribution(lasts.place, lasts);
            if info.momentary {
                let found = format!("{} that lasts", info.name);
                self.loader.problems.add(lasts.place, found, "it is over as soon as it has struck; leave lasts out");
            }
        }
        if let Some(ramp) = fault.ramp.as_ref().filter(|_| !matches!(info.subject, Subject::Nodes | Subject::Pods)) {
            let remedy = "only what strikes nodes or pods one by one has a ramp";
            self.loader.problems.add(ramp.place, format!("{} with a ramp", info.name), remedy);
        }
        let targets = fault.on.as_ref();
        Some(FaultPlan {
            name: Name::new(name),
            stream: StreamKey::new(name),
            kind: kind.clone(),
            kinds: self.api_kinds(kind),
            scope,
            count: targets.and_then(|on| on.count.as_ref()).map(|count| count.value),
            trigger,
            lasts: fault.lasts.as_ref().map(|lasts| lasts.value.clone()),
            times: fault.times.unwrap_or(u32::MAX),
            ramp: fault.ramp.as_ref().map_or(SimDuration::ZERO, |ramp| ramp.value),
            chance: self.percent(fault.chance.as_ref()).unwrap_or(100),
        })
    }

    fn percent(&mut self, percent: Option<&Placed<u8>>) -> Option<u8> {
        let percent = percent?;
        if percent.value > 100 {
            self.loader.problems.add(percent.place, format!("{} per cent", percent.value), "choose 0 to 100");
        }
        Some(percent.value)
    }

    /// Checks what a kind states.
    fn kind_is_right(&mut self, kind: &Placed<FaultKind>) {
        for distribution in kind.value.distributions() {
            self.loader.distribution(kind.place, distribution);
        }
        if let Some(percent) = kind.value.percent() {
            self.percent(Some(&Placed::new(kind.place, percent)));
        }
        match &kind.value {
            FaultKind::SlowNode(SlowNode { factor }) if factor.value < 2 => {
                self.loader.problems.add(factor.place, format!("a factor of {}", factor.value), "choose 2 or more");
            }
            FaultKind::CpuSteal(CpuSteal { percent }) if percent.value > 99 => {
                self.loader.problems.add(percent.place, format!("{} per cent", percent.value), "choose 0 to 99");
            }
            FaultKind::PoisonRequest(PoisonRequest { service, namespace, .. }) => {
                self.loader.named.push((service.place, Kind::Service, namespace.clone(), service.value.clone()));
            }
            FaultKind::NodeTaint(NodeTaint { taint }) => {
                if let Err(found) = super::machines::taint(taint) {
                    let remedy = "write key=value:NoSchedule, PreferNoSchedule or NoExecute";
                    self.loader.problems.add(taint.place, found, remedy);
                }
            }
            FaultKind::BadImage(BadImage { object, namespace, container, .. }) => {
                self.object_is_known(object, namespace, &ROLLED_OUT);
                self.loader.has_container(object, namespace.as_deref(), container);
            }
            FaultKind::RolloutRestart(RolloutRestart { object, namespace }) => {
                self.object_is_known(object, namespace, &ROLLED_OUT);
            }
            FaultKind::ScaleTo(ScaleTo { object, namespace, .. }) => {
                let scaled = [Kind::Deployment, Kind::ReplicaSet, Kind::ReplicationController, Kind::StatefulSet];
                self.object_is_known(object, namespace, &scaled);
            }
            FaultKind::ObjectLoss(ObjectLoss { object, namespace })
            | FaultKind::WrongOwner(WrongOwner { object, namespace }) => {
                let lost = [Kind::ConfigMap, Kind::Secret, Kind::Service];
                self.object_is_known(object, namespace, &[lost.as_slice(), &ROLLED_OUT].concat());
            }
            FaultKind::ConfigChange(ConfigChange { object, namespace, .. }) => {
                self.object_is_known(object, namespace, &[Kind::ConfigMap]);
            }
            _ => {}
        }
    }

    fn object_is_known(&mut self, object: &Placed<String>, namespace: &Option<String>, can: &[Kind]) {
        match names::object(object) {
            Ok((kind, name)) if can.contains(&kind) => {
                self.loader.named.push((object.place, kind, namespace.clone(), name.to_owned()));
            }
            Ok((kind, _)) => {
                let able: Vec<String> = can.iter().map(|kind| kind.as_str().to_lowercase()).collect();
                let found = format!("the {kind} {:?}", object.value);
                self.loader.problems.add(object.place, found, format!("this works on {}", able.join(", ")));
            }
            Err((found, remedy)) => self.loader.problems.add(object.place, found, remedy),
        }
    }

    fn api_kinds(&mut self, kind: &FaultKind) -> Vec<Kind> {
        let written = match kind {
            FaultKind::ApiErrors(errors) => &errors.kinds,
            FaultKind::WebhookDown(webhook) => &webhook.kinds,
            _ => return Vec::new(),
        };
        let read: Vec<Option<Kind>> = written.iter().map(|text| self.api_kind(text)).collect();
        read.into_iter().flatten().collect()
    }

    fn api_kind(&mut self, text: &Placed<String>) -> Option<Kind> {
        names::kind(text).map_err(|(found, remedy)| self.loader.problems.add(text.place, found, remedy)).ok()
    }

    fn glob(&mut self, text: Option<&Placed<String>>) -> Option<Glob> {
        let text = text?;
        match text.parse() {
            Ok(glob) => Some(glob),
            Err(error) => {
                self.loader.problems.add(text.place, error, "patterns are made of *, ? and [ab]");
                None
            }
        }
    }

    fn scope(&mut self, fault: &Placed<Fault>) -> Scope {
        let info = fault.fault.value.info();
        let Some(on) = &fault.on else {
            if matches!(info.subject, Subject::Nodes | Subject::Pods) {
                let remedy = match info.subject {
                    Subject::Nodes => "say which nodes: on: (nodes: \"node-1\"), (zone: \"a\") or (share: 50)",
                    _ => "say which pods: on: (pods: \"web-*\") or (labels: {\"app\": \"web\"}, count: 1)",
                };
                self.loader.problems.add(fault.place, format!("{} without what it strikes", info.name), remedy);
            }
            return Scope::default();
        };
        self.subject_is_right(info.name, info.subject, on);
        let of_machines = on.nodes.is_some() || on.zone.is_some() || on.count.is_some();
        if matches!(fault.fault.value, FaultKind::MutatedResources(_)) && of_machines {
            let remedy = "new pods are on no node, and not counted: say pods, namespace, labels, containers or share";
            self.loader.problems.add(on.place, "what MutatedResources cannot strike", remedy);
        }
        let mut labels: Labels = on.labels.iter().map(|(key, value)| (Name::new(key), Name::new(value))).collect();
        let of_nodes = matches!(info.subject, Subject::Nodes | Subject::Wires);
        let nodes = self.nodes(on, of_nodes.then(|| std::mem::take(&mut labels)));
        if let Some(pods) = &on.pods {
            let namespace = on.namespace.as_ref().map(|namespace| namespace.value.clone());
            self.loader.named.push((pods.place, Kind::Pod, namespace, pods.value.clone()));
        }
        Scope {
            nodes,
            pods: self.glob(on.pods.as_ref()),
            namespace: self.glob(on.namespace.as_ref()),
            containers: on.containers.clone(),
            labels,
            share: self.percent(on.share.as_ref()),
        }
    }

    fn subject_is_right(&mut self, name: &str, subject: Subject, on: &Placed<Targets>) {
        let of_pods = on.pods.is_some() || on.namespace.is_some() || on.containers.is_some();
        let (wrong, remedy) = match subject {
            Subject::Cluster => (true, "it strikes one thing; leave on out"),
            Subject::Wires | Subject::Nodes => (of_pods, "it strikes nodes: say nodes, zone, labels, count or share"),
            Subject::Pods | Subject::Scope => (false, ""),
        };
        if wrong {
            self.loader.problems.add(on.place, format!("what {name} cannot strike"), remedy);
        }
    }

    /// The machines that are meant; none if nothing is said of machines.
    fn nodes(&mut self, on: &Targets, labels: Option<Labels>) -> Option<Vec<Name>> {
        let labels = labels.filter(|labels| !labels.is_empty());
        if on.nodes.is_none() && on.zone.is_none() && labels.is_none() {
            return None;
        }
        let mut named: Vec<Name> = match &on.nodes {
            None => self.machines.iter().map(|machine| machine.node.name).collect(),
            Some(pattern) => {
                let found = self.loader.nodes_named(pattern);
                if found.is_empty() {
                    self.loader.named.push((pattern.place, Kind::Node, None, pattern.value.clone()));
                }
                found
            }
        };
        let label = |node: &Name, key: Name| {
            self.machines.iter().find(|machine| machine.node.name == *node)?.node.labels.get(key)
        };
        if let Some(zone) = &on.zone {
            let wanted = Name::new(&zone.value);
            let known: BTreeSet<Name> =
                self.machines.iter().filter_map(|machine| machine.node.labels.get(*ZONE_LABEL)).collect();
            if !known.contains(&wanted) {
                let known = known.iter().map(|zone| zone.as_str());
                let remedy = suggestion(&zone.value, known);
                self.loader.problems.add(zone.place, format!("the zone {:?}, which no node is in", zone.value), remedy);
            }
            named.retain(|node| label(node, *ZONE_LABEL) == Some(wanted));
        }
        for (key, value) in labels.iter().flat_map(Labels::iter) {
            named.retain(|node| label(node, key) == Some(value));
        }
        Some(named)
    }

    fn trigger(&mut self, fault: &Placed<Fault>) -> Option<PlannedTrigger> {
        if let (Some(at), Some(_)) = (&fault.at, &fault.when) {
            self.loader.problems.add(at.place, "both at and when", "say one of them");
        }
        if let Some(when) = &fault.when {
            if let Some(every) = &fault.every {
                self.loader.problems.add(every.place, "every beside when", "it goes with at");
            }
            return self.when(when, fault.times);
        }
        let at = fault.at.unwrap_or_else(|| Placed::new(fault.place, SimDuration::ZERO));
        self.loader.in_time(&at, self.duration);
        let mut times = vec![SimTime::ZERO + at.value];
        if let Some(every) = &fault.every {
            if every.is_zero() {
                self.loader.problems.add(every.place, "every 0s", "say how far apart, such as \"30s\"");
                return None;
            }
            let (end, most) = (SimTime::ZERO + self.duration, fault.times.unwrap_or(u32::MAX) as usize);
            let mut next = times[0] + every.value;
            while next <= end && times.len() < most.min(MOST_TIMES) {
                times.push(next);
                next += every.value;
            }
        }
        Some(PlannedTrigger::Times(times))
    }

    fn when(&mut self, when: &Placed<Trigger>, times: Option<u32>) -> Option<PlannedTrigger> {
        match &when.value {
            Trigger::Cron(schedule) => self.cron(schedule, times),
            Trigger::After(distribution) => {
                self.loader.distribution(distribution.place, distribution);
                Some(PlannedTrigger::After(distribution.value.clone()))
            }
            Trigger::Once(formula) | Trigger::Each(formula) => {
                let once = matches!(when.value, Trigger::Once(_));
                let loader = &mut *self.loader;
                let expectation = expect::parse(formula, self.duration, &loader.makeable, &mut loader.problems)?;
                if !matches!(expectation.clause, Clause::End(_)) {
                    let remedy = "write a formula alone, such as deployment(web).readyReplicas == 3";
                    loader.problems.add(formula.place, "a sentence about when something holds", remedy);
                    return None;
                }
                Some(PlannedTrigger::Holds { formula: expectation, once })
            }
            Trigger::Call(call) => {
                if let Some(verb) = call.verb.as_ref().filter(|verb| !VERBS.contains(&verb.as_str())) {
                    let remedy = suggestion(verb, VERBS);
                    self.loader.problems.add(verb.place, format!("the verb {:?}", verb.value), remedy);
                }
                let kind = match &call.kind {
                    None => None,
                    Some(text) => Some(self.api_kind(text)?),
                };
                let verb = call.verb.as_ref().map(|verb| Name::new(verb)).unwrap_or_default();
                Some(PlannedTrigger::Call { by: call.by, verb, kind, nth: call.nth.unwrap_or(1).max(1) })
            }
        }
    }

    fn cron(&mut self, schedule: &Placed<String>, times: Option<u32>) -> Option<PlannedTrigger> {
        let Some(parsed) = Schedule::parse(schedule, "") else {
            let found = format!("the schedule {:?}", schedule.value);
            self.loader.problems.add(schedule.place, found, "write it as a CronJob's, such as \"*/5 * * * *\"");
            return None;
        };
        let clock = WallClock::starting_at(self.start);
        let end = SimTime::ZERO + self.duration;
        let mut stamp: Timestamp = self.start.truncated();
        let mut due = Vec::new();
        while let Some(next) = parsed.next(stamp) {
            let at = clock.when(WallTime::from_unix_nanos(next.unix_secs().saturating_mul(1_000_000_000)));
            if at > end || due.len() >= (times.unwrap_or(u32::MAX) as usize).min(MOST_TIMES) {
                break;
            }
            due.push(at);
            stamp = next;
        }
        if due.is_empty() {
            let found = format!("the schedule {:?}, which is never due", schedule.value);
            self.loader.problems.add(schedule.place, found, "choose a longer duration or another start");
        }
        Some(PlannedTrigger::Times(due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::KINDS;
    use crate::scenario::Scenario;

    const POD: &str =
        "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: nginx}]}}";

    fn problems(fault: &str) -> String {
        let text =
            format!("(nodes: [Pool(count: 2, zones: [\"a\"])], manifests: [Inline({POD:?})],\nfaults: [{fault}])");
        let files = BTreeMap::from([("f.ron", text.as_str())]);
        Scenario::load("f.ron", &files).map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (fault, says) in [
            ("(fault: PowerLoss)", "f.ron:2:10: PowerLoss without what it strikes; say which nodes"),
            ("(fault: PowerLos, on: (nodes: \"node-1\"))", "PowerLos"),
            ("(fault: PowerLoss, on: (nodes: \"nod-1\"))", "f.ron:2:42: the node \"nod-1\", which is in no pool"),
            ("(fault: PowerLoss, on: (zone: \"b\"))", "the zone \"b\", which no node is in"),
            ("(fault: PowerLoss, on: (pods: \"web\"))", "what PowerLoss cannot strike; it strikes nodes"),
            ("(fault: ApiUnavailable, on: (nodes: \"*\"))", "leave on out"),
            ("(fault: ApiUnavailable, at: \"1h\")", "1h is after the end"),
            ("(fault: ApiUnavailable, at: \"1m\", when: Cron(\"* * * * *\"))", "both at and when"),
            ("(fault: ApiUnavailable, when: Cron(\"* * *\"))", "the schedule \"* * *\"; write it as a CronJob's"),
            ("(fault: ApiUnavailable, when: Once(\"always pod(web).ready\"))", "write a formula alone"),
            ("(fault: ApiUnavailable, when: Once(\"pod(web).raedy\"))", "raedy"),
            (
                "(fault: ApiUnavailable, when: Call(by: User, verb: \"creat\"))",
                "the verb \"creat\"; did you mean create?",
            ),
            ("(fault: ApiErrors(percent: 200))", "200 per cent; choose 0 to 100"),
            ("(fault: ApiErrors(kinds: [\"podd\"]))", "the kind \"podd\""),
            ("(fault: PodKill(), on: (pods: \"wob\"))", "the pod \"wob\", which no manifest makes"),
            ("(fault: PodKill(), on: (pods: \"web\"), lasts: \"1m\")", "PodKill that lasts; it is over"),
            ("(fault: ScaleTo(object: \"pod/web\", replicas: 1))", "this works on deployment"),
            ("(fault: ApiUnavailable), (fault: ApiUnavailable, name: \"ApiUnavailable\")", "two faults named"),
            ("(fault: ApiUnavailable, every: \"0s\")", "every 0s; say how far apart"),
            ("(fault: CpuSteal(percent: 100), on: (share: 50))", "100 per cent; choose 0 to 99"),
            (
                "(fault: MutatedResources(), on: (nodes: \"*\"))",
                "what MutatedResources cannot strike; new pods are on no",
            ),
            ("(fault: ApiUnavailable, ramp: \"1s\")", "ApiUnavailable with a ramp"),
        ] {
            let found = problems(fault);
            assert!(found.contains(says), "{fault}: {found}");
        }
    }

    #[test]
    fn every_kind_is_read_as_it_is_shown() {
        let manifests = concat!(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}\n---\n",
            "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}\n---\n",
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}}, ",
            "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}}\n---\n",
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: db}, spec: {selector: {matchLabels: {app: db}}, ",
            "template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: db}]}}}}\n",
        );
        for info in KINDS {
            let text = format!(
                "(nodes: [Pool(count: 3, zones: [\"a\"], labels: {{\"lifecycle\": \"spot\"}})], duration: \"30m\", \
                 manifests: [Inline({manifests:?})], faults: [{}])",
                info.example
            );
            let files = BTreeMap::from([("f.ron", text.as_str())]);
            let scenario = Scenario::load("f.ron", &files).unwrap_or_else(|found| panic!("{}: {found}", info.name));
            assert_eq!(scenario.plan(1).faults.len(), 1, "{}", info.name);
        }
    }
}
