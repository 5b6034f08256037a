//! Faults drawn at random: for each seed some of the kinds, together, as nobody would think of putting them.
//!
//! Swarm testing (Groce and others, ISSTA 2012): a seed leaves most kinds out, so that those it has meet each other
//! more often than if all of them were always there. All are over by a given time, so that what has to recover has time
//! to. Each is written as a scenario would write it, by shares rather than by names, so that it can be kept and made
//! smaller.

use super::{KINDS, KindInfo, Subject};
use crate::engine::{Draw, Draws, Purpose, SimDuration, StreamKey};

const SWARM: Purpose = Purpose::new("fault swarm");
const MEMBER: Purpose = Purpose::new("fault of a small swarm");
/// Per cent of the kinds that a seed has.
const SHARE: u64 = 12;

/// What faults of a scenario can be about that have to be named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwarmTargets {
    /// Deployments by namespace and name, with the name of a container.
    pub deployments: Vec<(String, String, String)>,
    /// ConfigMaps and Services by kind, namespace and name.
    pub objects: Vec<(&'static str, String, String)>,
}

impl SwarmTargets {
    fn deployment(&self, draw: &mut Draw) -> Option<&(String, String, String)> {
        self.deployments.get(draw.below(self.deployments.len() as u64) as usize)
    }
}

/// The faults of a seed, as a scenario writes them, which begin and are healed before an end.
///
/// ```
/// use podsim::engine::SimDuration;
/// use podsim::faults::{SwarmTargets, swarm};
/// let faults = swarm(7, SimDuration::from_mins(5), &SwarmTargets::default());
/// assert_eq!(faults, swarm(7, SimDuration::from_mins(5), &SwarmTargets::default()));
/// ```
pub fn swarm(seed: u64, end: SimDuration, targets: &SwarmTargets) -> Vec<String> {
    let drawn = KINDS.iter().filter_map(|info| {
        let mut draw = Draws::new(seed).draw(SWARM, StreamKey::new(info.name), 0);
        (draw.below(100) < SHARE).then(|| written(info, end, targets, &mut draw)).flatten()
    });
    drawn.collect()
}

/// The same, but no more than so many, drawn from those.
pub fn swarm_of(seed: u64, end: SimDuration, targets: &SwarmTargets, most: usize) -> Vec<String> {
    let mut drawn: Vec<(u64, usize, String)> = swarm(seed, end, targets)
        .into_iter()
        .enumerate()
        .map(|(place, fault)| (Draws::new(seed).draw(MEMBER, StreamKey::new(&fault), 0).bits(), place, fault))
        .collect();
    drawn.sort_unstable();
    drawn.truncate(most);
    drawn.sort_unstable_by_key(|(_, place, _)| *place);
    drawn.into_iter().map(|(_, _, fault)| fault).collect()
}

fn written(info: &KindInfo, end: SimDuration, targets: &SwarmTargets, draw: &mut Draw) -> Option<String> {
    let kind = kind(info.name, targets, draw)?;
    let on = selection(info, draw);
    let latest = end.mul_ratio(3, 4);
    let at = draw.between(SimDuration::ZERO, latest);
    if info.momentary {
        // Over, with what it leads to at once, a little before everything has to be.
        return Some(format!("(fault: {kind}{on}, at: \"{}ms\")", millis(at)));
    }
    let left = end.saturating_sub(at);
    let lasts = draw.between(SimDuration::from_secs(1), left.max(SimDuration::from_secs(2)));
    Some(format!("(fault: {kind}{on}, at: \"{}ms\", lasts: \"{}ms\")", millis(at), millis(lasts.min(left))))
}

fn millis(span: SimDuration) -> u64 {
    span.as_nanos() / 1_000_000
}

