//! What `kubectl expose` makes of an object: a Service that selects what the object does.
//!
//! Follows `pkg/cmd/expose/expose.go` of kubectl 1.36, and `mapbasedselectorforobject.go` and `portsforobject.go` of
//! its `pkg/polymorphichelpers`.

use super::Cluster;
use crate::api::{Kind, Request, Target, lower, render};
use crate::scenario::plan::Exposure;
use serde_json::{Value, json};

impl Cluster {
    /// The creation of the Service.
    ///
    /// # Errors
    /// kubectl's words, if the object cannot be exposed.
    pub(super) fn expose(&self, target: Target, exposure: &Exposure) -> Result<Request, String> {
        let found = self.server.store().find(target.kind, target.namespace, target.name);
        let object = render(&found.ok_or_else(|| format!("{} {:?} not found", target.kind, target.name.as_str()))?);
        let selector = selector(target.kind, &object)?;
        let ports = ports(target.kind, &object, exposure)?;
        let mut service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": exposure.name.as_str(), "namespace": target.namespace.as_str()},
            "spec": {"ports": ports, "selector": selector},
        });
        if let Some(labels) = object["metadata"]["labels"].as_object() {
            service["metadata"]["labels"] = labels.clone().into();
        }
        if let Some(kind) = exposure.service_type {
            service["spec"]["type"] = kind.as_str().into();
        }
        let lowered = lower(&service).map_err(|error| error.to_string())?;
        Ok(Request::Create(lowered.object))
    }
}

fn selector(kind: Kind, object: &Value) -> Result<Value, String> {
    const REASON: &str = "couldn't retrieve selectors via --selector flag or introspection";
    let labels = match kind {
        Kind::Pod => &object["metadata"]["labels"],
        Kind::Service | Kind::ReplicationController => &object["spec"]["selector"],
        _ => {
            let selector = &object["spec"]["selector"];
            if selector["matchExpressions"].as_array().is_some_and(|all| !all.is_empty()) {
                let expressions = &selector["matchExpressions"];
                return Err(format!(
                    "{REASON}: couldn't convert expressions - {expressions} to map-based selector format"
                ));
            }
            &selector["matchLabels"]
        }
    };
    match labels.as_object() {
        Some(labels) if !labels.is_empty() => Ok(labels.clone().into()),
        _ if kind == Kind::Pod => Err(format!("{REASON}: the pod has no labels and cannot be exposed")),
        _ => Err(format!("{REASON}: the {} has no pod selector set", kind.as_str().to_lowercase())),
    }
}

/// The ports: the one that is named, or those of the object; several have names.
fn ports(kind: Kind, object: &Value, exposure: &Exposure) -> Result<Vec<Value>, String> {
    let one = |port: Value, protocol: &str| {
        let target = exposure.target_port.clone().unwrap_or_else(|| port.clone());
        json!({"port": port, "protocol": protocol, "targetPort": target})
    };
    if let Some(port) = exposure.port {
        return Ok(vec![one(port.into(), &exposure.protocol)]);
    }
    let found: Vec<(Value, String)> = match kind {
        Kind::Service => port_list(&object["spec"]["ports"], "port"),
        Kind::Pod => container_ports(&object["spec"]),
        _ => container_ports(&object["spec"]["template"]["spec"]),
    };
    match &found[..] {
        [] => Err("couldn't find port via --port flag or introspection".to_owned()),
        [(port, protocol)] => Ok(vec![one(port.clone(), protocol)]),
        several => Ok(several
            .iter()
            .zip(1..)
            .map(|((port, protocol), n)| {
                let mut made = one(port.clone(), protocol);
                made["name"] = format!("port-{n}").into();
                made
            })
            .collect()),
    }
}

fn port_list(list: &Value, field: &str) -> Vec<(Value, String)> {
    let one = |port: &Value| (port[field].clone(), port["protocol"].as_str().unwrap_or("TCP").to_owned());
    list.as_array().into_iter().flatten().map(one).collect()
}

fn container_ports(spec: &Value) -> Vec<(Value, String)> {
    let containers = spec["containers"].as_array().into_iter().flatten();
    containers.flat_map(|container| port_list(&container["ports"], "containerPort")).collect()
}
