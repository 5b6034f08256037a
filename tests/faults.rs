//! Every kind of fault has an effect, and is over when it is healed; together, in any order, they break nothing.

use podsim::engine::SimDuration;
use podsim::faults::{KINDS, catalogue, swarm};
use podsim::scenario::Scenario;
use podsim::simulation::{Simulation, examine_recovery, explore, parallel};
use std::collections::{BTreeMap, BTreeSet};

/// A shop of three replicas, one on each node, with probes, a limit, a ConfigMap and a Service; and a customer who asks
/// for a page every two seconds.
const MANIFESTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway,
         labelSelector: {matchLabels: {app: web}}}
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 20}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 20}
      containers:
      - name: web
        image: shop:1
        imagePullPolicy: Always
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 256Mi}}
        readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 2, failureThreshold: 1}
        livenessProbe: {exec: {command: [check]}, periodSeconds: 5, failureThreshold: 2}
        volumeMounts: [{name: settings, mountPath: /etc/settings}, {name: scratch, mountPath: /scratch}]
      volumes: [{name: settings, configMap: {name: settings}}, {name: scratch, emptyDir: {sizeLimit: 1Gi}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: customer}
spec:
  selector: {matchLabels: {app: customer}}
  template:
    metadata: {labels: {app: customer}}
    spec:
      containers:
      - name: wget
        image: busybox
        command: [sh, -c, "sleep 100000"]
        readinessProbe:
          {exec: {command: [sh, -c, "touch /notes/asked && wget -q -T 2 -O - http://web:8080/ready"]}, periodSeconds: 2,
           timeoutSeconds: 4}
        volumeMounts: [{name: notes, mountPath: /notes}]
      volumes: [{name: notes, emptyDir: {}}]
"#;

/// What is around the faults.
const SCENARIO: &str = r#"Scenario(
    duration: "14m",
    nodes: [Pool(count: 3, labels: {"disktype": "ssd"}, zones: ["a", "b", "c"], kubelet: (
        shutdown: (grace_period: "20s", critical_pods: "5s"),
        eviction: (hard: {
            "memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%",
            "imagefs.available": "15%", "imagefs.inodesFree": "5%", "pid.available": "10%",
        }),
    ))],
    manifests: [File("shop.yaml")],
    behaviors: [(pods: "web-*", containers: [
        (name: "web", image: "shop:broken", process: (duration: "1s", exit: (code: 1))),
        (name: "web", process: (
            exec: [(command: "check")],
            listen: [(port: 8080, path: "/ready")],
        )),
    ])],
    images: {
        "shop:typo": Image(pulls: [(result: NotFound)]),
        "shop:*": Image(pull: Some("1s")),
    },
    traffic: [(service: "web", rate: Constant(10))],
    actions: [ACTIONS],
    faults: [FAULTS],
    expect: [EXPECT],
)"#;

/// After everything is over, the shop is as it should be.
const HEALED: [&str; 4] = [
    "deployment(web).readyReplicas == 3",
    "count(pods(app=web) where phase == Running and ready) == 3",
    "all(nodes(*) where ready and schedulable)",
    "deployment(customer).readyReplicas == 1",
];