/// What a fault strikes: a share, drawn by name.
fn selection(info: &KindInfo, draw: &mut Draw) -> String {
    let share = 10 + draw.below(91);
    match info.subject {
        Subject::Cluster => String::new(),
        Subject::Wires if draw.below(2) == 0 => String::new(),
        Subject::Wires | Subject::Nodes if draw.below(3) == 0 => ", on: (count: 1)".to_owned(),
        Subject::Wires | Subject::Nodes | Subject::Pods | Subject::Scope => {
            format!(", on: (share: {share})")
        }
    }
}

fn one_of<T: Copy>(draw: &mut Draw, all: &[T]) -> T {
    all[draw.below(all.len() as u64) as usize]
}

/// The kind with what it states.
fn kind(name: &str, targets: &SwarmTargets, draw: &mut Draw) -> Option<String> {
    let of = one_of(draw, &["", "of: [Scheduler], ", "of: [ControllerManager], ", "of: [Kubelet], ", "of: [Proxy], "]);
    let seconds = 1 + draw.below(20);
    let percent = 5 + draw.below(90);
    let text = match name {
        "Partition" => {
            let direction = one_of(draw, &["Both", "ToServer", "FromServer"]);
            format!("Partition({of}direction: {direction})")
        }
        "ApiLatency" => format!("ApiLatency({of}by: Exponential(mean: \"{}ms\"))", seconds * 100),
        "PacketLoss" => format!("PacketLoss({of}percent: {})", percent / 2),
        "DuplicateCalls" => format!("DuplicateCalls({of}percent: {percent})"),
        "WatchLag" => format!("WatchLag({of}by: \"{seconds}s\")"),
        "WatchLoss" => format!("WatchLoss({of})"),
        "ApiErrors" => {
            let error =
                one_of(draw, &["TooManyRequests", "InternalError", "Conflict", "Forbidden", "Timeout", "TooLarge"]);
            format!("ApiErrors({of}percent: Some({percent}), error: {error})")
        }
        "EventLoss" => format!("EventLoss(percent: Some({percent}))"),
        "WebhookDown" => {
            let policy = one_of(draw, &["Fail", "Ignore"]);
            format!("WebhookDown(kinds: [\"pods\"], policy: {policy}, timeout: \"{seconds}s\")")
        }
        "LeaderChange" => format!("LeaderChange(of: {})", one_of(draw, &["Scheduler", "ControllerManager"])),
        "Reboot" => format!("Reboot(disk: {})", one_of(draw, &["Kept", "Lost"])),
        "SlowNode" => format!("SlowNode(factor: {})", 2 + draw.below(300)),
        "ClockSkew" => format!("ClockSkew({}: \"{}s\")", one_of(draw, &["ahead", "behind"]), seconds * 30),
        "NodeTaint" => format!("NodeTaint(taint: \"swarm=yes:{}\")", one_of(draw, &["NoSchedule", "NoExecute"])),
        "Drain" => format!("Drain(force: {}, disable_eviction: {})", draw.below(2) == 0, draw.below(4) == 0),
        "SpotReclaim" => format!("SpotReclaim(notice: \"{seconds}s\")"),
        "NodeLabelLoss" => "NodeLabelLoss(label: \"disktype\")".to_owned(),
        "NodePressure" => one_of(
            draw,
            &[
                "NodePressure(memory: \"50Mi\")",
                "NodePressure(nodefs: \"1Gi\")",
                "NodePressure(inodes: Some(1000))",
                "NodePressure(pids: Some(32600))",
            ],
        )
        .to_owned(),
        "PullFailure" => {
            let all = ["NotFound", "Unauthorized", "Timeout", "RegistryUnavailable", "TooManyRequests", "Corrupt"];
            format!("PullFailure(result: {}, percent: Some({percent}))", one_of(draw, &all))
        }
        "PullDelay" => format!("PullDelay(by: \"{seconds}s\")"),
        "ProcessExit" => format!("ProcessExit(code: {})", draw.below(3)),
        "CrashLoop" => format!("CrashLoop(after: Exponential(mean: \"{seconds}s\"), code: {})", draw.below(3)),
        "SlowStop" => format!("SlowStop(by: \"{seconds}s\")"),
        "MemoryLeak" => format!("MemoryLeak(per_minute: \"{}Mi\")", seconds * 64),
        "MemoryStep" => format!("MemoryStep(by: \"{}Mi\")", seconds * 64),
        "DiskFill" => {
            let into = one_of(draw, &["Logs", "Layer", "EmptyDir(\"scratch\")"]);
            format!("DiskFill(into: {into}, per_minute: \"{seconds}Gi\")")
        }
        "ListenerFailure" => {
            let answer = one_of(draw, &["Refused", "Hang", "Reset", "Close", "Garbage", "Status(code: 503)"]);
            format!("ListenerFailure(answer: {answer}, percent: Some({percent}))")
        }
        "ListenerDelay" => format!("ListenerDelay(by: Exponential(mean: \"{}ms\"))", seconds * 100),
        "ExecFailure" => {
            let result = one_of(draw, &["Failure", "Hang", "Error"]);
            format!("ExecFailure(result: {result}, percent: Some({percent}))")
        }
        "SandboxFailure" => format!("SandboxFailure(percent: Some({percent}))"),
        "SandboxDelay" => format!("SandboxDelay(by: \"{seconds}s\", teardown: \"{seconds}s\")"),
        "MountDelay" => format!("MountDelay(by: \"{seconds}s\")"),
        "PodKill" => format!("PodKill(force: {})", draw.below(2) == 0),
        "BadImage" | "ScaleTo" => {
            let (namespace, deployment, container) = targets.deployment(draw)?;
            let object = format!("object: \"deployment/{deployment}\", namespace: Some(\"{namespace}\")");
            match name {
                "BadImage" => format!("BadImage({object}, container: \"{container}\", image: \"no.such/image:typo\")"),
                _ => format!("ScaleTo({object}, replicas: {})", draw.below(6)),
            }
        }
        "ObjectLoss" => {
            let all = &targets.objects;
            let (kind, namespace, object) = all.get(draw.below(all.len() as u64) as usize)?;
            format!("ObjectLoss(object: \"{kind}/{object}\", namespace: Some(\"{namespace}\"))")
        }
        "MetricsSpike" => format!("MetricsSpike(percent: {})", percent * 20),
        "HardwareFailure" => format!(
            "HardwareFailure(age: Weibull(scale: \"{}s\", shape: 1.5), repair: \"{seconds}s\")",
            60 + percent * 4
        ),
        "GcPause" => format!("GcPause(pause: \"{}ms\", every: \"{}s\")", percent * 50, 10 + seconds),
        "DescriptorLeak" => format!("DescriptorLeak(per_minute: {}, limit: 1024)", percent * 20),
        "UnreapedChildren" => format!("UnreapedChildren(per_minute: {})", percent * 300),
        "CpuBurst" => format!("CpuBurst(by: \"{}m\")", percent * 20),
        "NamespaceLoss" => {
            // A server does not let go of the namespaces that it made itself.
            let own = ["default", "kube-system", "kube-public", "kube-node-lease"];
            let all = targets.deployments.iter().map(|(namespace, ..)| namespace);
            let namespace = all.into_iter().find(|namespace| !own.contains(&namespace.as_str()))?;
            format!("NamespaceLoss(namespace: \"{namespace}\")")
        }
        "WrongOwner" | "RolloutRestart" => {
            let (namespace, deployment, _) = targets.deployment(draw)?;
            format!("{name}(object: \"deployment/{deployment}\", namespace: Some(\"{namespace}\"))")
        }
        "ConfigChange" => {
            let (_, namespace, object) = targets.objects.iter().find(|(kind, ..)| *kind == "configmap")?;
            format!(
                "ConfigChange(object: \"configmap/{object}\", namespace: Some(\"{namespace}\"), key: \"swarm\", \
                 value: Some(\"{percent}\"))"
            )
        }
        "SlowLeader" => {
            let of = one_of(draw, &["Scheduler", "ControllerManager"]);
            format!("SlowLeader(of: {of}, by: \"{}ms\")", seconds * 50)
        }
        "WrongAllocatable" => format!("WrongAllocatable(resources: {{\"cpu\": \"{}m\"}})", percent * 10),
        "Deadlock" => format!("Deadlock(requests: {})", seconds * 5),
        "ClockFailure" => format!("ClockFailure(from: \"{}s\", code: {})", seconds * 20, draw.below(3)),
        "CpuSteal" => format!("CpuSteal(percent: {})", percent.min(99)),
        "EvictionDelay" => format!("EvictionDelay(by: \"{}s\")", seconds * 5),
        // Neither may keep pods from running after it is over: what they have they keep.
        "StrictLimits" => "StrictLimits(memory: \"1Gi\")".to_owned(),
        "MutatedResources" => {
            let stated = one_of(draw, &["requests: {\"cpu\": \"50m\"}", "limits: {\"memory\": \"1Gi\"}", ""]);
            format!("MutatedResources({stated})")
        }
        "KubeletConfigChange" => {
            let settings = [
                "crash_loop_cap: \"10s\"",
                "serialize_image_pulls: false",
                "sync_frequency: \"10s\"",
                "eviction: (hard: {\"memory.available\": \"17Gi\"})",
            ];
            format!("KubeletConfigChange(kubelet: ({}))", one_of(draw, &settings))
        }
        "PoisonRequest" => {
            let all: Vec<_> = targets.objects.iter().filter(|(kind, ..)| *kind == "service").collect();
            let (_, namespace, service) = all.get(draw.below(all.len() as u64) as usize)?;
            format!(
                "PoisonRequest(service: \"{service}\", namespace: Some(\"{namespace}\"), every: \"{seconds}s\", \
                 retries: {})",
                draw.below(4)
            )
        }
        "StaleNames" => format!("StaleNames(ttl: \"{seconds}s\")"),
        "ProvisionDelay" | "AttachDelay" => format!("{name}(by: \"{seconds}s\")"),
        "LoadSurge" => format!("LoadSurge(percent: {})", percent * 10),
        "LabelChange" => "LabelChange(label: \"app\", value: \"swarm\")".to_owned(),
        // Needs two images that go together.
        "TagMoved" => return None,
        plain => {
            let states = KINDS
                .iter()
                .find(|info| info.name == plain)
                .is_some_and(|info| info.example.contains(&format!("{plain}(")));
            if states { format!("{plain}()") } else { plain.to_owned() }
        }
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_drawn_by_some_seed() {
        let deployments = vec![("shop".to_owned(), "web".to_owned(), "web".to_owned())];
        let object = |kind, name: &str| (kind, "default".to_owned(), name.to_owned());
        let objects = vec![object("configmap", "settings"), object("service", "web")];
        let targets = SwarmTargets { deployments, objects };
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            for fault in swarm(seed, SimDuration::from_mins(5), &targets) {
                let kind = fault.trim_start_matches("(fault: ").split(['(', ',']).next().unwrap_or_default().to_owned();
                seen.insert(kind);
            }
        }
        let missing: Vec<&str> = KINDS.iter().map(|info| info.name).filter(|name| !seen.contains(*name)).collect();
        assert_eq!(missing, ["TagMoved"]);
    }

    #[test]
    fn a_small_swarm_is_a_part_of_the_whole() {
        let (end, targets) = (SimDuration::from_mins(5), SwarmTargets::default());
        for seed in 0..20 {
            let all = swarm(seed, end, &targets);
            let some = swarm_of(seed, end, &targets, 3);
            assert_eq!(some.len(), all.len().min(3));
            assert!(some.iter().all(|fault| all.contains(fault)));
        }
    }
}
