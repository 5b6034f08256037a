//! Fields whose feature gate is off by default: a server takes them out of pods and templates before it validates them.
//!
//! Follows `pkg/api/pod/util.go` (`dropDisabledFields`) of Kubernetes 1.36 with the defaults of
//! `pkg/features/kube_features.go`: ContainerStopSignals is alpha; ClusterTrustBundleProjection and
//! PodCertificateRequest are beta, and off all the same.

use k8s_openapi::api::core::v1;

/// Takes out what no gate lets in.
pub(super) fn drop_disabled(pod: &mut v1::PodSpec) {
    for container in pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten()) {
        stop_signal(&mut container.lifecycle);
    }
    for container in pod.ephemeral_containers.iter_mut().flatten() {
        stop_signal(&mut container.lifecycle);
    }
    let projected = pod.volumes.iter_mut().flatten().filter_map(|volume| volume.projected.as_mut());
    for source in projected.flat_map(|projected| projected.sources.iter_mut().flatten()) {
        source.cluster_trust_bundle = None;
        source.pod_certificate = None;
    }
}

/// `dropContainerStopSignals`: hooks that say nothing else are gone with it.
fn stop_signal(hooks: &mut Option<v1::Lifecycle>) {
    let said = hooks.as_mut().and_then(|hooks| hooks.stop_signal.take());
    if said.is_some() && *hooks == Some(v1::Lifecycle::default()) {
        *hooks = None;
    }
}
