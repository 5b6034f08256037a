//! Every kind of fault: its name, its group, what it strikes, and how it is written.

use super::*;

/// What kinds of faults are about: the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
pub enum Group {
    /// The wires between the API server and everybody else.
    #[strum(serialize = "Network between components")]
    Network,
    /// The API server, its store and its webhooks.
    #[strum(serialize = "API server")]
    ApiServer,
    /// Scheduler and controllers.
    #[strum(serialize = "Controllers and scheduler")]
    Controllers,
    /// Machines, kubelets and runtimes.
    Node,
    /// Resources that run short.
    #[strum(serialize = "Resources and pressure")]
    Pressure,
    /// Images and registries.
    Image,
    /// Programs in containers.
    #[strum(serialize = "Container process")]
    Process,
    /// What probes and hooks meet.
    #[strum(serialize = "Probes and hooks")]
    Probe,
    /// Sandboxes and the pod network.
    #[strum(serialize = "Sandbox and pod network")]
    Sandbox,
    /// Volumes.
    Volume,
    /// What people do.
    Operation,
    /// Requests.
    Load,
}

/// What a kind of fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One thing that needs no selection.
    Cluster,
    /// Components; `nodes` and `zone` say which kubelets.
    Wires,
    /// Nodes, which have to be named.
    Nodes,
    /// The pods that are there when it strikes, which have to be named.
    Pods,
    /// Pods that are there or come while it lasts; all if nothing is said.
    Scope,
}

/// What is known of a kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct KindInfo {
    /// Its name.
    pub name: &'static str,
    /// Its group.
    pub group: Group,
    /// What it strikes.
    pub subject: Subject,
    /// Whether it is over as soon as it has struck.
    pub momentary: bool,
    /// What it does.
    pub says: &'static str,
    /// How it is written.
    pub example: &'static str,
}

macro_rules! kinds {
    ($(
        $(#[doc = $doc:literal])+
        $group:ident $subject:ident $momentary:literal $name:ident $(($type:ty))? = $example:literal;
    )*) => {
        /// What goes wrong.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $name $(($type))?,)*
        }

        /// Every kind, by group.
        pub const KINDS: &[KindInfo] = &[$(KindInfo {
            name: stringify!($name),
            group: Group::$group,
            subject: Subject::$subject,
            momentary: $momentary,
            says: concat!($($doc),+),
            example: $example,
        },)*];
    };
}