/// The kinds of faults, each as it is struck and what it does; a pod is deleted after 70 seconds.
const EFFECTS: [(&str, &str); 58] = [
    // Network between components.
    (
        r#"Partition(of: [Kubelet]), on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "first node(node-2).condition(Ready) == Unknown between 90s and 2m",
    ),
    (r#"ApiLatency(by: "3s"), lasts: "1m""#, "never deployment(web).readyReplicas == 3 until 15s"),
    (r#"PacketLoss(percent: 70), lasts: "1m""#, "never deployment(web).readyReplicas == 3 until 8s"),
    (
        r#"DuplicateCalls(of: [ControllerManager], percent: 100), lasts: "1m""#,
        "eventually count(pods(app=web)) > 3 within 1m",
    ),
    (
        r#"WatchLag(of: [Scheduler], by: "20s"), lasts: "1m""#,
        "never any(pods(app=web) where phase == Running) until 18s",
    ),
    (r#"WatchLoss(of: [Scheduler]), lasts: "30s""#, "never any(pods(app=web) where phase == Running) until 29s"),
    // API server.
    (r#"ApiUnavailable, at: "1m", lasts: "90s""#, "refused(pod(web-*), '*connection refused*')"),
    (
        r#"ApiErrors(of: [ControllerManager], kinds: ["pods"], error: Forbidden), lasts: "30s""#,
        "eventually event(replicaset(web-*), FailedCreate, '*is forbidden*') within 30s",
    ),
    (r#"EtcdLeaderLoss, at: "1m", lasts: "20s""#, "refused(pod(web-*), 'etcdserver: request timed out')"),
    (r#"EventLoss(), lasts: "1m""#, "never event(pod(web-*), Pulled) until 1m"),
    (
        r#"WebhookDown(kinds: ["pods"]), lasts: "1m""#,
        "eventually event(replicaset(web-*), FailedCreate, '*failed calling webhook*') within 1m",
    ),
    // Controllers and scheduler.
    (
        r#"ControllerManagerCrash, when: Call(by: ControllerManager, verb: "create", kind: "pods"), lasts: "30s""#,
        "always count(pods(*)) <= 2 until 25s",
    ),
    (r#"SchedulerCrash, lasts: "30s""#, "never any(pods(app=web) where phase == Running) until 29s"),
    (r#"LeaderChange(of: Scheduler)"#, "never any(pods(app=web) where phase == Running) until 14s"),
    // Nodes.
    (
        r#"PowerLoss, on: (nodes: "node-2"), at: "1m", lasts: "90s""#,
        "first node(node-2).condition(Ready) == Unknown between 90s and 2m",
    ),
    (
        r#"Reboot(disk: Lost), on: (nodes: "node-2"), at: "1m", lasts: "30s""#,
        "eventually event(node(node-2), Rebooted)",
    ),
    (
        r#"KubeletCrash, on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "first node(node-2).condition(Ready) == Unknown between 90s and 2m",
    ),
    (
        r#"KubeletHang, on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "first node(node-2).condition(Ready) == Unknown between 90s and 2m",
    ),
    (
        r#"RuntimeCrash, on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "first node(node-2).condition(Ready).message == 'container runtime is down' between 90s and 2m",
    ),
    (
        r#"RuntimeHang, on: (nodes: "node-2"), at: "1m", lasts: "5m""#,
        "first node(node-2).condition(Ready).message like '*PLEG is not healthy*' between 4m and 4m30s",
    ),
    (
        r#"NetworkNotReady, on: (nodes: "node-2"), at: "1m", lasts: "1m""#,
        "eventually node(node-2).condition(Ready).message like '*NetworkPluginNotReady*' within 90s",
    ),
    (
        r#"SlowNode(factor: 400), on: (nodes: "node-*"), at: "1m", lasts: "1m""#,
        "eventually deployment(web).readyReplicas == 0 from 1m until 2m",
    ),
    (
        r#"LeaseLoss, on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "first node(node-2).condition(Ready) == Unknown between 90s and 2m",
    ),
    (
        r#"ClockSkew(ahead: "5m"), on: (nodes: "*"), lasts: "2m""#,
        "eventually any(pods(app=web) where status.startTime like '*T00:05:*')",
    ),
    (
        r#"NodeTaint(taint: "maintenance=yes:NoExecute"), on: (nodes: "node-2"), at: "1m", lasts: "1m""#,
        "eventually event(pod(web-*), TaintManagerEviction) within 65s",
    ),
    (r#"Cordon, on: (nodes: "node-2"), at: "1m", lasts: "1m""#, "eventually not node(node-2).schedulable"),
    (
        r#"Drain(), on: (nodes: "node-2"), at: "1m", lasts: "1m""#,
        "eventually none(pods(app=web) where node == 'node-2') from 1m until 2m",
    ),
    (
        r#"GracefulShutdown, on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "eventually event(node(node-2), Shutdown) within 65s",
    ),
    (
        r#"SpotReclaim(notice: "30s"), on: (nodes: "node-2"), at: "1m", lasts: "3m""#,
        "eventually count(nodes(*)) == 2 from 90s until 2m",
    ),
    (
        r#"NodeLabelLoss(label: "disktype"), on: (nodes: "node-2"), at: "1m", lasts: "1m""#,
        "eventually count(nodes(disktype=ssd)) == 2",
    ),
    // Resources and pressure.
    (
        r#"NodePressure(memory: "50Mi"), on: (nodes: "node-2"), at: "1m", lasts: "1m""#,
        "eventually node(node-2).condition(MemoryPressure) == True within 90s",
    ),
    // Images.
    (
        r#"PullFailure(result: TooManyRequests), lasts: "30s""#,
        "eventually event(pod(web-*), Failed, '*429 Too Many Requests*') within 30s",
    ),
    (r#"PullDelay(by: "30s"), lasts: "1m""#, "never any(pods(app=web) where phase == Running) until 30s"),
    (r#"ImageLoss(), on: (nodes: "*"), at: "70500ms""#, "none(nodes(*) where status.images[0].sizeBytes > 1000000000)"),
    (
        r#"TagMoved(image: "shop:1", to: "shop:broken"), lasts: "1m""#,
        "eventually any(pods(app=web) where status.containerStatuses[0].state.waiting.reason == CrashLoopBackOff) within 1m",
    ),
    // Processes.
    (
        r#"ProcessExit(code: 3), on: (pods: "web-*", count: 1), at: "1m""#,
        "count(pods(app=web) where restarts == 1) <= 1",
    ),
    (
        r#"CrashLoop(code: 5), on: (pods: "web-*"), at: "1m", lasts: "2m""#,
        "eventually count(pods(app=web) where status.containerStatuses[0].state.waiting.reason == CrashLoopBackOff) == 3 within 2m",
    ),
    (
        r#"ProcessHang, on: (pods: "web-*"), at: "1m", lasts: "2m""#,
        "eventually count(pods(app=web) where restarts > 0) >= 2 within 2m",
    ),
    (
        r#"IgnoreSigterm, on: (pods: "web-*"), lasts: "2m""#,
        "always any(pods(app=web) where terminating) from 71s until 1m39s",
    ),
    (
        r#"SlowStop(by: "10s"), on: (pods: "web-*"), lasts: "2m""#,
        "always any(pods(app=web) where terminating) from 71s until 1m19s",
    ),
    (
        r#"MemoryLeak(per_minute: "512Mi"), on: (pods: "web-*"), at: "1m", lasts: "1m""#,
        "eventually any(pods(app=web) where status.containerStatuses[0].lastState.terminated.reason == OOMKilled)",
    ),
    (
        r#"MemoryStep(by: "1Gi"), on: (pods: "web-*"), at: "1m", lasts: "1m""#,
        "eventually any(pods(app=web) where status.containerStatuses[0].lastState.terminated.reason == OOMKilled)",
    ),
    (
        r#"DiskFill(into: Logs, per_minute: "60Gi"), on: (pods: "web-*"), at: "1m", lasts: "3m""#,
        "eventually any(nodes(*) where condition(DiskPressure) == True)",
    ),
    (
        r#"StartFailure(), on: (pods: "web-*"), at: "1m", lasts: "1m""#,
        "eventually event(pod(web-*), Failed, '*unable to start container process*') within 2m",
    ),
    (
        r#"CreateFailure(error: "no space left"), on: (pods: "web-*"), at: "1m", lasts: "1m""#,
        "eventually event(pod(web-*), Failed, '*no space left*') within 2m",
    ),
    // Probes and hooks.
    (
        r#"ListenerFailure(), on: (pods: "web-*"), at: "1m", lasts: "30s""#,
        "eventually deployment(web).readyReplicas == 0 from 1m until 70s",
    ),
    (
        r#"ListenerDelay(by: "3s"), on: (pods: "web-*"), at: "1m", lasts: "30s""#,
        "eventually deployment(web).readyReplicas == 0 from 1m until 70s",
    ),
    (
        r#"ExecFailure(command: "check"), on: (pods: "web-*"), at: "1m", lasts: "30s""#,
        "eventually event(pod(web-*), Killing, '*failed liveness probe*') within 90s",
    ),
    // Sandboxes and the pod network.
    (r#"SandboxFailure(), lasts: "30s""#, "eventually event(pod(web-*), FailedCreatePodSandBox) within 30s"),
    (r#"SandboxDelay(by: "20s"), lasts: "1m""#, "never any(pods(app=web) where phase == Running) until 20s"),
    (
        r#"PodNetworkPartition, on: (nodes: "*"), at: "1m", lasts: "2m""#,
        "eventually deployment(customer).readyReplicas == 0 from 1m until 3m",
    ),
    (
        r#"DnsFailure, on: (pods: "customer-*"), at: "1m", lasts: "1m""#,
        "eventually deployment(customer).readyReplicas == 0 from 1m until 2m",
    ),
    // Volumes.
    (
        r#"MountFailure(volumes: "settings"), lasts: "30s""#,
        "eventually event(pod(web-*), FailedMount, '*mount failed*') within 30s",
    ),
    (r#"MountDelay(by: "20s"), lasts: "1m""#, "never any(pods(app=web) where phase == Running) until 20s"),
    (
        r#"ReadOnlyVolume(volumes: "notes"), on: (pods: "customer-*"), at: "1m", lasts: "1m""#,
        "eventually event(pod(customer-*), Unhealthy, '*/notes/asked: Read-only file system*') from 1m until 2m",
    ),
    // Operations.
    (
        r#"PodKill(force: true), on: (labels: {"app": "web"}, share: 100), at: "1m""#,
        "eventually deployment(web).readyReplicas == 0 from 1m until 65s",
    ),
    (
        r#"PodEviction, on: (pods: "web-*", count: 2), at: "1m""#,
        "eventually count(pods(app=web) where terminating) == 2 from 1m until 70s",
    ),
    (
        r#"BadImage(object: "deployment/web", container: "web", image: "shop:typo"), at: "1m", lasts: "2m""#,
        "eventually any(pods(app=web) where status.containerStatuses[0].state.waiting.reason == ErrImagePull) within 2m",
    ),
];

/// The same, of those that need not be long.
const MORE_EFFECTS: &[(&str, &str)] = &[
    // Scaled after the backup was taken, it is as before when that is restored.
    (
        r#"EtcdRestore, at: "1m", lasts: "1m"), (fault: ScaleTo(object: "deployment/web", replicas: 5), at: "70s",
           lasts: "9m""#,
        "eventually deployment(web).spec.replicas == 3 until 10m after deployment(web).spec.replicas == 5",
    ),
    (
        r#"ScaleTo(object: "deployment/web", replicas: 0), at: "1m", lasts: "1m""#,
        "eventually count(pods(app=web)) == 0 from 1m until 2m",
    ),
    (
        r#"ObjectLoss(object: "configmap/settings"), at: "1m", lasts: "1m""#,
        "eventually not configmap(settings) from 1m",
    ),
    (
        r#"QuotaExhausted(), at: "1m", lasts: "1m""#,
        "eventually event(replicaset(web-*), FailedCreate, '*exceeded quota*') within 2m",
    ),
    (r#"TwoLeaders, lasts: "1m""#, "eventually count(pods(app=web)) > 3 within 1m"),
    (
        r#"CertificateExpired, on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "first node(node-2).condition(Ready) == Unknown between 90s and 2m",
    ),
    // A spot machine is back after two minutes, and its successor is not let in before six.
    (
        r#"NeverJoins, on: (nodes: "node-2"), at: "1m", lasts: "5m"), (fault: SpotReclaim(notice: "10s"),
           on: (nodes: "node-2"), at: "1m", lasts: "2m""#,
        "always count(nodes(*)) == 2 from 3m30s until 5m50s",
    ),
    (
        r#"HardwareFailure(age: "20s", repair: "40s"), on: (nodes: "node-2"), at: "1m", lasts: "3m""#,
        "eventually event(node(node-2), Rebooted).count >= 2",
    ),
    (
        r#"NodeOutOfMemory(victims: 2), on: (nodes: "node-2"), at: "1m""#,
        "eventually event(node(node-2), SystemOOM, '*victim process*') within 65s",
    ),
    (
        r#"ChildDeath, on: (pods: "web-*"), at: "1m", lasts: "30s""#,
        "eventually deployment(web).readyReplicas == 0 from 1m until 70s",
    ),
    (
        r#"GcPause(pause: "8s", every: "10s"), on: (pods: "web-*"), at: "1m", lasts: "30s""#,
        "eventually deployment(web).readyReplicas <= 1 from 1m until 90s",
    ),
    (
        r#"DescriptorLeak(per_minute: 6000, limit: 1000), on: (pods: "web-*"), at: "1m", lasts: "1m""#,
        "eventually deployment(web).readyReplicas == 0 from 65s until 2m",
    ),
    (
        r#"UnreapedChildren(per_minute: 60000), on: (pods: "web-*"), at: "1m", lasts: "3m""#,
        "eventually any(nodes(*) where condition(PIDPressure) == True)",
    ),
    (
        r#"DnsWrong(), on: (pods: "customer-*"), at: "1m", lasts: "1m""#,
        "eventually deployment(customer).readyReplicas == 0 from 1m until 2m",
    ),
    (
        r#"LabelChange(label: "app", value: "debug"), on: (pods: "web-*", count: 1), at: "1m", lasts: "1m""#,
        "eventually count(pods(app=debug)) == 1 from 1m until 2m",
    ),
    (
        r#"StrictBudget(), at: "1m", lasts: "1m"), (fault: PodEviction, on: (pods: "web-*", count: 1), at: "65s""#,
        "refused(pod(web-*), '*disruption budget*')",
    ),
    (r#"CronJobBomb(pods: 2), at: "30s", lasts: "4m""#, "eventually count(jobs(*)) >= 3 from 2m until 5m"),
    (r#"CpuBurst(by: "500m"), on: (pods: "web-*"), at: "1m", lasts: "2m""#, CPU_IS_MEASURED),
    // What is created is not found by a kubelet that reads before it writes.
    (r#"StaleReads, at: "1m", lasts: "1m""#, "always deployment(web).readyReplicas < 3 from 75s until 2m"),
    (
        r#"SlowLeader(of: ControllerManager, by: "5s"), lasts: "1m""#,
        "never any(pods(app=web) where phase == Running) until 9s",
    ),
    (
        r#"WrongAllocatable(resources: {"cpu": "50m"}), on: (nodes: "*"), at: "50s", lasts: "1m""#,
        "eventually event(pod(web-*), FailedScheduling, '*Insufficient cpu*') from 70s until 2m",
    ),
    (
        r#"Deadlock(requests: 20), on: (pods: "web-*"), at: "1m", lasts: "4m""#,
        "eventually all(pods(app=web) where restarts > 0) from 1m until 5m",
    ),
    (
        r#"DiskFill(into: EmptyDir("scratch"), per_minute: "6Gi"), on: (pods: "web-*"), at: "1m", lasts: "1m""#,
        "eventually event(pod(web-*), Evicted, '*EmptyDir volume*exceeds the limit*')",
    ),
    (
        r#"TrafficDenied, on: (pods: "web-*"), at: "1m", lasts: "1m""#,
        "eventually deployment(customer).readyReplicas == 0 from 1m until 2m",
    ),
    // All whom connections led to are replaced; their successors are never asked.
    (
        r#"StaleConnections, on: (nodes: "*"), at: "20s", lasts: "3m"), (fault: PodKill(force: true),
           on: (labels: {"app": "web"}, share: 100), at: "1m""#,
        "always deployment(customer).readyReplicas == 0 from 90s until 3m20s",
    ),
    // That there is no such name is told for long after there is one again.
    (
        r#"StaleNames(ttl: "2m"), at: "40s", lasts: "4m"), (fault: ObjectLoss(object: "service/web"), at: "30s",
           lasts: "30s""#,
        "always deployment(customer).readyReplicas == 0 from 75s until 2m30s",
    ),
    (
        r#"WrongOwner(object: "configmap/settings"), at: "1m", lasts: "1m""#,
        "eventually not configmap(settings) from 1m until 3m",
    ),
    (
        r#"ConfigChange(object: "configmap/settings", key: "colour", value: Some("red")), at: "1m", lasts: "1m""#,
        "eventually configmap(settings).data.colour == 'red' from 1m until 2m",
    ),
    (r#"RolloutRestart(object: "deployment/web"), at: "1m""#, "deployment(web).metadata.generation == 2"),
    (
        r#"StrictLimits(memory: "16Mi"), at: "1m", lasts: "1m""#,
        "eventually event(replicaset(web-*), FailedCreate, '*maximum memory usage per Container is 16Mi*') within 2m",
    ),
    (
        r#"PodSecurity(), at: "1m", lasts: "1m""#,
        "eventually event(replicaset(web-*), FailedCreate, '*violates PodSecurity*') within 2m",
    ),
    // The clock is set ahead: what ends in ten minutes ends now; set right, it goes on.
    (
        r#"ClockFailure(from: "10m", code: 78), on: (pods: "web-*"), at: "50s", lasts: "3m"), (fault: ClockSkew(ahead: "20m"),
           on: (nodes: "node-2"), at: "1m", lasts: "1m""#,
        "eventually count(pods(app=web) where status.containerStatuses[0].lastState.terminated.exitCode == 78) == 1",
    ),
    // Ten seconds would do for a kubelet to notice; it looks again after two minutes.
    (
        r#"EvictionDelay(by: "2m"), on: (nodes: "node-2"), lasts: "4m"), (fault: NodePressure(memory: "50Mi"),
           on: (nodes: "node-2"), at: "30s", lasts: "3m""#,
        "first node(node-2).condition(MemoryPressure) == True between 100s and 3m",
    ),
    (
        r#"KubeletConfigChange(kubelet: (eviction: (hard: {"memory.available": "17Gi"}))), on: (nodes: "node-2"),
           at: "1m", lasts: "1m""#,
        "eventually node(node-2).condition(MemoryPressure) == True from 1m until 2m",
    ),
    (
        r#"MutatedResources(limits: {"memory": "128Mi"}), on: (pods: "web-*", containers: Some("web")), at: "1m",
           lasts: "1m""#,
        "count(pods(app=web) where spec.containers[0].resources.limits.memory == '128Mi') == 1",
    ),
    // The second try ends another one.
    (
        r#"PoisonRequest(service: "web", every: "20s", retries: 1), on: (pods: "web-*"), at: "1m", lasts: "30s""#,
        "eventually count(pods(app=web) where status.containerStatuses[0].lastState.terminated.exitCode == 139) == 2",
    ),
    (r#"LoadSurge(percent: 1000), at: "1m", lasts: "1m""#, "eventually traffic(web).requests == 100 from 1m until 2m"),
];

/// That a program uses more CPU shows in an autoscaler's eyes only: see below.
const CPU_IS_MEASURED: &str = "deployment(web).readyReplicas == 3";

/// A class of disks, and a claim for one.
const DISK: &str = include_str!("manifests/disk.yaml");

/// A database with a disk, a calculator that is scaled by its CPU, a site in a namespace of its own, and something for
/// which the cloud has to give a machine.
const STORE: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: registry.example/db:1, volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: registry.example/api:1}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: calc}
spec:
  selector: {matchLabels: {app: calc}}
  template:
    metadata: {labels: {app: calc}}
    spec:
      containers: [{name: calc, image: registry.example/calc:1, resources: {requests: {cpu: 200m}}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: calc}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: calc}
  minReplicas: 1
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
  behavior: {scaleDown: {stabilizationWindowSeconds: 30}}
---
apiVersion: v1
kind: Namespace
metadata: {name: site}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: pages, namespace: site}
data: {title: Site}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: site, namespace: site}
spec:
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      containers:
      - {name: site, image: registry.example/site:1, envFrom: [{configMapRef: {name: pages}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: big}
spec:
  selector: {matchLabels: {app: big}}
  template:
    metadata: {labels: {app: big}}
    spec:
      nodeSelector: {pool: cloud}
      containers: [{name: big, image: registry.example/big:1, resources: {requests: {cpu: "1"}}}]
"#;

const STORE_SCENARIO: &str = r#"Scenario(
    duration: "14m",
    nodes: [
        Pool(count: 3),
        Pool(name: "cloud-{}", count: 0, labels: {"pool": "cloud"}, autoscale: (max: 1, provision: "20s")),
    ],
    manifests: [File("disk.yaml"), File("store.yaml")],
    behaviors: [
        (pods: "calc-*", containers: [(name: "calc", process: (usage: [(milli_cpu: 20)]))]),
        (pods: "api-*", containers: [(name: "api", process: (listen: [(port: 80)], work: (cpu: "20ms")))]),
    ],
    traffic: [(service: "api", rate: Constant(100), timeout: "1s")],
    faults: [FAULTS],
    expect: [EXPECT],
)"#;

const STORE_HEALED: [&str; 5] = [
    "deployment(db).readyReplicas == 1",
    "deployment(calc).readyReplicas == 1",
    "deployment(site/site).readyReplicas == 1",
    "deployment(big).readyReplicas == 1",
    "traffic(api).goodput >= 99",
];

/// Kinds that need the store to show what they do.
const STORE_EFFECTS: &[(&str, &str)] = &[
    (
        r#"ProvisionFailure(), lasts: "2m""#,
        "eventually event(persistentvolumeclaim(data), ProvisioningFailed, '*storage backend*') within 1m",
    ),
    (r#"AttachFailure(), lasts: "2m""#, "never any(pods(app=db) where phase == Running) until 2m"),
    (
        r#"DetachFailure(), at: "1m", lasts: "4m"), (fault: Drain(force: true), on: (nodes: "node-*"), at: "1m",
           ramp: "90s", lasts: "30s""#,
        "eventually event(pod(db-*), FailedAttachVolume, '*Multi-Attach*') from 1m until 5m",
    ),
    (
        r#"MetricsDown, at: "1m", lasts: "3m""#,
        "eventually event(horizontalpodautoscaler(calc), FailedGetResourceMetric, '*unable to handle*') from 1m until 4m",
    ),
    (
        r#"MetricsStale, at: "1m", lasts: "3m"), (fault: CpuBurst(by: "300m"), on: (pods: "calc-*"), at: "90s",
           lasts: "5m""#,
        "first deployment(calc).replicas > 1 between 4m and 5m",
    ),
    (
        r#"MetricsSpike(percent: 1000), at: "1m", lasts: "1m""#,
        "eventually deployment(calc).replicas > 1 from 1m until 3m",
    ),
    (
        r#"CpuBurst(by: "300m"), on: (pods: "calc-*"), at: "1m", lasts: "3m""#,
        "eventually deployment(calc).replicas > 1 from 1m until 4m",
    ),
    (
        r#"NamespaceLoss(namespace: "site"), at: "1m", lasts: "2m""#,
        "eventually not deployment(site/site) from 1m until 3m",
    ),
    (r#"ProvisionDelay(by: "2m"), lasts: "4m""#, "never any(pods(app=db) where phase == Running) until 2m"),
    (r#"AttachDelay(by: "2m"), lasts: "4m""#, "never any(pods(app=db) where phase == Running) until 2m"),
    // A hundred requests a second need two CPUs, of which eight tenths of one are left.
    (
        r#"CpuSteal(percent: 80), on: (nodes: "node-*"), at: "1m", lasts: "2m""#,
        "eventually traffic(api).goodput < 50 from 1m until 3m",
    ),
    (r#"AutoscalerHang, lasts: "3m""#, "never any(pods(app=big) where phase == Running) until 3m"),
    (r#"NoCapacity, lasts: "3m""#, "never any(pods(app=big) where phase == Running) until 3m"),
];

fn effects() -> Vec<(&'static str, &'static str)> {
    EFFECTS.iter().chain(MORE_EFFECTS).copied().collect()
}

fn kind_of(fault: &str) -> &str {
    fault.split(['(', ',']).next().expect("a name")
}

fn scenario(faults: &str, actions: &str, expect: &[&str]) -> Scenario {
    let expect: Vec<String> = expect.iter().map(|text| format!("{text:?}")).collect();
    let text = SCENARIO.replace("ACTIONS", actions).replace("FAULTS", faults).replace("EXPECT", &expect.join(", "));
    let files = BTreeMap::from([("shop.ron", text.as_str()), ("shop.yaml", MANIFESTS)]);
    Scenario::load("shop.ron", &files).unwrap_or_else(|problems| panic!("{problems}\n{faults}"))
}

const DELETION: &str = r#"(at: "70s", do: Delete(object: "pod/web-*", pick: Oldest))"#;

fn run(scenario: &Scenario, seed: u64) -> Simulation {
    let mut simulation = scenario.simulate(seed);
    simulation.run();
    simulation
}

#[test]
fn every_kind_has_an_effect_and_heals() {
    let covered = effects().into_iter().chain(STORE_EFFECTS.iter().copied()).map(|(fault, _)| kind_of(fault));
    let covered: BTreeSet<&str> = covered.collect();
    let all: BTreeSet<&str> = KINDS.iter().map(|info| info.name).collect();
    assert_eq!(covered, all, "each kind is tried");
    let failures = parallel(&effects(), |(fault, effect)| {
        let expect: Vec<&str> = std::iter::once(*effect).chain(HEALED).collect();
        let scenario = scenario(&format!("(fault: {fault})"), DELETION, &expect);
        let verdicts = run(&scenario, 1).verdicts();
        let failed = verdicts.iter().filter(|verdict| !verdict.met);
        failed.map(|verdict| format!("{fault}\n    {}: {}", verdict.text, verdict.seen)).collect::<Vec<_>>()
    });
    let failures = failures.concat();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn store(faults: &str, expect: &[&str]) -> Vec<String> {
    let expect: Vec<String> = expect.iter().chain(&STORE_HEALED).map(|text| format!("{text:?}")).collect();
    let text = STORE_SCENARIO.replace("FAULTS", faults).replace("EXPECT", &expect.join(", "));
    let files = BTreeMap::from([("store.ron", text.as_str()), ("store.yaml", STORE), ("disk.yaml", DISK)]);
    let scenario = Scenario::load("store.ron", &files).unwrap_or_else(|problems| panic!("{problems}\n{faults}"));
    let verdicts = run(&scenario, 1).verdicts();
    let failed = verdicts.iter().filter(|verdict| !verdict.met);
    failed.map(|verdict| format!("{faults}\n    {}: {}", verdict.text, verdict.seen)).collect()
}

#[test]
fn kinds_about_disks_metrics_and_namespaces_have_an_effect_and_heal() {
    let failures = parallel(STORE_EFFECTS, |(fault, effect)| store(&format!("(fault: {fault})"), &[effect])).concat();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    let unseen: Vec<String> = STORE_EFFECTS.iter().flat_map(|(_, effect)| store("", &[effect])).collect();
    assert_eq!(unseen.len(), STORE_EFFECTS.len(), "without faults none of the effects is seen: {unseen:#?}");
}

#[test]
fn without_faults_none_of_the_effects_is_seen() {
    let effects = effects();
    let expect: Vec<&str> = effects.iter().map(|(_, effect)| *effect).chain(HEALED).collect();
    let verdicts = run(&scenario("", DELETION, &expect), 1).verdicts();
    let (effect_verdicts, healed) = verdicts.split_at(effects.len());
    let seen = effect_verdicts.iter().filter(|verdict| verdict.met).map(|verdict| verdict.text.as_str());
    // What only shows that nothing worse happens.
    let harmless =
        ["count(pods(app=web) where restarts == 1) <= 1", "none(nodes(*) where status.images[0]", CPU_IS_MEASURED];
    let seen: Vec<&str> = seen.filter(|text| !harmless.iter().any(|fine| text.starts_with(fine))).collect();
    assert!(seen.is_empty(), "{seen:#?}");
    assert!(healed.iter().all(|verdict| verdict.met), "{healed:#?}");
}

/// So long after the last heal all has to be well again.
const RECOVERY: SimDuration = SimDuration::from_mins(20);
/// When all faults are over.
const HEALED_BY: SimDuration = SimDuration::from_mins(6);

/// The shop with the faults of a seed.
fn swarmed(seed: u64) -> Scenario {
    let untouched = scenario("", "", &[]).until(HEALED_BY + RECOVERY);
    let faults = swarm(seed, HEALED_BY, &untouched.swarm_targets());
    scenario(&faults.join(",\n"), "", &[]).until(HEALED_BY + RECOVERY)
}

/// What a seed shows that should not be: a broken law, something that does not come back, another digest.
fn shown(seed: u64) -> Option<String> {
    let struck = swarmed(seed);
    if let Some(found) = examine_recovery(&struck, seed) {
        return Some(format!("seed {seed}, at {}: {:?}: {}", found.at, found.broken, found.seen));
    }
    let digest = || run(&struck, seed).digest();
    (digest() != digest()).then(|| format!("seed {seed}: two digests"))
}

fn swarm_holds(seeds: std::ops::Range<u64>) {
    let seeds: Vec<u64> = seeds.collect();
    let shown: Vec<String> = parallel(&seeds, |seed| shown(*seed)).into_iter().flatten().collect();
    assert!(shown.is_empty(), "{} of {} seeds\n{}", shown.len(), seeds.len(), shown.join("\n"));
}

#[test]
fn faults_of_every_kind_together_break_nothing() {
    swarm_holds(0..20);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test faults -- --ignored"]
fn faults_of_every_kind_together_break_nothing_with_a_thousand_seeds() {
    swarm_holds(0..1_000);
}

#[test]
fn a_pod_that_is_evicted_ends_once_and_in_one_way() {
    // kubernetes#58711: the last word may come while an earlier one is being written. The programs end well when they
    // are told to stop, at about the time in which the kubelet reads the pod before it writes.
    let well = r#"on_sigterm: Exit(after: Uniform(min: "1ms", max: "40ms"), code: 0), exec: [(command: "check")],"#;
    let text = SCENARIO.replace(r#"exec: [(command: "check")],"#, well).replace("14m", "3m");
    let fault = r#"(fault: NodePressure(memory: "50Mi"), on: (nodes: "*"), at: "1m", lasts: "1m")"#;
    let text = text.replace("ACTIONS", "").replace("FAULTS", fault).replace("EXPECT", "");
    let files = BTreeMap::from([("shop.ron", text.as_str()), ("shop.yaml", MANIFESTS)]);
    let scenario = Scenario::load("shop.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let seeds: Vec<u64> = (0..16).collect();
    let found: Vec<String> = explore(&scenario, &seeds, 2).into_iter().map(|found| found.seen).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_the_swarm_has_shown_does_not_come_back() {
    // (what strikes, what holds besides all that is well in the end).
    let stories = [
        // Probes that wait for their answers when the runtime dies get them: it is the program that answers.
        (
            r#"(fault: ListenerDelay(by: "900ms"), on: (pods: "web-*"), at: "40s", lasts: "21s"),
               (fault: RuntimeCrash, on: (nodes: "*"), at: "60s", lasts: "20s")"#,
            "deployment(web).readyReplicas == 3 at 3m",
        ),
        // After a power cut no port is taken: each container starts again, once.
        (
            r#"(fault: PowerLoss, on: (nodes: "node-2"), at: "1m", lasts: "15s")"#,
            "all(pods(app=web) where restarts <= 1)",
        ),
        // That an object may not be read does not mean that there is none.
        (
            r#"(fault: ApiErrors(of: [Kubelet], kinds: ["configmaps"], error: Forbidden), lasts: "30s")"#,
            "eventually event(pod(web-*), FailedMount, '*failed to sync configmap cache*') within 30s",
        ),
        // What others have said of a pod is contradicted also when something else about it has changed.
        (
            r#"(fault: LabelChange(label: "app", value: "debug"), on: (pods: "web-*"), at: "90s", lasts: "60s"),
               (fault: CertificateExpired, on: (nodes: "*"), at: "1m", lasts: "3m")"#,
            "deployment(web).readyReplicas == 3 at 8m",
        ),
        // What was mended after a backup was taken is mended again when that is restored.
        (
            r#"(fault: Cordon, on: (nodes: "node-2"), at: "50s", lasts: "30s"),
               (fault: StrictLimits(), at: "50s", lasts: "40s"),
               (fault: EtcdRestore, at: "1m", lasts: "2m")"#,
            "eventually not node(node-2).schedulable from 2m50s",
        ),
        // Also if it was begun before, and no server would do it until later.
        (
            r#"(fault: Cordon, on: (nodes: "node-2"), at: "30s", lasts: "40s"),
               (fault: EtcdLeaderLoss, at: "60s", lasts: "60s"),
               (fault: EtcdRestore, at: "80s", lasts: "100s")"#,
            "eventually node(node-2).schedulable from 130s until 170s",
        ),
        // Whoever calls twice is answered after both: a status is not followed by an older one.
        (
            r#"(fault: DuplicateCalls(of: [Kubelet], percent: 100), lasts: "5m"),
               (fault: PodEviction, on: (pods: "web-*", count: 2), at: "1m")"#,
            "count(pods(app=web)) == 3",
        ),
        // A timer of the scheduler that is late is no timer that is lost.
        (
            r#"(fault: SlowLeader(of: Scheduler, by: "850ms"), at: "10s", lasts: "3m"),
               (fault: Cordon, on: (nodes: "*"), at: "40s", lasts: "90s"),
               (fault: PodKill(force: true), on: (pods: "customer-*"), at: "1m")"#,
            "deployment(customer).readyReplicas == 1 at 8m",
        ),
        // A kubelet that dies while it prepares to create a container, or to start one, does neither.
        (
            r#"(fault: SlowNode(factor: 400), on: (nodes: "node-1"), at: "70s", lasts: "3m"),
               (fault: ProcessExit(code: 1), on: (pods: "web-*"), at: "80s"),
               (fault: KubeletCrash, on: (nodes: "node-1"), at: "87300ms", lasts: "1s")"#,
            "deployment(web).readyReplicas == 3 at 12m",
        ),
        (
            r#"(fault: SlowNode(factor: 400), on: (nodes: "node-1"), at: "70s", lasts: "3m"),
               (fault: ProcessExit(code: 1), on: (pods: "web-*"), at: "80s"),
               (fault: KubeletCrash, on: (nodes: "node-1"), at: "90100ms", lasts: "1s")"#,
            "deployment(web).readyReplicas == 3 at 12m",
        ),
        // The garbage collector deletes nothing that has got other owners since it looked; who puts owners right does
        // so also if the object is gone by then.
        (
            r#"(fault: EtcdLeaderLoss, at: "60s", lasts: "196s"),
               (fault: ControllerManagerCrash, at: "50s", lasts: "150s"),
               (fault: WrongOwner(object: "deployment/web"), at: "51s", lasts: "155s")"#,
            "deployment(web).readyReplicas == 3 at 12m",
        ),
        (
            r#"(fault: Partition(of: [ControllerManager], direction: ToServer), at: "128s", lasts: "70s"),
               (fault: StaleReads, at: "140s", lasts: "44s"),
               (fault: WrongOwner(object: "deployment/web"), at: "146s", lasts: "23s")"#,
            "deployment(web).readyReplicas == 3 at 12m",
        ),
        // An Event that is told again, because the server could not be reached, is told before the next one.
        (
            r#"(fault: SlowNode(factor: 200), on: (nodes: "node-1"), at: "100s", lasts: "3m"),
               (fault: ApiUnavailable, at: "2m", lasts: "22s")"#,
            "eventually event(pod(web-*), Unhealthy, '*') from 100s",
        ),
        // A scheduler that starts tries nobody before it knows the nodes.
        (
            r#"(fault: SchedulerCrash, at: "40s", lasts: "30s"),
               (fault: PodKill(force: true), on: (pods: "web-*"), at: "50s")"#,
            "never event(pod(web-*), FailedScheduling)",
        ),
        // A deletion that is told after the node was made anew takes nothing from what is known of its lease.
        (
            r#"(fault: WatchLoss(of: [ControllerManager]), at: "30s", lasts: "150s"),
               (fault: SpotReclaim(notice: "5s"), on: (nodes: "node-2"), at: "1m", lasts: "30s")"#,
            "always node(node-2).ready from 4m",
        ),
        // That a machine is lost while nobody can write it down is written down later.
        (
            r#"(fault: ApiUnavailable, at: "1m", lasts: "3m"),
               (fault: PowerLoss, on: (nodes: "node-2"), at: "90s", lasts: "5m")"#,
            "eventually node(node-2).condition(Ready) == Unknown from 4m until 5m",
        ),
        // Of a machine that joins and never renews its lease the last word is that with which it joined.
        (
            r#"(fault: SpotReclaim(notice: "1s"), on: (nodes: "node-2"), at: "10s", lasts: "50s"),
               (fault: LeaseLoss, on: (nodes: "node-2"), at: "10s", lasts: "3m")"#,
            "first node(node-2).condition(Ready) == Unknown between 110s and 119s",
        ),
    ];
    let shown = parallel(&stories, |(faults, effect)| {
        let expect: Vec<&str> = std::iter::once(*effect).chain(HEALED).collect();
        let struck = scenario(faults, "", &expect);
        let verdicts = run(&struck, 1).verdicts();
        let failed = verdicts.iter().filter(|verdict| !verdict.met);
        let failed = failed.map(|verdict| format!("{faults}\n    {}: {}", verdict.text, verdict.seen));
        let law = examine_recovery(&struck, 1);
        failed.chain(law.map(|found| format!("{faults}\n    {:?}: {}", found.broken, found.seen))).collect::<Vec<_>>()
    });
    let shown = shown.concat();
    assert!(shown.is_empty(), "\n{}", shown.join("\n"));
}

#[test]
fn a_quiet_cluster_comes_back_as_well() {
    // (nodes, workload, faults), as the swarm has shown them.
    let stories = [
        // Nothing happens between the crash of the controller manager and its return: then it has its rounds to find
        // that all zones are lost.
        (
            "Pool(count: 3)",
            "",
            r#"(fault: KubeletCrash, on: (nodes: "*"), at: "1m", lasts: "6m"),
               (fault: ControllerManagerCrash, at: "4m", lasts: "1m")"#,
        ),
        // Of machines that an autoscaler adds and takes, it is the number that counts.
        (
            r#"Pool(name: "pool-{}", count: 2, capacity: {"cpu": "4"}, autoscale: (max: 4, min: 1, provision: "1m",
                    unneeded: "20m", unready: "6m"))"#,
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: batch}\nspec:\n  selector: {matchLabels: {app: b}}\n\
             \x20 template: {metadata: {labels: {app: b}}, spec: {containers: [{name: c, image: app, resources: \
             {requests: {cpu: 1}}}]}}\n",
            r#"(fault: KubeletCrash, on: (nodes: "pool-1"), at: "2m", lasts: "20m")"#,
        ),
        // A status that met the pod of before, in an old answer, is told with the pod's next sync.
        (
            "Pool(count: 1)",
            "kind: StatefulSet\napiVersion: apps/v1\nmetadata: {name: db}\nspec:\n  selector: {matchLabels: {app: d}}\n\
             \x20 template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: app}]}}\n",
            r#"(fault: StaleReads, at: "1m", lasts: "5m"),
               (fault: PodKill(force: true), on: (pods: "db-*"), at: "100s")"#,
        ),
        // A StatefulSet adopts also a pod that has finished, and makes another in its place.
        (
            "Pool(count: 1)",
            "kind: StatefulSet\napiVersion: apps/v1\nmetadata: {name: db}\nspec:\n  selector: {matchLabels: {app: d}}\n\
             \x20 template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: app}]}}\n",
            r#"(fault: LabelChange(label: "app", value: "x"), on: (pods: "db-*"), at: "1m", lasts: "5m"),
               (fault: NodePressure(memory: "50Mi"), on: (nodes: "*"), at: "2m", lasts: "1m")"#,
        ),
        // A volume is attached whatever an old answer says of its attachment.
        (
            "Pool(count: 3)",
            include_str!("../scenarios/manifests/disk-on-a-lost-node.yaml"),
            r#"(fault: StaleReads, at: "17s", lasts: "828s"),
               (fault: Drain(force: true), on: (share: 91), at: "47s", lasts: "78s")"#,
        ),
        // What a node's status could not be told of it is told later.
        (
            "Pool(count: 3)",
            include_str!("../scenarios/manifests/disk-on-a-lost-node.yaml"),
            r#"(fault: ApiErrors(of: [ControllerManager], kinds: ["nodes"], error: TooLarge), lasts: "30s")"#,
        ),
        // A controller manager that starts knows of leases also whose nodes are only about to be there.
        (
            "Pool(count: 1), Pool(name: \"late\", join: \"4m30s\")",
            "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: app}]}}",
            r#"(fault: ControllerManagerCrash, at: "4m25s", lasts: "5350ms")"#,
        ),
        // A node that is made anew is told of what it has.
        (
            "Pool(count: 3)",
            include_str!("../scenarios/manifests/disk-on-a-lost-node.yaml"),
            r#"(fault: StrictBudget, at: "1m", lasts: "8m"),
               (fault: SpotReclaim(notice: "19s"), on: (nodes: "*"), at: "2m", lasts: "30s")"#,
        ),
    ];
    for (nodes, manifest, faults) in stories {
        let load = |faults: &str| {
            let text =
                format!(r#"(duration: "60m", nodes: [{nodes}], manifests: [File("all.yaml")], faults: [{faults}])"#);
            let files = BTreeMap::from([("quiet.ron", text.as_str()), ("all.yaml", manifest)]);
            Scenario::load("quiet.ron", &files).unwrap_or_else(|problems| panic!("{problems}"))
        };
        let found = examine_recovery(&load(faults), 1).map(|found| format!("{:?}: {}", found.broken, found.seen));
        assert_eq!(found, None, "{faults}");
    }
}

/// A scenario of the manifests of `web.yaml` meets what it expects.
fn all_is_as_expected(text: &str, manifests: &str) {
    let files = BTreeMap::from([("web.ron", text), ("web.yaml", manifests)]);
    let scenario = Scenario::load("web.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let failed: Vec<_> = run(&scenario, 1).verdicts().into_iter().filter(|verdict| !verdict.met).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_status_is_put_right_that_was_changed_before_the_answer_to_it_came() {
    // The pod's Ready is written after 15 seconds and answered after 20; somebody else denies it between the two.
    let text = r#"Scenario(
        duration: "1m",
        nodes: [Pool(count: 1)],
        manifests: [File("web.yaml")],
        actions: [(at: "17s", do: Patch(
            object: "pod/web",
            subresource: Some(Status),
            patch: "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"False\"}]}}",
        ))],
        faults: [(
            fault: ApiLatency(of: [Kubelet], direction: FromServer, calls: Writes, by: Constant("5s")),
            lasts: "30s",
        )],
        expect: ["at 16s: pod(web).ready", "at 18s: not pod(web).ready", "pod(web).ready"],
    )"#;
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c, image: app}]}}";
    all_is_as_expected(text, pod);
}

#[test]
fn whoever_waits_for_volumes_is_evicted_at_once() {
    // A wait takes 2 min 3 s; `UpdatePod` cancels it for a kill.
    let text = r#"Scenario(
        duration: "2m",
        nodes: [Pool(count: 1)],
        manifests: [File("web.yaml")],
        behaviors: [(pods: "other", containers: [(name: "c", process: (usage: [(memory: Some("100Mi"))]))])],
        faults: [(fault: NodePressure(memory: Some("50Mi")), on: (nodes: "*"), at: "1m", lasts: "30s")],
        expect: ["eventually pod(waits).phase == Failed within 90s"],
    )"#;
    let pods = "
{apiVersion: v1, kind: Pod, metadata: {name: waits}, spec: {volumes: [{name: v, secret: {secretName: none}}],
  containers: [{name: c, image: app, volumeMounts: [{name: v, mountPath: /v}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: other}, spec: {
  containers: [{name: c, image: app, resources: {requests: {memory: 1Gi}}}]}}";
    all_is_as_expected(text, pods);
}

#[test]
fn a_quota_gives_back_what_a_lost_node_holds() {
    // Evicted after 5 min 50 s, the pod counts for two graces of 30 s, and until all is counted anew.
    let text = r#"Scenario(
        duration: "40m",
        nodes: [Pool(count: 2)],
        manifests: [File("web.yaml")],
        faults: [(fault: PowerLoss, on: (nodes: "node-2"), at: "1m")],
        expect: [
            "always resourcequota(q).status.used.pods == 2 from 1m until 7m30s",
            "eventually event(replicaset(web-*), FailedCreate, '*exceeded quota*') from 6m until 8m",
            "eventually resourcequota(q).status.used.pods == 1 from 7m30s until 13m",
            "count(pods(app=web)) == 3",
            "resourcequota(q).status.used.pods == 2",
        ],
    )"#;
    let objects = "
{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {pods: '2'}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}},
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: app}]}}}}";
    all_is_as_expected(text, objects);
}

#[test]
fn what_images_give_back_is_not_enough_below_the_minimum_reclaim() {
    // The spare image brings the disk above its limit, not above what is to be reclaimed at least.
    let text = r#"Scenario(
        duration: "2m",
        nodes: [Pool(kubelet: (eviction: (minimum_reclaim: {"nodefs.available": "20Gi"})))],
        manifests: [File("web.yaml")],
        images: {
            "app": Image(present_on: Some(["node-1"])),
            "spare": Image(size: Some("10Gi"), present_on: Some(["node-1"])),
        },
        behaviors: [(pods: "hog", containers: [
            (name: "c", process: (usage: [(writable: Some("1Gi")), (from: "60s", writable: Some("74Gi"))])),
        ])],
        expect: ["eventually pod(hog).phase == Failed"],
    )"#;
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: hog}, spec: {containers: [{name: c, image: app}]}}";
    all_is_as_expected(text, pod);
}

#[test]
fn what_others_say_while_a_status_is_under_way_stands() {
    // A kubelet's write is five seconds under way: in between others change a label and a condition.
    let text = r#"Scenario(
        duration: "1m",
        nodes: [Pool(count: 1)],
        manifests: [File("web.yaml")],
        behaviors: [(pods: "web", containers: [(process: (duration: "20s", exit: (code: 0)))])],
        actions: [
            (at: "22s", do: Patch(object: "pod/web", patch: "{\"metadata\": {\"labels\": {\"app\": \"new\"}}}")),
            (at: "23s", do: Patch(
                object: "pod/web",
                subresource: Some(Status),
                patch: "{\"status\": {\"conditions\": [{\"type\": \"example.com/gate\", \"status\": \"True\"}]}}",
            )),
        ],
        faults: [(
            fault: ApiLatency(of: [Kubelet], direction: ToServer, calls: Writes, by: Constant("5s")),
            at: "15s",
            lasts: "30s",
        )],
        expect: [
            "at 21s: not pod(web).condition(example.com/gate)",
            "pod(web).phase == Succeeded",
            "pod(web).metadata.labels.app == new",
            "pod(web).condition(example.com/gate) == True",
        ],
    )"#;
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: old}}, spec: {restartPolicy: Never, \
               containers: [{name: c, image: app}]}}";
    all_is_as_expected(text, pod);
}

#[test]
fn load_feels_whatever_a_machine_can_do() {
    // 90 requests a second of 5 ms CPU each: 26 times as slow, a machine of four CPUs serves a third of them; with a
    // tenth of a CPU, a container serves 20.
    let resize = r#"(at: "3m", do: Patch(
        object: "pod/web",
        subresource: Some(Resize),
        patch: "{\"spec\": {\"containers\": [{\"name\": \"c\", \"resources\": {\"limits\": {\"cpu\": \"100m\"}}}]}}",
    ))"#;
    let text = format!(
        r#"Scenario(
            duration: "5m",
            nodes: [Pool(count: 1)],
            manifests: [File("web.yaml")],
            behaviors: [(pods: "web", containers: [(process: (listen: [(port: 80)], work: (cpu: "5ms")))])],
            traffic: [(service: "web", rate: Constant(90))],
            actions: [{resize}],
            faults: [(fault: SlowNode(factor: 26), on: (nodes: "*"), at: "1m", lasts: "1m")],
            expect: [
                "traffic(web).goodput >= 89 at 59s",
                "traffic(web).goodput <= 31 at 110s",
                "traffic(web).goodput >= 89 at 170s",
                "traffic(web).goodput <= 21 at 290s",
            ],
        )"#
    );
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: c, \
               image: app, ports: [{containerPort: 80}], resources: {requests: {cpu: 50m}, limits: {cpu: 2}}}]}}\n---\n\
               {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}";
    all_is_as_expected(&text, pod);
}

#[test]
fn servers_that_are_cut_off_wait_for_those_that_they_need() {
    // Half of the requests are for a server that is cut off from the one that it asks; that those from outside get to
    // it is no help.
    let text = r#"Scenario(
        duration: "4m",
        nodes: [Pool(count: 2)],
        manifests: [File("web.yaml")],
        behaviors: [
            (pods: "front-*", containers: [(process: (
                listen: [(port: 80)],
                work: (cpu: "5ms", calls: [(service: "back", timeout: "100ms")]),
            ))]),
            (pods: "back", containers: [(process: (listen: [(port: 80)], work: (cpu: "5ms")))]),
        ],
        traffic: [(service: "front", rate: Constant(90))],
        faults: [(fault: PodNetworkPartition, on: (nodes: "node-2"), at: "1m", lasts: "1m")],
        expect: [
            "traffic(front).goodput >= 89 at 59s",
            "traffic(front).goodput <= 46 at 110s",
            "traffic(front).goodput >= 44 at 110s",
            "traffic(front).goodput >= 89 at 150s",
        ],
    )"#;
    let pod = |name: &str, node: &str| {
        let app = name.split('-').next().unwrap_or_default();
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {app}}}}}, spec: {{nodeName: {node}, \
                 containers: [{{name: c, image: app, resources: {{requests: {{cpu: 1}}}}}}]}}}}\n---\n"
        )
    };
    let service = |app: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {app}}}, spec: {{selector: {{app: {app}}}, ports: \
                 [{{port: 80}}]}}}}\n---\n"
        )
    };
    let manifests = [pod("front-1", "node-1"), pod("front-2", "node-2"), pod("back", "node-1")].concat()
        + &[service("front"), service("back")].concat();
    all_is_as_expected(text, &manifests);
}

