//! Which rule of the world is a pod's.

use super::behavior::PodBehavior;
use crate::api::{FastMap, Name, Pod, Uid};
use std::sync::Arc;

/// The rules for pods: which they are by name, whom they serve, and how many they have served.
#[derive(Debug, Clone)]
pub(super) struct PodRules {
    places: Arc<Places>,
    /// How many pods each rule has served.
    served: Vec<u32>,
    /// The rule of each pod that was asked for.
    known: FastMap<Uid, Option<usize>>,
}

/// Where rules stand in the world's list. A scenario made of a trace has a rule for every pod: plain names are looked
/// up, and only patterns are tried.
#[derive(Debug)]
struct Places {
    by_name: FastMap<Name, Vec<usize>>,
    patterns: Vec<usize>,
}

impl PodRules {
    pub(super) fn new(rules: &[PodBehavior]) -> Self {
        let mut places = Places { by_name: FastMap::default(), patterns: Vec::new() };
        for (place, rule) in rules.iter().enumerate() {
            match rule.pods.plain() {
                Some(name) => places.by_name.entry(Name::from(name)).or_default().push(place),
                None => places.patterns.push(place),
            }
        }
        Self { places: Arc::new(places), served: vec![0; rules.len()], known: FastMap::default() }
    }

    /// The rule of a pod: the first that matches its name and has not served all the pods that it may. Once found, it
    /// is the pod's for life.
    pub(super) fn of(&mut self, rules: &[PodBehavior], pod: &Pod) -> Option<usize> {
        if let Some(known) = self.known.get(&pod.meta.uid) {
            return *known;
        }
        let free = |place: &usize| rules[*place].count.is_none_or(|count| self.served[*place] < count);
        let named = self.places.by_name.get(&pod.meta.name).and_then(|places| places.iter().copied().find(free));
        let before = |place: &usize| named.is_none_or(|named| *place < named);
        let fits = |place: &usize| rules[*place].pods.matches(&pod.meta.name) && free(place);
        let rule = self.places.patterns.iter().copied().take_while(before).find(fits).or(named);
        if let Some(place) = rule {
            self.served[place] += 1;
        }
        self.known.insert(pod.meta.uid, rule);
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Metadata, PodSpec, PodStatus};

    #[test]
    fn the_first_that_matches_and_is_free() {
        let rule = |pods: &str, count| PodBehavior { pods: pods.parse().unwrap(), count, ..PodBehavior::default() };
        let world =
            [rule("web-1", Some(1)), rule("web-?", Some(2)), rule("web-1", None), rule("*", Some(1)), rule("db", None)];
        let mut rules = PodRules::new(&world);
        let mut uid = 0;
        let mut of = |name: &str| {
            uid += 1;
            let meta = Metadata { name: name.into(), uid: Uid::from_bits(uid), ..Metadata::default() };
            let (spec, status) = (Arc::new(PodSpec::default()), Arc::new(PodStatus::default()));
            rules.of(&world, &Pod { meta, spec, node_name: Name::default(), status })
        };
        let asked = ["web-1", "web-1", "web-2", "web-1", "db", "db", "web-2"];
        assert_eq!(asked.map(&mut of), [Some(0), Some(1), Some(1), Some(2), Some(3), Some(4), None]);
    }
}
