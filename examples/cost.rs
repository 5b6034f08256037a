use podsim::api::*;
use podsim::components::latency::LatencyProfile;
use podsim::components::runtime::*;
use podsim::engine::*;
use podsim::scenario::plan::*;
use podsim::simulation::*;
use podsim::trace::*;
use std::sync::Arc;
use std::time::Instant;

struct Counting {
    delivered: u64,
    changed: u64,
    kinds: std::collections::BTreeMap<&'static str, u64>,
    bytes: u64,
}
impl Trace for Counting {
    fn delivered(&mut self, _: SimTime, _: u64, _: &podsim::components::message::Message, _: &Cluster) {
        self.delivered += 1;
    }
    fn changed(&mut self, _: SimTime, _: u64, c: &Change, _: &Cluster) {
        self.changed += 1;
        *self.kinds.entry(c.object.kind().as_str()).or_default() += 1;
    }
}

pub fn plan(nodes: usize, pods: usize) -> Plan {
    let pod = serde_json::json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","namespace":"default","labels":{"app":"web","tier":"front"}},
      "spec":{"containers":[{"name":"app","image":"registry.example/app:1.2.3","ports":[{"containerPort":8080}],"env":[{"name":"A","value":"b"}],
        "resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"256Mi"}},
        "readinessProbe":{"httpGet":{"path":"/healthz","port":8080},"periodSeconds":10}}]}});
    let object = lower(&pod).unwrap().object;
    let amounts: ResourceList =
        [(*CPU, 64000), (*MEMORY, 256i64 << 30), (*EPHEMERAL_STORAGE, 100i64 << 30), (*PODS, 250)]
            .into_iter()
            .collect();
    Plan {
        duration: SimDuration::from_mins(10),
        start: WallTime::from_unix_nanos(1_767_225_600_000_000_000),
        nodes: (0..nodes)
            .map(|n| NodePlan {
                name: Name::new(&format!("node-{n}")),
                capacity: amounts.clone(),
                allocatable: amounts.clone(),
                labels: Labels::EMPTY,
                taints: vec![],
                present: true,
                uptime: SimDuration::from_mins(5),
                kubelet: Arc::default(),
            })
            .collect(),
        world: Arc::new(World {
            pods: vec![PodBehavior {
                containers: vec![ContainerBehavior {
                    process: Arc::new(Process {
                        listen: vec![ListenBehavior { port: 8080, ..Default::default() }],
                        ..Default::default()
                    }),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            images: vec![],
            ..Default::default()
        }),
        profile: Arc::new(LatencyProfile::kubernetes_1_36()),
        actions: (0..pods)
            .map(|n| {
                let mut o = object.clone();
                o.meta_mut().name = Name::new(&format!("web-{n:05}"));
                TimedAction { at: SimDuration::from_millis(10 * n as u64), action: Action::Create(o) }
            })
            .collect(),
        every_probe: false,
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (nodes, pods) = (args[1].parse().unwrap(), args[2].parse().unwrap());
    let mode = args.get(3).map_or("all", |s| s.as_str());
    let plan = Arc::new(plan(nodes, pods));
    let time = |name: &str, f: &mut dyn FnMut()| {
        let t = Instant::now();
        f();
        println!("{name}: {:?}", t.elapsed());
    };
    if mode == "steps" {
        let mut run = Run::new(plan.clone(), 1);
        let mut n = 0u64;
        let t = Instant::now();
        while let Some(at) = run.step(&mut ()) {
            n += 1;
            if at.as_secs_f64() > 600.0 {
                break;
            }
            if n % 50000 == 0 {
                println!("{n} {at} {:?}", t.elapsed());
            }
            if n > 3000000 {
                break;
            }
        }
        return;
    }
    if mode == "all" || mode == "none" {
        time("none", &mut || {
            let mut run = Run::new(plan.clone(), 1);
            run.run(&mut ());
        });
    }
    if mode == "all" || mode == "digest" {
        time("digest", &mut || {
            let mut run = Run::new(plan.clone(), 1);
            let mut d = Digest::of(run.cluster());
            run.run(&mut d);
            println!("{}", d.at(run.now()));
        });
    }
    if mode == "all" {
        let mut run = Run::new(plan.clone(), 1);
        let mut c = Counting { delivered: 0, changed: 0, kinds: Default::default(), bytes: 0 };
        run.run(&mut c);
        println!("delivered {} changed {} {:?} {}", c.delivered, c.changed, c.kinds, c.bytes);
        for _ in 0..4 {
            time("none", &mut || {
                let mut run = Run::new(plan.clone(), 1);
                run.run(&mut ());
            });
            time("digest", &mut || {
                let mut run = Run::new(plan.clone(), 1);
                let mut d = Digest::of(run.cluster());
                run.run(&mut d);
            });
        }
    }
}
