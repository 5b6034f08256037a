//! ImageLocality: nodes that have the images already are better, the more so the larger and the more common they are.

use crate::api::names;
use crate::api::{Name, Pod, PodSpec, Text, VolumeSource};
use crate::components::scheduler::cache::{ImageState, NodeInfo, NodeSlot};
use crate::components::scheduler::framework::{Context, CycleState, MAX_NODE_SCORE, Plugin, Points};

names! {
    NAME = "ImageLocality";
}

const MIB: i64 = 1 << 20;
/// Less than this is not worth a point.
const LEAST: i64 = 23 * MIB;
/// More than this per container is worth no more.
const MOST_PER_CONTAINER: i64 = 1000 * MIB;

/// The plugin.
#[derive(Debug)]
pub struct ImageLocality;

/// An image's name with a tag.
fn normalized(image: Name) -> Name {
    let after = |mark| image.rfind(mark).map_or(-1, |place| place as i64);
    if after(':') <= after('/') { Name::new(&format!("{image}:latest")) } else { image }
}

/// The images that a pod needs on its node.
fn images(spec: &PodSpec) -> impl Iterator<Item = Name> + '_ {
    let containers = spec.created_containers().map(|container| container.image);
    let volumes = spec.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Image { reference, .. } => Some(*reference),
        _ => None,
    });
    containers.chain(volumes).map(normalized)
}

/// An image's size, as far as it is spread.
fn spread_size(image: &ImageState, nodes: usize) -> i64 {
    (image.size as f64 * (f64::from(image.nodes) / nodes as f64)) as i64
}

/// The score of a sum of sizes (`calculatePriority`).
fn score_of(sum: i64, containers: usize) -> i64 {
    let most = MOST_PER_CONTAINER * containers as i64;
    let sum = sum.clamp(LEAST, most);
    MAX_NODE_SCORE * (sum - LEAST) / (most - LEAST)
}

fn containers(spec: &PodSpec) -> usize {
    spec.init_containers.len() + spec.containers.len()
}

impl Plugin for ImageLocality {
    fn name(&self) -> Name {
        *NAME
    }

    fn points(&self) -> Points {
        Points::SCORE
    }

    fn score(&self, cx: &Context<'_>, _state: &CycleState, pod: &Pod, node: &NodeInfo) -> i64 {
        let nodes = cx.cache.order().len();
        let here = images(&pod.spec).filter_map(|image| cx.cache.image(image)).filter(|image| image.is_on(node.slot()));
        score_of(here.map(|image| spread_size(image, nodes)).sum(), containers(&pod.spec))
    }

    fn score_many(&self, cx: &Context<'_>, _state: &CycleState, pod: &Pod, nodes: &[NodeSlot], scores: &mut [i64]) {
        let all = cx.cache.order().len();
        for image in images(&pod.spec).filter_map(|image| cx.cache.image(image)) {
            let size = spread_size(image, all);
            for (&node, score) in nodes.iter().zip(&mut *scores) {
                if image.is_on(node) {
                    *score += size;
                }
            }
        }
        let containers = containers(&pod.spec);
        for score in scores {
            *score = if *score <= LEAST { 0 } else { score_of(*score, containers) };
        }
    }

    fn sign(&self, _cx: &Context<'_>, pod: &Pod) -> Option<Vec<Text>> {
        Some(images(&pod.spec).map(|image| Text::from(&*image)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_a_tag() {
        // `TestNormalizedImageName`.
        for (image, expected) in [
            ("root", "root:latest"),
            ("root:tag", "root:tag"),
            ("gcr.io:5000/root", "gcr.io:5000/root:latest"),
            ("root@sha256:0f", "root@sha256:0f"),
        ] {
            assert_eq!(normalized(Name::new(image)), expected);
        }
    }

    #[test]
    fn scores_are_those_of_the_reference() {
        // control-plane.md A.6.
        let image = |size: i64, nodes| {
            let mut state = ImageState::default();
            state.size = size * MIB;
            state.nodes = nodes;
            state
        };
        assert_eq!(score_of(spread_size(&image(500, 1), 4), 1), 10);
        assert_eq!(score_of(spread_size(&image(500, 4), 4), 1), 48);
        assert_eq!(score_of(1500 * MIB, 1), 100);
        assert_eq!(score_of(1500 * MIB, 2), 74);
        assert_eq!(score_of(0, 1), 0);
    }
}