kinds! {
    /// Calls, answers and watches do not get through; calls fail after 30 seconds, leases expire, and what was missed
    /// is listed when it is over.
    Network Wires false Partition(Partition) =
        r#"(fault: Partition(of: [Kubelet]), on: (zone: "a"), at: "1m", lasts: "2m")"#;
    /// Calls or answers take longer.
    Network Wires false ApiLatency(ApiLatency) =
        r#"(fault: ApiLatency(by: Exponential(mean: "400ms"), calls: Writes), at: "1m", lasts: "5m")"#;
    /// Messages are lost and sent again, later and later, as TCP does.
    Network Wires false PacketLoss(PacketLoss) =
        r#"(fault: PacketLoss(of: [Kubelet], percent: 30), on: (nodes: "node-1"), lasts: "5m")"#;
    /// Calls reach the server twice.
    Network Wires false DuplicateCalls(DuplicateCalls) =
        r#"(fault: DuplicateCalls(of: [ControllerManager], percent: 20), lasts: "5m")"#;
    /// Watches tell late: whoever watches acts on what was.
    Network Wires false WatchLag(WatchLag) =
        r#"(fault: WatchLag(of: [ControllerManager], by: "4s"), at: "30s", lasts: "2m")"#;
    /// Watches break; when it is over, everything is listed again.
    Network Wires false WatchLoss(WatchLoss) =
        r#"(fault: WatchLoss(of: [Scheduler]), at: "30s", lasts: "1m")"#;
    /// Nobody answers at the API server: connections are refused, watches break, no lease is renewed.
    ApiServer Cluster false ApiUnavailable =
        r#"(fault: ApiUnavailable, at: "1m", lasts: "90s")"#;
    /// The API server refuses calls.
    ApiServer Wires false ApiErrors(ApiErrors) =
        r#"(fault: ApiErrors(error: TooManyRequests, percent: 40), at: "1m", lasts: "2m")"#;
    /// The store has no leader: writes fail after seven seconds, reads go on.
    ApiServer Cluster false EtcdLeaderLoss =
        r#"(fault: EtcdLeaderLoss, at: "1m", lasts: "20s")"#;
    /// A backup of the store is taken; healed, the store is what it was then, whatever came after never was, and
    /// scheduler and controllers start anew.
    ApiServer Cluster false EtcdRestore =
        r#"(fault: EtcdRestore, at: "1m", lasts: "5m")"#;
    /// Reads are answered with what was stored when this began.
    ApiServer Cluster false StaleReads =
        r#"(fault: StaleReads, at: "1m", lasts: "1m")"#;
    /// Events do not arrive.
    ApiServer Cluster false EventLoss(EventLoss) =
        r#"(fault: EventLoss(percent: 50), lasts: "5m")"#;
    /// An admission webhook does not answer: calls are refused, or wait for its timeout.
    ApiServer Cluster false WebhookDown(WebhookDown) =
        r#"(fault: WebhookDown(kinds: ["pods"], policy: Fail, timeout: "10s"), at: "1m", lasts: "2m")"#;
    /// An admission webhook changes what the containers of new pods request, and their limits.
    ApiServer Scope false MutatedResources(MutatedResources) =
        r#"(fault: MutatedResources(limits: {"memory": "64Mi"}), on: (pods: "web-*"), at: "1m", lasts: "5m")"#;
    /// The controller manager dies and forgets everything; healed, it starts again and lists the cluster.
    Controllers Cluster false ControllerManagerCrash =
        r#"(fault: ControllerManagerCrash, when: Call(by: ControllerManager, verb: "create", nth: 2), lasts: "20s")"#;
    /// The scheduler dies and forgets what it assumed; healed, it starts again and lists the cluster.
    Controllers Cluster false SchedulerCrash =
        r#"(fault: SchedulerCrash, at: "10s", lasts: "30s")"#;
    /// Another instance takes over after a while without a leader.
    Controllers Cluster true LeaderChange(LeaderChange) =
        r#"(fault: LeaderChange(of: ControllerManager), at: "1m", every: "5m")"#;
    /// Two controller managers lead at once, and both act; healed, the second is gone.
    Controllers Cluster false TwoLeaders =
        r#"(fault: TwoLeaders, at: "1m", lasts: "2m")"#;
    /// The scheduler, or the controllers, take longer for each thing that they do.
    Controllers Cluster false SlowLeader(SlowLeader) =
        r#"(fault: SlowLeader(of: ControllerManager, by: "2s"), at: "1m", lasts: "2m")"#;
    /// The metrics server does not answer: autoscalers do not know what pods use.
    Controllers Cluster false MetricsDown =
        r#"(fault: MetricsDown, at: "1m", lasts: "5m")"#;
    /// The metrics server goes on telling what it knew when this began.
    Controllers Cluster false MetricsStale =
        r#"(fault: MetricsStale, at: "1m", lasts: "5m")"#;
    /// The metrics server tells too much CPU, or too little.
    Controllers Cluster false MetricsSpike(MetricsSpike) =
        r#"(fault: MetricsSpike(percent: 1000), at: "1m", lasts: "1m")"#;
    /// The cloud has no machine for a cluster autoscaler that asks for one, until it is over.
    Controllers Cluster false NoCapacity =
        r#"(fault: NoCapacity, at: "1m", lasts: "10m")"#;
    /// A cluster autoscaler hangs: no machine is asked for, and none is given back.
    Controllers Cluster false AutoscalerHang =
        r#"(fault: AutoscalerHang, at: "1m", lasts: "5m")"#;
    /// Machines lose power; healed, they start again.
    Node Nodes false PowerLoss =
        r#"(fault: PowerLoss, on: (zone: "a"), at: "2m", lasts: "90s")"#;
    /// Machines start anew, as after a kernel panic, and are down for as long as it lasts.
    Node Nodes false Reboot(Reboot) =
        r#"(fault: Reboot(disk: Lost), on: (nodes: "node-2"), at: "2m", lasts: "40s")"#;
    /// Kubelets die; containers go on.
    Node Nodes false KubeletCrash =
        r#"(fault: KubeletCrash, on: (nodes: "node-2"), at: "2m", lasts: "1m")"#;
    /// Kubelets do nothing for a while, not even renew their leases, and then everything at once.
    Node Nodes false KubeletHang =
        r#"(fault: KubeletHang, on: (nodes: "node-2"), at: "2m", lasts: "1m")"#;
    /// Runtimes die; containers go on, calls fail, and after half a minute the node is not ready.
    Node Nodes false RuntimeCrash =
        r#"(fault: RuntimeCrash, on: (nodes: "node-2"), at: "2m", lasts: "2m")"#;
    /// Runtimes do not answer; calls time out, the PLEG becomes unhealthy, and the node is not ready.
    Node Nodes false RuntimeHang =
        r#"(fault: RuntimeHang, on: (nodes: "node-2"), at: "2m", lasts: "5m")"#;
    /// The CNI plugin is not ready: the node is not ready, and no sandbox can be made.
    Node Nodes false NetworkNotReady =
        r#"(fault: NetworkNotReady, on: (nodes: "node-2"), at: "1m", lasts: "1m")"#;
    /// Everything takes longer on a machine.
    Node Nodes false SlowNode(SlowNode) =
        r#"(fault: SlowNode(factor: 20), on: (nodes: "node-3"), at: "1m", lasts: "3m")"#;
    /// Kubelets do not renew their leases.
    Node Nodes false LeaseLoss =
        r#"(fault: LeaseLoss, on: (count: 1), at: "1m", lasts: "2m")"#;
    /// Clocks are wrong.
    Node Nodes false ClockSkew(ClockSkew) =
        r#"(fault: ClockSkew(ahead: "5m"), on: (nodes: "node-1"), lasts: "10m")"#;
    /// Kubelets' certificates are no longer valid: the server lets none of their calls in, and their leases expire.
    Node Nodes false CertificateExpired =
        r#"(fault: CertificateExpired, on: (nodes: "node-1"), at: "1m", lasts: "2m")"#;
    /// Machines that are no nodes yet do not become nodes: the server does not let their kubelets register.
    Node Nodes false NeverJoins =
        r#"(fault: NeverJoins, on: (nodes: "node-3"), lasts: "5m")"#;
    /// Machines break by their age, are repaired, and break again.
    Node Nodes false HardwareFailure(HardwareFailure) =
        r#"(fault: HardwareFailure(age: Weibull(scale: "10m", shape: 1.5), repair: "2m"), on: (share: 100), lasts: "20m")"#;
    /// Nodes get a taint, and lose it.
    Node Nodes false NodeTaint(NodeTaint) =
        r#"(fault: NodeTaint(taint: "maintenance=yes:NoExecute"), on: (share: 50), at: "1m", lasts: "2m")"#;
    /// Nodes are cordoned, and uncordoned.
    Node Nodes false Cordon =
        r#"(fault: Cordon, on: (nodes: "node-*"), ramp: "1m", lasts: "30s")"#;
    /// Nodes are drained, and uncordoned.
    Node Nodes false Drain(NodeDrain) =
        r#"(fault: Drain(force: true), on: (nodes: "node-*"), ramp: "3m", lasts: "1m")"#;
    /// Machines are told to shut down: pods are stopped by priority, then the power goes; healed, they start again.
    Node Nodes false GracefulShutdown =
        r#"(fault: GracefulShutdown, on: (nodes: "node-2"), at: "1m", lasts: "2m")"#;
    /// Spot machines are taken back after a notice; healed, others take their place.
    Node Nodes false SpotReclaim(SpotReclaim) =
        r#"(fault: SpotReclaim(notice: "2m"), on: (labels: {"lifecycle": "spot"}, share: 60), at: "1m", lasts: "4m")"#;
    /// Nodes lose a label, and get it back.
    Node Nodes false NodeLabelLoss(NodeLabelLoss) =
        r#"(fault: NodeLabelLoss(label: "disktype"), on: (nodes: "node-1"), at: "1m", lasts: "1m")"#;
    /// Kubelets tell other resources than their machines have for pods.
    Node Nodes false WrongAllocatable(WrongAllocatable) =
        r#"(fault: WrongAllocatable(resources: {"cpu": "100m"}), on: (nodes: "node-1"), at: "1m", lasts: "2m")"#;
    /// Kubelets are started anew with other settings; healed, with those that they had.
    Node Nodes false KubeletConfigChange(KubeletConfigChange) =
        r#"(fault: KubeletConfigChange(kubelet: (crash_loop_cap: "10s")), on: (nodes: "node-1"), at: "1m", lasts: "5m")"#;
    /// So much is left of a node's memory, disks, inodes or processes.
    Pressure Nodes false NodePressure(NodePressure) =
        r#"(fault: NodePressure(memory: "50Mi"), on: (nodes: "node-1"), at: "1m", lasts: "2m")"#;
    /// Others get a share of machines' CPU: programs on them have less, and what they do takes longer.
    Pressure Nodes false CpuSteal(CpuSteal) =
        r#"(fault: CpuSteal(percent: 60), on: (nodes: "node-1"), at: "1m", lasts: "5m")"#;
    /// Eviction managers need longer for each look: what runs short is noticed late.
    Pressure Nodes false EvictionDelay(EvictionDelay) =
        r#"(fault: EvictionDelay(by: "1m"), on: (nodes: "node-1"), lasts: "10m")"#;
    /// Machines run out of memory before their kubelets notice: the kernel kills who counts least.
    Pressure Nodes true NodeOutOfMemory(NodeOutOfMemory) =
        r#"(fault: NodeOutOfMemory(victims: 2), on: (nodes: "node-1"), at: "1m")"#;
    /// Pulls fail: `NotFound`, `Unauthorized`, `Timeout`, `RegistryUnavailable`, `TooManyRequests`, `Corrupt`.
    Image Scope false PullFailure(PullFailure) =
        r#"(fault: PullFailure(images: "registry.example/*", result: TooManyRequests, percent: 50), lasts: "5m")"#;
    /// Pulls take longer.
    Image Scope false PullDelay(PullDelay) =
        r#"(fault: PullDelay(by: "1m"), lasts: "5m")"#;
    /// Images go from nodes.
    Image Nodes true ImageLoss(ImageLoss) =
        r#"(fault: ImageLoss(images: "*"), on: (nodes: "node-1"), at: "1m")"#;
    /// A tag means another image for whoever pulls it.
    Image Scope false TagMoved(TagMoved) =
        r#"(fault: TagMoved(image: "shop:latest", to: "shop:broken"), at: "1m", lasts: "5m")"#;
    /// Processes end.
    Process Pods true ProcessExit(ProcessExit) =
        r#"(fault: ProcessExit(code: 137, reason: "OOMKilled"), on: (pods: "web-*", count: 1), every: "1m")"#;
    /// Processes end whenever they are started.
    Process Scope false CrashLoop(CrashLoop) =
        r#"(fault: CrashLoop(images: "shop:2", after: "3s"), on: (pods: "web-*"), at: "1m", lasts: "3m")"#;
    /// Processes end when the clock of their machine shows a time, which `ClockSkew` moves.
    Process Scope false ClockFailure(ClockFailure) =
        r#"(fault: ClockFailure(from: "5m", code: 78), on: (pods: "web-*"), lasts: "10m")"#;
    /// Processes do not answer: listeners and commands hang until they are restarted or it is over.
    Process Pods false ProcessHang =
        r#"(fault: ProcessHang, on: (pods: "web-*", share: 50), at: "1m")"#;
    /// A child that does the work is dead and its main process lives: nobody listens, commands still run.
    Process Pods false ChildDeath =
        r#"(fault: ChildDeath, on: (pods: "web-*", count: 1), at: "1m")"#;
    /// Processes stop for garbage collection: nobody is answered until it is over.
    Process Scope false GcPause(GcPause) =
        r#"(fault: GcPause(pause: "3s", every: "20s"), on: (pods: "web-*"), at: "1m", lasts: "5m")"#;
    /// Processes that have served so many requests serve no more: listeners and commands hang.
    Process Scope false Deadlock(Deadlock) =
        r#"(fault: Deadlock(requests: 50), on: (pods: "web-*"), at: "1m", lasts: "10m")"#;
    /// Processes open ever more files, and accept no connection when they may open no more.
    Process Scope false DescriptorLeak(DescriptorLeak) =
        r#"(fault: DescriptorLeak(per_minute: 600, limit: 1024), on: (pods: "web-*"), at: "1m", lasts: "10m")"#;
    /// Processes leave ever more dead children behind that nobody waits for.
    Process Scope false UnreapedChildren(UnreapedChildren) =
        r#"(fault: UnreapedChildren(per_minute: 6000), on: (pods: "web-*"), at: "1m", lasts: "10m")"#;
    /// Processes use more CPU.
    Process Scope false CpuBurst(CpuBurst) =
        r#"(fault: CpuBurst(by: "500m"), on: (pods: "web-*"), at: "1m", lasts: "2m")"#;
    /// Processes do not react to the stop signal, and are killed when their grace is over.
    Process Scope false IgnoreSigterm =
        r#"(fault: IgnoreSigterm, on: (pods: "web-*"), lasts: "5m")"#;
    /// Processes take longer to stop.
    Process Scope false SlowStop(SlowStop) =
        r#"(fault: SlowStop(by: "10s"), on: (pods: "web-*"), lasts: "5m")"#;
    /// Processes use ever more memory, until the kernel kills them or their node runs short.
    Process Scope false MemoryLeak(MemoryLeak) =
        r#"(fault: MemoryLeak(per_minute: "64Mi"), on: (pods: "web-*"), at: "1m", lasts: "10m")"#;
    /// Processes use more memory at once.
    Process Scope false MemoryStep(MemoryStep) =
        r#"(fault: MemoryStep(by: "1Gi"), on: (pods: "web-*"), at: "1m", lasts: "1m")"#;
    /// Processes write too much to their logs, their container, or an `emptyDir`.
    Process Scope false DiskFill(DiskFill) =
        r#"(fault: DiskFill(into: Logs, per_minute: "20Gi"), on: (pods: "web-*"), lasts: "5m")"#;
    /// Containers cannot be started: a wrong binary.
    Process Scope false StartFailure(StartFailure) =
        r#"(fault: StartFailure(), on: (pods: "web-*"), at: "1m", lasts: "2m")"#;
    /// Containers cannot be created.
    Process Scope false CreateFailure(CreateFailure) =
        r#"(fault: CreateFailure(), on: (nodes: "node-1"), at: "1m", lasts: "2m")"#;
    /// Listeners refuse, hang, reset or answer with errors: probes fail, alone or all together.
    Probe Scope false ListenerFailure(ListenerFailure) =
        r#"(fault: ListenerFailure(port: 8080, answer: Hang), on: (pods: "web-*"), at: "1m", lasts: "30s")"#;
    /// Listeners take longer to answer, perhaps longer than anybody waits.
    Probe Scope false ListenerDelay(ListenerDelay) =
        r#"(fault: ListenerDelay(by: "1500ms"), on: (labels: {"app": "web"}), at: "1m", lasts: "1m")"#;
    /// Commands of probes and hooks fail, hang, or cannot be run.
    Probe Scope false ExecFailure(ExecFailure) =
        r#"(fault: ExecFailure(command: "cat *", result: Error), on: (pods: "web-*"), at: "1m", lasts: "1m")"#;
    /// Sandboxes cannot be made, for want of addresses if nothing else is said.
    Sandbox Scope false SandboxFailure(SandboxFailure) =
        r#"(fault: SandboxFailure(percent: 50), on: (nodes: "node-1"), lasts: "2m")"#;
    /// Sandboxes take longer to make, or to take down.
    Sandbox Scope false SandboxDelay(SandboxDelay) =
        r#"(fault: SandboxDelay(by: "20s", teardown: "10s"), lasts: "5m")"#;
    /// Nodes are cut off from the pods of other nodes; their kubelets still probe their own.
    Sandbox Nodes false PodNetworkPartition =
        r#"(fault: PodNetworkPartition, on: (nodes: "node-1"), at: "1m", lasts: "1m")"#;
    /// Pods get nothing from other pods, as under a NetworkPolicy that allows nobody; their kubelets still probe them.
    Sandbox Scope false TrafficDenied =
        r#"(fault: TrafficDenied, on: (pods: "web-*"), at: "1m", lasts: "1m")"#;
    /// Connections from a node to a Service go on leading where they first led, also when nobody is there any more.
    Sandbox Nodes false StaleConnections =
        r#"(fault: StaleConnections, on: (nodes: "node-1"), at: "1m", lasts: "2m")"#;
    /// No name is found, by the programs in pods.
    Sandbox Scope false DnsFailure =
        r#"(fault: DnsFailure, on: (pods: "web-*"), at: "10s", lasts: "1m")"#;
    /// Names are found, by the programs in pods, but lead elsewhere.
    Sandbox Scope false DnsWrong(DnsWrong) =
        r#"(fault: DnsWrong(address: "192.0.2.1"), on: (pods: "web-*"), at: "10s", lasts: "1m")"#;
    /// Names lead, for the programs in pods, where they led when somebody last asked, until the answer is too old.
    Sandbox Scope false StaleNames(StaleNames) =
        r#"(fault: StaleNames(ttl: "30s"), at: "10s", lasts: "5m")"#;
    /// Volumes cannot be mounted.
    Volume Scope false MountFailure(MountFailure) =
        r#"(fault: MountFailure(volumes: "data"), on: (pods: "db-*"), lasts: "2m")"#;
    /// Volumes take longer to mount.
    Volume Scope false MountDelay(MountDelay) =
        r#"(fault: MountDelay(by: "30s"), lasts: "5m")"#;
    /// Volumes take no more writes, as a file system that its kernel made read-only after an error of its disk.
    Volume Scope false ReadOnlyVolume(ReadOnlyVolume) =
        r#"(fault: ReadOnlyVolume(volumes: "data"), on: (pods: "db-*"), at: "1m", lasts: "2m")"#;
    /// Drivers make no volumes for claims, and none larger.
    Volume Cluster false ProvisionFailure(DriverFailure) =
        r#"(fault: ProvisionFailure(error: "quota exceeded"), at: "1m", lasts: "2m")"#;
    /// Drivers attach no volumes to nodes.
    Volume Cluster false AttachFailure(DriverFailure) =
        r#"(fault: AttachFailure(), at: "1m", lasts: "2m")"#;
    /// Drivers detach no volumes from nodes: nobody else gets them.
    Volume Cluster false DetachFailure(DriverFailure) =
        r#"(fault: DetachFailure(), at: "1m", lasts: "2m")"#;
    /// Drivers take longer to make volumes for claims.
    Volume Cluster false ProvisionDelay(DriverDelay) =
        r#"(fault: ProvisionDelay(by: "1m"), lasts: "5m")"#;
    /// Drivers take longer to attach volumes to nodes.
    Volume Cluster false AttachDelay(DriverDelay) =
        r#"(fault: AttachDelay(by: "1m"), lasts: "5m")"#;
    /// Pods are deleted.
    Operation Pods true PodKill(PodKill) =
        r#"(fault: PodKill(force: true), on: (labels: {"app": "web"}, count: 1), at: "1m", every: "30s", times: 5)"#;
    /// Pods are evicted, if their budgets allow.
    Operation Pods true PodEviction =
        r#"(fault: PodEviction, on: (pods: "web-*", share: 50), at: "1m")"#;
    /// A workload gets an image that does not do; healed, the rollout is undone.
    Operation Cluster false BadImage(BadImage) =
        r#"(fault: BadImage(object: "deployment/web", container: "web", image: "web:typo"), at: "1m", lasts: "2m")"#;
    /// A workload is scaled, and scaled back.
    Operation Cluster false ScaleTo(ScaleTo) =
        r#"(fault: ScaleTo(object: "deployment/web", replicas: 0), at: "1m", lasts: "1m")"#;
    /// An object is deleted, and created again.
    Operation Cluster false ObjectLoss(ObjectLoss) =
        r#"(fault: ObjectLoss(object: "configmap/settings"), at: "1m", lasts: "1m")"#;
    /// An object gets an owner that there is not, and the garbage collector deletes it; healed, it is created again.
    Operation Cluster false WrongOwner(WrongOwner) =
        r#"(fault: WrongOwner(object: "deployment/web"), at: "1m", lasts: "1m")"#;
    /// A ConfigMap says something else, or lacks a key; healed, it says what it said.
    Operation Cluster false ConfigChange(ConfigChange) =
        r#"(fault: ConfigChange(object: "configmap/settings", key: "colour"), at: "1m", lasts: "1m")"#;
    /// A workload is rolled out anew for no reason.
    Operation Cluster true RolloutRestart(RolloutRestart) =
        r#"(fault: RolloutRestart(object: "deployment/web"), at: "1m", every: "5m")"#;
    /// A namespace is deleted with all that is in it; healed, everything is created again.
    Operation Cluster false NamespaceLoss(NamespaceLoss) =
        r#"(fault: NamespaceLoss(namespace: "shop"), at: "1m", lasts: "2m")"#;
    /// A CronJob whose Jobs never end begins one each minute; healed, it is deleted with all of them.
    Operation Cluster false CronJobBomb(CronJobBomb) =
        r#"(fault: CronJobBomb(pods: 5), at: "1m", lasts: "5m")"#;
    /// Pods get another label: who selects them by it loses them; healed, they come back as one too many.
    Operation Pods false LabelChange(LabelChange) =
        r#"(fault: LabelChange(label: "app", value: "debug"), on: (pods: "web-*", count: 1), at: "1m", lasts: "2m")"#;
    /// A budget allows no pod of a namespace to be evicted.
    Operation Cluster false StrictBudget(StrictBudget) =
        r#"(fault: StrictBudget(), at: "1m", lasts: "5m")"#;
    /// A quota allows no further pod in a namespace.
    Operation Cluster false QuotaExhausted(QuotaExhausted) =
        r#"(fault: QuotaExhausted(namespace: "default"), at: "1m", lasts: "2m")"#;
    /// A LimitRange allows a namespace's containers less than they ask for.
    Operation Cluster false StrictLimits(StrictLimits) =
        r#"(fault: StrictLimits(memory: "16Mi"), at: "1m", lasts: "2m")"#;
    /// A namespace enforces a Pod Security Standard that its pods do not meet.
    Operation Cluster false PodSecurity(PodSecurity) =
        r#"(fault: PodSecurity(enforce: Restricted), at: "1m", lasts: "2m")"#;
    /// Those who send requests send more, as when a page becomes known, or less.
    Load Cluster false LoadSurge(LoadSurge) =
        r#"(fault: LoadSurge(percent: 1000), at: "1m", lasts: "2m")"#;
    /// Requests come to a Service of which whoever gets one dies; they are sent again to others.
    Load Scope false PoisonRequest(PoisonRequest) =
        r#"(fault: PoisonRequest(service: "web", every: "20s", retries: 2), on: (pods: "web-*"), at: "1m", lasts: "2m")"#;
}

