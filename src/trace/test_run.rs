//! A short run for the tests of this room and of `report`.

use super::TraceRecord;
use crate::scenario::recorded::RecordedCase;
use crate::simulation::Run;
use std::sync::Arc;

/// Two nodes; a server with a readiness probe, a crash loop, and a pod that is deleted.
pub(crate) fn crash_loop() -> TraceRecord {
    seeded(7)
}

/// The same with another seed.
pub(crate) fn seeded(seed: u64) -> TraceRecord {
    let manifest = br#"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: registry.example/app:1
    readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 5}
---
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec:
  containers:
  - {name: main, image: "registry.example/crash:1"}
---
apiVersion: v1
kind: Pod
metadata: {name: gone}
spec:
  terminationGracePeriodSeconds: 5
  initContainers:
  - {name: setup, image: "registry.example/app:1"}
  containers:
  - {name: app, image: "registry.example/app:1"}
"#;
    let behavior = br#"
case: crash-loop
duration_ms: 90000
nodes: [{name: node-1, cpu: '4', memory: 16Gi, pods: 110}, {name: node-2, cpu: '4', memory: 16Gi, pods: 110}]
images:
- {name: "*", size_bytes: 50Mi, pulls: [{duration_ms: 1500}]}
pods:
- match: web
  containers:
  - name: app
    listen: [{port: 8080, kind: http, path: /healthz, timeline: [{from_ms: 0, status: 200}]}]
- match: crash
  containers:
  - name: main
    runs: [{duration_ms: 3000, exit_code: 1}]
- match: gone
  containers:
  - name: setup
    runs: [{duration_ms: 2000, exit_code: 0}]
actions:
- {at_ms: 40000, do: delete, kind: Pod, name: gone}
"#;
    let case = RecordedCase::parse(manifest, behavior).expect("the case is well formed");
    let mut run = Run::new(Arc::new(case.plan(seed)), seed);
    let mut record = TraceRecord::of(run.cluster());
    run.run(&mut record);
    record.finish(run.now());
    record
}
