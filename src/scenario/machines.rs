//! Node pools to machines.

use super::error::{Problems, suggestion};
use super::file::{ClusterAutoscaler, NodePool};
use super::outline::Placed;
use super::plan::{ClusterLimits, NodeGroup, NodePlan};
use crate::api::{
    Amount, CPU, EPHEMERAL_STORAGE, Labels, MEMORY, Name, PODS, ResourceList, Taint, TaintEffect, ZONE_LABEL,
};
use crate::engine::{Distribution, Draws, Purpose, SimDuration, StreamKey};
use std::sync::Arc;

const UPTIME: Purpose = Purpose::new("scenario: age of a machine");

/// The most machines of a cluster.
const MOST_NODES: usize = 65_000;
/// The memory that a kubelet keeps back by default (`memory.available<100Mi`).
const EVICTION_MEMORY: i64 = 100 << 20;

/// A machine, but for what depends on the seed.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    /// The plan of it.
    pub node: NodePlan,
    /// How long it has run at the start.
    pub uptime: Distribution,
    /// When it joins, unless it is there from the start.
    pub join: Option<Placed<SimDuration>>,
    /// The pool that it is of, by place, if that is scaled.
    pub pool: Option<usize>,
}

impl Machine {
    /// The machine for a seed.
    pub(super) fn plan(&self, draws: Draws) -> NodePlan {
        let uptime = draws.sample(&self.uptime, UPTIME, StreamKey::new(&self.node.name), 0);
        NodePlan { uptime, ..self.node.clone() }
    }
}

/// How long machines have run at the start, if nothing is said: a cluster that has settled.
pub(super) fn settled() -> Distribution {
    Distribution::Uniform { min: SimDuration::from_mins(2), max: SimDuration::from_mins(30) }
}

/// The machines of all pools, in order.
pub(super) fn machines(pools: &[Placed<NodePool>], problems: &mut Problems) -> Vec<Machine> {
    let mut machines: Vec<Machine> = Vec::new();
    for (place_of_pool, pool) in pools.iter().enumerate() {
        let count = (first_of(pool) as usize).max(pool.autoscale.as_ref().map_or(0, |scale| scale.max as usize));
        if machines.len() + count > MOST_NODES {
            let place = pool.count.as_ref().map_or(pool.place, |count| count.place);
            problems.add(place, format!("{count} machines"), format!("at most {MOST_NODES} machines are simulated"));
            continue;
        }
        if let Err(error) = pool.uptime.as_ref().map_or(Ok(()), Distribution::validate) {
            problems.add(pool.place, format!("uptime: {error}"), "correct the distribution");
            continue;
        }
        if let Some(scale) = &pool.autoscale
            && (scale.max < scale.min.max(first_of(pool)) || scale.max == 0)
        {
            let found =
                format!("at most {} machines, at least {}, {} to begin with", scale.max, scale.min, first_of(pool));
            problems.add(scale.place, found, "let max be the largest of the three, and more than zero");
            continue;
        }
        for mut machine in pool_machines(pool, count, problems) {
            machine.pool = pool.autoscale.as_ref().map(|_| place_of_pool);
            if machines.iter().any(|other| other.node.name == machine.node.name) {
                let place = pool.name.as_ref().map_or(pool.place, |name| name.place);
                let remedy = "give each pool a name of its own, such as name: \"big-{}\"";
                problems.add(place, format!("a second node {:?}", machine.node.name), remedy);
                break;
            }
            machines.push(machine);
        }
    }
    machines
}

/// How many machines of a pool are there from the start.
fn first_of(pool: &NodePool) -> u32 {
    pool.count.as_ref().map_or(1, |count| count.value)
}

/// The groups of an autoscaler.
pub(super) fn groups(pools: &[Placed<NodePool>], machines: &[Machine]) -> Vec<NodeGroup> {
    let group = |(place, pool): (usize, &Placed<NodePool>)| {
        let scale = pool.autoscale.as_ref()?;
        let named = pool.name.as_ref().map_or("node-{}", |name| name.value.as_str());
        let half_to_one_and_a_half =
            Distribution::Uniform { min: SimDuration::from_secs(30), max: SimDuration::from_secs(90) };
        Some(NodeGroup {
            name: Name::new(named.replace("{}", "").trim_matches(['-', '.'])),
            min: scale.min as usize,
            machines: machines.iter().filter(|one| one.pool == Some(place)).map(|one| one.node.name).collect(),
            first: first_of(pool) as usize,
            provision: scale.provision.clone().unwrap_or(half_to_one_and_a_half),
            unneeded: scale.unneeded.unwrap_or(SimDuration::from_mins(10)),
            unready: scale.unready.unwrap_or(SimDuration::from_mins(20)),
            ignore_daemons: scale.ignore_daemonsets_utilization,
            ignore_mirrors: scale.ignore_mirror_pods_utilization,
        })
    };
    pools.iter().enumerate().filter_map(group).collect()
}

