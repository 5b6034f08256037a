//! DefaultBinder and PrioritySort: what they do is done by the queue and the binding cycle; they stand here so that
//! configurations may name them.

use crate::api::{Name, Pod, Text};
use crate::components::scheduler::framework::{Context, Plugin, Points};

/// Binds a pod by a call to the server.
#[derive(Debug)]
pub struct DefaultBinder;

impl Plugin for DefaultBinder {
    fn name(&self) -> Name {
        Name::new("DefaultBinder")
    }

    fn points(&self) -> Points {
        Points::BIND
    }

    fn sign(&self, _cx: &Context<'_>, _pod: &Pod) -> Option<Vec<Text>> {
        Some(Vec::new())
    }
}

/// Orders the queue by priority and time.
#[derive(Debug)]
pub struct PrioritySort;

impl Plugin for PrioritySort {
    fn name(&self) -> Name {
        Name::new("PrioritySort")
    }

    fn points(&self) -> Points {
        Points::QUEUE_SORT
    }

    fn sign(&self, _cx: &Context<'_>, _pod: &Pod) -> Option<Vec<Text>> {
        Some(Vec::new())
    }
}