impl FaultKind {
    /// What is known of its kind.
    pub fn info(&self) -> &'static KindInfo {
        let name: &str = self.into();
        KINDS.iter().find(|info| info.name == name).expect("every kind is listed")
    }

    /// Whether it changes what is stored, and its heal changes that back.
    pub const fn is_written(&self) -> bool {
        matches!(
            self,
            Self::NodeTaint(_)
                | Self::Cordon
                | Self::Drain(_)
                | Self::SpotReclaim(_)
                | Self::NodeLabelLoss(_)
                | Self::LabelChange(_)
                | Self::BadImage(_)
                | Self::ScaleTo(_)
                | Self::ObjectLoss(_)
                | Self::WrongOwner(_)
                | Self::ConfigChange(_)
                | Self::NamespaceLoss(_)
                | Self::CronJobBomb(_)
                | Self::StrictBudget(_)
                | Self::QuotaExhausted(_)
                | Self::StrictLimits(_)
                | Self::PodSecurity(_)
        )
    }

    /// How much longer something takes, where that is what it does.
    pub fn distributions(&self) -> Vec<&Distribution> {
        match self {
            Self::ApiLatency(ApiLatency { by, .. })
            | Self::WatchLag(WatchLag { by, .. })
            | Self::PullDelay(PullDelay { by, .. })
            | Self::SlowStop(SlowStop { by })
            | Self::ListenerDelay(ListenerDelay { by })
            | Self::MountDelay(MountDelay { by, .. })
            | Self::CrashLoop(CrashLoop { after: by, .. }) => vec![by],
            Self::SandboxDelay(SandboxDelay { by, teardown }) => vec![by, teardown],
            Self::HardwareFailure(HardwareFailure { age, repair }) => vec![age, repair],
            Self::PoisonRequest(PoisonRequest { every, .. }) => vec![every],
            _ => Vec::new(),
        }
    }

    /// Per cent that it states.
    pub fn percent(&self) -> Option<u8> {
        match self {
            Self::PacketLoss(PacketLoss { percent, .. }) | Self::DuplicateCalls(DuplicateCalls { percent, .. }) => {
                Some(*percent)
            }
            Self::ApiErrors(ApiErrors { percent, .. })
            | Self::EventLoss(EventLoss { percent })
            | Self::PullFailure(PullFailure { percent, .. })
            | Self::ListenerFailure(ListenerFailure { percent, .. })
            | Self::ExecFailure(ExecFailure { percent, .. })
            | Self::SandboxFailure(SandboxFailure { percent, .. }) => *percent,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn kinds_are_listed_once_and_by_group() {
        let names: BTreeSet<&str> = KINDS.iter().map(|info| info.name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert!(KINDS.is_sorted_by_key(|info| info.group), "groups stay together");
        assert!(KINDS.iter().all(|info| info.says.trim().ends_with('.')), "sentences");
    }
}