/// The limits of an autoscaler.
pub(super) fn limits(scaler: Option<&Placed<ClusterAutoscaler>>, problems: &mut Problems) -> ClusterLimits {
    let mut limits = ClusterLimits::default();
    let Some(scaler) = scaler else { return limits };
    for (place, bounds) in [&scaler.cores_total, &scaler.memory_total].into_iter().enumerate() {
        if let Some(min) = &bounds.min {
            limits.least[place] = min.value();
        }
        if let Some(max) = &bounds.max {
            limits.most[place] = max.value();
        }
        if limits.least[place] > limits.most[place] {
            let (least, most) = (limits.least[place], limits.most[place]);
            problems.add(
                scaler.place,
                format!("a least of {least} above the most, {most}"),
                "give a `max` above `min`",
            );
        }
    }
    limits
}

fn pool_machines(pool: &Placed<NodePool>, count: usize, problems: &mut Problems) -> Vec<Machine> {
    let pattern = pool.name.as_ref().map_or("node-{}", |name| name.value.as_str());
    let pattern = if pattern.contains("{}") || count == 1 { pattern.to_owned() } else { format!("{pattern}-{{}}") };
    if !is_node_name(&pattern.replace("{}", "1")) {
        let place = pool.name.as_ref().map_or(pool.place, |name| name.place);
        let remedy = "node names consist of lower case letters, digits, '-' and '.'";
        problems.add(place, format!("the name {pattern:?}"), remedy);
        return Vec::new();
    }
    let capacity = capacity(pool, problems);
    let allocatable = allocatable(pool, &capacity);
    let taints: Vec<Taint> = pool
        .taints
        .iter()
        .filter_map(|text| match taint(&text.value) {
            Ok(taint) => Some(taint),
            Err(found) => {
                problems.add(text.place, found, "write key=value:NoSchedule, PreferNoSchedule or NoExecute");
                None
            }
        })
        .collect();
    let labels: Labels = pool.labels.iter().map(|(key, value)| (Name::new(key), Name::new(&value.value))).collect();
    let kubelet = Arc::new(pool.kubelet.clone());
    let machine = |n: usize| {
        let zone = pool.zones.get(n % pool.zones.len().max(1));
        let labels = zone.map_or_else(|| labels.clone(), |zone| labels.with(*ZONE_LABEL, Name::new(zone)));
        let node = NodePlan {
            name: Name::new(&pattern.replace("{}", &(n + 1).to_string())),
            capacity: capacity.clone(),
            allocatable: allocatable.clone(),
            labels,
            taints: taints.clone(),
            present: pool.join.is_none() && n < first_of(pool) as usize,
            uptime: SimDuration::ZERO,
            kubelet: kubelet.clone(),
            load: Arc::default(),
        };
        Machine { node, uptime: pool.uptime.clone().unwrap_or_else(settled), join: pool.join, pool: None }
    };
    (0..count).map(machine).collect()
}

/// The amount of a resource in the unit that the scheduler counts it in.
fn counted(name: &str, amount: &Amount) -> i64 {
    if name == "cpu" { amount.milli_value() } else { amount.value() }
}

fn capacity(pool: &Placed<NodePool>, problems: &mut Problems) -> ResourceList {
    const KNOWN: [&str; 4] = ["cpu", "memory", "pods", "ephemeral-storage"];
    let mut capacity: ResourceList =
        [(*CPU, 4_000), (*MEMORY, 16 << 30), (*EPHEMERAL_STORAGE, 100 << 30), (*PODS, 110)].into_iter().collect();
    for name in pool.capacity.keys().chain(pool.reserved.keys()) {
        let extended = name.contains('/') || name.starts_with("hugepages-");
        if !extended && !KNOWN.contains(&name.as_str()) {
            let remedy = format!("{} (extended resources have a slash: example.com/dongle)", suggestion(name, KNOWN));
            problems.add(pool.place, format!("the resource {name:?}"), remedy);
        }
    }
    for (name, amount) in &pool.capacity {
        capacity = capacity.with(Name::new(name), counted(name, amount));
    }
    capacity
}