#[test]
fn whoever_mends_does_so_until_the_server_listens() {
    // The server cannot be reached when the maintenance is over: the node is uncordoned all the same, later.
    let faults = r#"(fault: Cordon, on: (nodes: "node-2"), at: "1m", lasts: "1m"),
        (fault: ApiUnavailable, at: "90s", lasts: "90s")"#;
    let expect = ["not node(node-2).schedulable at 179s", "node(node-2).schedulable"];
    let verdicts = run(&scenario(faults, "", &expect), 1).verdicts();
    assert!(verdicts.iter().all(|verdict| verdict.met), "{verdicts:#?}");
}

/// What strikes and what is healed, with the word that the trace has for it, in seconds.
fn told(scenario: &Scenario) -> Vec<(u64, &'static str, String)> {
    let mut simulation = scenario.simulate(1).recorded();
    simulation.run();
    let record = simulation.into_record().expect("it was recorded");
    let words = ["Strike", "Blow", "Heal", "LeftOut"];
    let facts = record.facts().iter().filter(|fact| words.contains(&fact.what));
    facts.map(|fact| (fact.time.as_nanos() / 1_000_000_000, fact.what, fact.part.to_string())).collect()
}

#[test]
fn limits_leave_out_what_is_too_much_and_heal_what_lasts_too_long() {
    let faults = r#"(fault: Cordon, name: "a", on: (nodes: "*"), at: "10s", lasts: "1m"),
        (fault: MetricsDown, name: "b", at: "20s", lasts: "9m"),
        (fault: PodKill(), name: "c", on: (pods: "web-*", count: 1), at: "30s"),
        (fault: PodKill(), name: "d", on: (pods: "web-*", count: 1), at: "80s"),
        (fault: EventLoss(), name: "e", at: "3m")"#;
    let files = |limits: &str| {
        let text = SCENARIO.replace("ACTIONS", "").replace("FAULTS", faults).replace("EXPECT", "");
        let text = text.replace("expect:", &format!("fault_limits: {limits}, expect:"));
        let files = BTreeMap::from([("shop.ron", text.as_str()), ("shop.yaml", MANIFESTS)]);
        Scenario::load("shop.ron", &files).unwrap_or_else(|problems| panic!("{problems}"))
    };
    let short = |told: Vec<(u64, &str, String)>| {
        told.iter().map(|(at, what, name)| format!("{at} {what} {name}")).collect::<Vec<_>>().join(", ")
    };
    let one = short(told(&files(r#"(at_once: 1, until: "2m")"#)));
    assert_eq!(
        one,
        "10 Strike a, 10 Strike a, 10 Strike a, 20 LeftOut b, 30 LeftOut c, 70 Heal a, 70 Heal a, 70 Heal a, 80 Blow d",
        "all targets of one fault are struck, others wait for nobody"
    );
    let two = short(told(&files(r#"(at_once: 2, until: "2m")"#)));
    assert_eq!(
        two,
        "10 Strike a, 10 Strike a, 10 Strike a, 20 Strike b, 30 LeftOut c, 70 Heal a, 70 Heal a, 70 Heal a, 80 Blow d, \
         120 Heal b",
        "what would last longer is healed, and nothing strikes afterwards"
    );
}

#[test]
fn without_its_faults_a_scenario_goes_as_it_would() {
    let faults = r#"(fault: PodKill(force: true), on: (pods: "web-*"), at: "1m")"#;
    let struck = scenario(faults, DELETION, &[]);
    let untouched = scenario("", DELETION, &[]);
    assert_eq!(run(&struck.clone().without_faults(), 3).digest(), run(&untouched, 3).digest());
    assert_ne!(run(&struck, 3).digest(), run(&untouched, 3).digest());
}

#[test]
fn only_processes_whose_settings_say_so_crash() {
    // The environment of web says nothing of a colour.
    let faults = r#"(fault: CrashLoop(env: {"COLOUR": "red"}), on: (pods: "web-*"), at: "1m", lasts: "5m")"#;
    let verdicts = run(&scenario(faults, "", &["none(pods(app=web) where restarts > 0)"]), 1).verdicts();
    assert!(verdicts.iter().all(|verdict| verdict.met), "{verdicts:#?}");
    let red = MANIFESTS.replace("image: shop:1\n", "image: shop:1\n        env: [{name: COLOUR, value: red}]\n");
    let text = SCENARIO.replace("ACTIONS", "").replace("FAULTS", faults);
    let text = text.replace("EXPECT", r#""count(pods(app=web) where restarts > 0) == 3""#);
    let files = BTreeMap::from([("shop.ron", text.as_str()), ("shop.yaml", red.as_str())]);
    let scenario = Scenario::load("shop.ron", &files).unwrap_or_else(|problems| panic!("{problems}"));
    let verdicts = run(&scenario, 1).verdicts();
    assert!(verdicts.iter().all(|verdict| verdict.met), "{verdicts:#?}");
}

#[test]
fn one_fault_more_changes_nobodys_luck() {
    // Which pods are struck, and when, is drawn by the fault's name.
    let first = r#"(fault: ProcessExit(code: 3), on: (pods: "web-*", count: 1), name: "crash", at: "1m", every: "1m")"#;
    let second = r#"(fault: EventLoss(percent: 50), name: "noise", lasts: "5m")"#;
    let ends = |faults: &str| {
        let simulation = run(&scenario(faults, "", &[]), 4);
        let restarts: Vec<(String, u32)> =
            simulation.pods().map(|pod| (pod.meta.name.to_string(), pod.restarts())).collect();
        restarts
    };
    assert_eq!(ends(first), ends(&format!("{second}, {first}")));
}

#[test]
fn the_readme_lists_every_kind() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("a text");
    let (begin, end) = ("<!-- faults -->\n", "<!-- end of faults -->");
    let (before, rest) = readme.split_once(begin).expect("README.md has a place for faults");
    let (listed, after) = rest.split_once(end).expect("it has an end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{begin}{}{end}{after}", catalogue())).expect("it can be written");
        return;
    }
    assert_eq!(listed, catalogue(), "UPDATE_GOLDEN=1 cargo test --test faults writes it anew");
}

#[test]
fn memory_limits_are_what_they_are_when_they_are_exceeded() {
    // Raised in time; lowered in time; raised while something leaks; a pod's own limit, which takes the larger of two.
    let resize = |pod: &str, limit: &str| {
        format!(
            r#"(at: "30s", do: Patch(object: "pod/{pod}", subresource: Some(Resize), patch:
                "{{spec: {{containers: [{{name: c, resources: {{limits: {{memory: {limit}}}}}}}]}}}}"))"#
        )
    };
    let text = format!(
        r#"Scenario(
            duration: "3m",
            nodes: [Pool(count: 1)],
            manifests: [File("web.yaml")],
            behaviors: [
                (pods: "whole", containers: [
                    (name: "c", process: (usage: [(memory: Some("100Mi"))])),
                    (name: "d", process: (usage: [(memory: Some("100Mi")), (from: "60s", memory: Some("250Mi"))])),
                ]),
                (pods: "leaky", containers: [(process: (usage: [(memory: Some("50Mi"))]))]),
                (pods: "*", containers: [
                    (process: (usage: [(memory: Some("50Mi")), (from: "60s", memory: Some("300Mi"))])),
                ]),
            ],
            actions: [{}, {}, {}],
            faults: [(fault: MemoryLeak(per_minute: "150Mi"), on: (pods: "leaky"), at: "10s")],
            expect: [
                "never container(up/c).restarts > 0",
                "eventually container(down/c).lastState.reason == OOMKilled within 70s",
                "never container(leaky/c).restarts > 0 until 120s",
                "eventually container(leaky/c).lastState.reason == OOMKilled",
                "eventually container(whole/d).lastState.reason == OOMKilled within 70s",
                "never container(whole/c).restarts > 0",
            ],
        )"#,
        resize("up", "500Mi"),
        resize("down", "200Mi"),
        resize("leaky", "400Mi"),
    );
    let pod = |name: &str, limit: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{{name: c, image: app, \
             resources: {{requests: {{memory: 10Mi}}, limits: {{memory: {limit}}}}}}}]}}}}\n---\n"
        )
    };
    let whole = "{apiVersion: v1, kind: Pod, metadata: {name: whole}, spec: {resources: {limits: {memory: 300Mi}}, \
                 containers: [{name: c, image: app}, {name: d, image: app}]}}";
    let pods = [pod("up", "200Mi"), pod("down", "400Mi"), pod("leaky", "200Mi"), whole.to_owned()].concat();
    all_is_as_expected(&text, &pods);
}

#[test]
fn a_kill_that_fails_tells_what_failed_and_stops_the_sandbox_all_the_same() {
    // kuberuntime_manager.go (`killPodWithSyncResult`): two minutes and the grace for the container, two minutes for
    // the sandbox.
    let text = r#"Scenario(
        duration: "10m",
        nodes: [Pool(count: 1)],
        manifests: [File("web.yaml")],
        faults: [(fault: RuntimeHang, on: (nodes: "*"), at: "1m", lasts: "6m")],
        actions: [(at: "65s", do: Delete(object: "pod/web"))],
        expect: [
            "never event(pod(web), FailedKillPod) until 312s",
            "eventually event(pod(web), FailedKillPod, '*: ?failed to \"KillContainer\" for \"c\" with *') within 320s",
            "eventually event(pod(web), FailedKillPod, '*, failed to \"KillPodSandbox\" for *') within 320s",
            "eventually not pod(web)",
        ],
    )"#;
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {terminationGracePeriodSeconds: 10, \
               containers: [{name: c, image: nginx}]}}";
    all_is_as_expected(text, pod);
}
