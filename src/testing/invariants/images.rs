//! Getting images.

use super::facts::{Called, Moved};
use super::{Invariant, Law, Seen};
use crate::api::{ContainerState, ImagePullPolicy};
use crate::components::cri::CriCall;

pub(super) const LAWS: &[Invariant] = &[
    Invariant {
        number: 33,
        name: "image-back-off-has-a-cause",
        sentence: "ImagePullBackOff comes after a pull of that image for that pod has failed, or was refused by the \
                   kubelet's own limit, since the kubelet started.",
        source: "TestParallelPuller, recording burst-image-pulls",
        law: Law::Moved(failed_before),
    },
    Invariant {
        number: 34,
        name: "never-is-not-pulled",
        sentence: "What a container with policy Never needs is not pulled for it.",
        source: "TestImagePullPrecheck",
        law: Law::Called(never_pulled),
    },
    Invariant {
        number: 35,
        name: "pulls-take-turns",
        sentence: "No more pulls of a node overlap than its kubelet allows; one, unless told otherwise.",
        source: "TestSerializedPuller, TestMaxParallelImagePullsLimit",
        law: Law::Called(pulls_in_turn),
    },
];

fn failed_before(fact: &Moved<'_>) -> Seen {
    let (before, status) = fact.new_status()?;
    status.all_containers().find_map(|container| {
        let waits = |state: &ContainerState| state.waiting_reason().is_some_and(|why| why == "ImagePullBackOff");
        let waited = |one: &crate::api::ContainerStatus| one.name == container.name && waits(&one.state);
        let was = before.is_some_and(|before| before.all_containers().any(waited));
        let image = fact.spec().container(container.name)?.image;
        // What is waited for is the image of the last sync, also after another one was asked for.
        let asked = |image| fact.past.failed_images.contains(&image);
        let known =
            fact.past.allocated.iter().filter_map(|spec| spec.container(container.name)).any(|c| asked(c.image));
        let unfounded = waits(&container.state) && !was && !asked(image) && !known;
        unfounded.then(|| format!("{} waits for {image}", container.name))
    })
}

fn never_pulled(fact: &Called<'_>) -> Seen {
    let CriCall::PullImage { image, .. } = fact.call else { return None };
    let mut wanted = fact.spec()?.all_containers().filter(|container| container.image == *image).peekable();
    wanted.peek()?;
    wanted.all(|container| container.image_pull_policy == ImagePullPolicy::Never).then(|| format!("{image} is pulled"))
}

fn pulls_in_turn(fact: &Called<'_>) -> Seen {
    let CriCall::PullImage { image, .. } = fact.call else { return None };
    let config = fact.kubelet.config();
    let most = if config.serialize_image_pulls { 1 } else { config.max_parallel_image_pulls? };
    let open = fact.node.calls.values().filter(|(_, call)| matches!(call, CriCall::PullImage { .. })).count();
    (open >= most as usize).then(|| format!("{image} is pulled beside {open} others, {most} may be"))
}