fn allocatable(pool: &NodePool, capacity: &ResourceList) -> ResourceList {
    let kept = |name: Name, amount: i64| match pool.reserved.get(&*name) {
        Some(reserved) => counted(&name, reserved),
        None if name == *MEMORY => EVICTION_MEMORY,
        None if name == *EPHEMERAL_STORAGE => amount / 10,
        None => 0,
    };
    capacity.iter().map(|(name, amount)| (name, (amount - kept(name, amount)).max(0))).collect()
}

fn is_node_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 253 && name.chars().all(inner) && outer(name.chars().next()) && outer(name.chars().next_back())
}

/// A taint as kubectl writes it: `key=value:Effect`, the value may be missing.
pub(crate) fn taint(text: &str) -> Result<Taint, String> {
    let wrong = || format!("the taint {text:?}");
    let (what, effect) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (key, value) = what.split_once('=').unwrap_or((what, ""));
    let effect = match effect {
        "NoSchedule" => TaintEffect::NoSchedule,
        "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
        "NoExecute" => TaintEffect::NoExecute,
        _ => return Err(wrong()),
    };
    if key.is_empty() {
        return Err(wrong());
    }
    Ok(Taint { key: Name::new(key), value: Name::new(value), effect, time_added: None })
}

/// Capacities as the command line takes them: `cpu=4,memory=16Gi,pods=110,example.com/dongle=4`.
///
/// # Errors
/// What was found and what would do.
pub(super) fn capacities(text: &str) -> Result<Vec<(String, Amount)>, String> {
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts
        .map(|part| {
            let (name, amount) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} in the capacity; write it like cpu=4,memory=16Gi,pods=110"))?;
            Ok((name.trim().to_owned(), Amount::parse(amount.trim())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Place;

    fn placed<T>(value: T) -> Placed<T> {
        Placed::new(Place::start_of("f"), value)
    }

    fn amount(text: &str) -> Amount {
        Amount::parse(text).expect("a quantity")
    }

    #[test]
    fn pools_become_machines_with_names_zones_and_what_may_be_promised() {
        let pool = NodePool {
            count: Some(placed(3)),
            name: Some(placed("big-{}".to_owned())),
            capacity: [("cpu".to_owned(), amount("8")), ("example.com/dongle".to_owned(), amount("2"))].into(),
            reserved: [("cpu".to_owned(), amount("500m"))].into(),
            zones: vec!["a".into(), "b".into()],
            taints: vec![placed("dedicated=gpu:NoSchedule".to_owned())],
            ..NodePool::default()
        };
        let mut problems = Problems::default();
        let machines = machines(&[placed(pool)], &mut problems);
        assert!(problems.is_empty(), "{problems}");
        let names: Vec<&str> = machines.iter().map(|machine| machine.node.name.as_str()).collect();
        assert_eq!(names, ["big-1", "big-2", "big-3"]);
        let zones: Vec<_> = machines.iter().filter_map(|machine| machine.node.labels.get(*ZONE_LABEL)).collect();
        assert_eq!(zones, ["a", "b", "a"]);
        let first = &machines[0].node;
        assert_eq!(first.capacity.get("example.com/dongle".into()), Some(2));
        assert_eq!((first.capacity.milli_cpu(), first.allocatable.milli_cpu()), (8_000, 7_500));
        assert_eq!(first.allocatable.memory(), (16 << 30) - (100 << 20));
    }

    #[test]
    fn what_is_wrong_with_a_pool_is_told() {
        for (pool, says) in [
            (NodePool { name: Some(placed("Big".into())), ..NodePool::default() }, "lower case"),
            (NodePool { count: Some(placed(1_000_000)), ..NodePool::default() }, "at most 65000"),
            (
                NodePool { capacity: [("cpus".to_owned(), amount("8"))].into(), ..NodePool::default() },
                "did you mean cpu?",
            ),
            (NodePool { taints: vec![placed("a=b".into())], ..NodePool::default() }, "NoSchedule"),
        ] {
            let mut problems = Problems::default();
            machines(&[placed(pool)], &mut problems);
            assert!(problems.to_string().contains(says), "{problems}");
        }
        let mut problems = Problems::default();
        machines(&[placed(NodePool::default()), placed(NodePool::default())], &mut problems);
        assert!(problems.to_string().contains("a second node \"node-1\""), "{problems}");
    }
}
