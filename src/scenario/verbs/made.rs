//! The actions of commands that make something of something else, or reach into containers.
//!
//! Follows `staging/src/k8s.io/kubectl/pkg`: `cmd/run`, `generate/versioned/run.go`, `cmd/rollout/rollout_undo.go`.

use super::{VerbContext, Which};
use crate::api::{Kind, Name, Part, PatchKind, Text, lower};
use crate::scenario::file::Manifest;
use crate::scenario::outline::Placed;
use crate::scenario::plan::{Action, Exposure, RolloutVerb};
use crate::scenario::step::{Copy, Exec, Expose, RemoveFinalizers, Run, Undo};
use serde_json::{Value, json};

impl VerbContext<'_, '_> {
    pub(super) fn run(&mut self, run: &Run) -> Vec<Action> {
        let name = &run.name.value;
        let mut container = json!({"name": name, "image": run.image, "resources": {}});
        let mut set = |field: &str, value: Value| container[field] = value;
        if !run.command.is_empty() {
            set("command", json!(run.command));
        }
        if !run.args.is_empty() {
            set("args", json!(run.args));
        }
        if !run.env.is_empty() {
            set("env", run.env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect());
        }
        if let Some(port) = run.port {
            set("ports", json!([{"containerPort": port}]));
        }
        let labels = if run.labels.is_empty() { json!({"run": name}) } else { json!(run.labels) };
        let restart: &str = run.restart.into();
        let manifest = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": run.namespace.as_deref().unwrap_or("default"), "labels": labels},
            "spec": {"containers": [container], "restartPolicy": restart, "dnsPolicy": "ClusterFirst"},
        });
        let written = self.loader.manifest(&Manifest::Inline(Placed::new(run.name.place, manifest.to_string())));
        written.into_iter().map(|written| self.loader.create(written)).collect()
    }

    pub(super) fn expose(&mut self, expose: &Expose) -> Option<Action> {
        const EXPOSED: [Kind; 5] =
            [Kind::Pod, Kind::Service, Kind::ReplicationController, Kind::Deployment, Kind::ReplicaSet];
        let target = self.workload(&expose.object, expose.namespace.as_deref(), &EXPOSED)?;
        let name = expose.name.clone().unwrap_or_else(|| target.name.as_str().to_owned());
        // The name is known from now on; what it selects is read when the time has come.
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": target.namespace.as_str()}, "spec": {"ports": [{"port": 1}]}});
        if let Ok(known) = lower(&service) {
            self.loader.makeable.add(&known.object);
        }
        let target_port = expose.target_port.as_ref().map(|port| match port.parse::<u16>() {
            Ok(number) => json!(number),
            Err(_) => json!(port),
        });
        let exposure = Exposure {
            name: Name::new(&name),
            port: expose.port,
            target_port,
            service_type: expose.kind.as_deref().map(Name::new),
            protocol: Name::new(expose.protocol.as_deref().unwrap_or("TCP")),
        };
        Some(Action::Expose { target, exposure })
    }

    pub(super) fn undo(&mut self, undo: &Undo) -> Option<Action> {
        const ROLLED_OUT: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
        let target = self.workload(&undo.object, undo.namespace.as_deref(), &ROLLED_OUT)?;
        Some(Action::Rollout { target, verb: RolloutVerb::Undo(i64::from(undo.to_revision)) })
    }

    pub(super) fn remove_finalizers(&mut self, remove: &RemoveFinalizers) -> Option<Action> {
        let target = self.target(&remove.object, remove.namespace.as_deref(), Which::All)?;
        let patch = json!({"metadata": {"finalizers": null}});
        Some(Action::Patch { target, part: Part::Main, kind: PatchKind::Merge, patch })
    }

    pub(super) fn exec(&mut self, exec: &Exec) -> Option<Action> {
        let command = match (&exec.command[..], &exec.shell) {
            ([], Some(line)) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
            ([_, ..], None) => exec.command.clone(),
            ([], None) | ([_, ..], Some(_)) => {
                let remedy = "write command: [\"touch\", \"/tmp/x\"] or shell: \"touch /tmp/x\"";
                self.problems().add(exec.pod.place, "an Exec of no command, or of two", remedy);
                return None;
            }
        };
        let target = self.target_of(Kind::Pod, &exec.pod, exec.namespace.as_deref(), exec.pick)?;
        let container = exec.container.as_deref().map(Name::new).unwrap_or_default();
        Some(Action::Exec { target, container, command: command.into_iter().map(Text::from).collect() })
    }

    pub(super) fn copy(&mut self, copy: &Copy) -> Option<Action> {
        let target = self.target_of(Kind::Pod, &copy.pod, copy.namespace.as_deref(), copy.pick)?;
        let container = copy.container.as_deref().map(Name::new).unwrap_or_default();
        let (path, content) = (Text::from(copy.to.as_str()), Text::from(copy.content.as_str()));
        Some(Action::Copy { target, container, path, content })
    }
}
