//! A kubelet's settings as `KubeletConfiguration` writes them (`kubelet.config.k8s.io/v1beta1`).

use crate::components::kubelet::{EvictionConfig, KubeletConfig, Limit, Signal};
use crate::engine::SimDuration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::str::FromStr;

/// The settings that differ from a kubelet's default.
///
/// # Errors
/// The field that cannot be read, and why.
pub fn kubelet_configuration(fields: &Value) -> Result<KubeletConfig, String> {
    let mut config = KubeletConfig::default();
    let Some(fields) = fields.as_object() else { return Ok(config) };
    for (field, value) in fields {
        set(&mut config, field, value).map_err(|error| format!("{field}: {error}"))?;
    }
    Ok(config)
}

fn set(config: &mut KubeletConfig, field: &str, value: &Value) -> Result<(), String> {
    let eviction: &mut EvictionConfig = &mut config.eviction;
    match field {
        "syncFrequency" => config.sync_frequency = span(value)?,
        "nodeStatusUpdateFrequency" => config.node_status_update_frequency = span(value)?,
        "nodeStatusReportFrequency" => config.node_status_report_frequency = span(value)?,
        "nodeLeaseDurationSeconds" => config.node_lease_duration = SimDuration::from_secs(number(value)? as u64),
        "allowedUnsafeSysctls" => {
            let names = value.as_array().ok_or("is no list")?;
            let name = |name: &Value| name.as_str().map(str::to_owned).ok_or("is no list of names".to_owned());
            config.allowed_unsafe_sysctls = names.iter().map(name).collect::<Result<_, String>>()?;
        }
        "fileCheckFrequency" => config.file_check_frequency = span(value)?,
        "serializeImagePulls" => config.serialize_image_pulls = value.as_bool().ok_or("is no boolean")?,
        "maxParallelImagePulls" => config.max_parallel_image_pulls = Some(number(value)? as u32),
        "registryPullQPS" => config.registry_pull_qps = number(value)? as u32,
        "registryBurst" => config.registry_burst = number(value)? as u32,
        "kubeAPIQPS" => config.kube_api_qps = number(value)? as u32,
        "kubeAPIBurst" => config.kube_api_burst = number(value)? as u32,
        "eventRecordQPS" => config.event_record_qps = number(value)? as u32,
        "eventBurst" => config.event_burst = number(value)? as u32,
        "crashLoopBackOff" => {
            if let Some(most) = value.get("maxContainerRestartPeriod") {
                config.crash_loop_cap = span(most)?;
                config.crash_loop_base = config.crash_loop_base.min(config.crash_loop_cap);
            }
        }
        "imageGCHighThresholdPercent" => config.image_gc_high_threshold_percent = number(value)? as u8,
        "imageGCLowThresholdPercent" => config.image_gc_low_threshold_percent = number(value)? as u8,
        "imageMinimumGCAge" => config.image_minimum_gc_age = span(value)?,
        "evictionHard" => eviction.hard = by_signal(value, limit)?,
        "evictionSoft" => eviction.soft = by_signal(value, limit)?,
        "evictionSoftGracePeriod" => eviction.soft_grace_period = by_signal(value, span)?,
        "evictionMinimumReclaim" => eviction.minimum_reclaim = by_signal(value, limit)?,
        "evictionPressureTransitionPeriod" => eviction.pressure_transition_period = span(value)?,
        "enforceNodeAllocatable" => {
            let keys = value.as_array().ok_or("is no list")?;
            eviction.enforce_allocatable = keys.iter().any(|key| key == "pods");
        }
        "imageMaximumGCAge" => config.image_maximum_gc_age = span(value)?,
        "evictionMaxPodGracePeriod" => eviction.max_pod_grace_period = number(value)?,
        "shutdownGracePeriod" => config.shutdown.grace_period = span(value)?,
        "shutdownGracePeriodCriticalPods" => config.shutdown.critical_pods = span(value)?,
        "shutdownGracePeriodByPodPriority" => {
            let groups = value.as_array().ok_or("is no list")?;
            config.shutdown.by_priority = groups
                .iter()
                .map(|group| {
                    let field = |name| number(group.get(name).unwrap_or(&Value::Null));
                    Ok((field("priority")? as i32, SimDuration::from_secs(field("shutdownGracePeriodSeconds")? as u64)))
                })
                .collect::<Result<_, String>>()?;
        }
        _ => return Err("is no setting that the simulator knows".to_owned()),
    }
    Ok(())
}

fn span(value: &Value) -> Result<SimDuration, String> {
    let text = value.as_str().ok_or("is no duration such as 90s")?;
    SimDuration::from_str(text).map_err(|error| error.to_string())
}

fn number(value: &Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| "is no whole number".to_owned())
}

fn limit(value: &Value) -> Result<Limit, String> {
    value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string()).parse()
}

fn by_signal<T>(value: &Value, read: fn(&Value) -> Result<T, String>) -> Result<BTreeMap<Signal, T>, String> {
    let fields = value.as_object().ok_or("is no map of eviction signals")?;
    fields.iter().map(|(signal, value)| Ok((signal.parse()?, read(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_read_by_their_kubernetes_names() {
        let config = kubelet_configuration(&json!({
            "evictionHard": {"memory.available": "1Gi", "nodefs.available": "12%"},
            "evictionSoftGracePeriod": {"memory.available": "25s"},
            "evictionMaxPodGracePeriod": 8, "shutdownGracePeriod": "20s",
        }))
        .unwrap();
        assert_eq!(config.eviction.hard.len(), 2);
        assert_eq!(config.eviction.soft_grace_period[&Signal::MemoryAvailable], SimDuration::from_secs(25));
        assert_eq!(config.eviction.max_pod_grace_period, 8);
        for (wrong, error) in [
            (json!({"evictionHard": {"x": "1"}}), "evictionHard: the eviction signal \"x\" is not known"),
            (json!({"syncFrequency": 5}), "syncFrequency: is no duration such as 90s"),
            (json!({"podsPerCore": 5}), "podsPerCore: is no setting that the simulator knows"),
        ] {
            assert_eq!(kubelet_configuration(&wrong).unwrap_err(), error);
        }
    }
}
