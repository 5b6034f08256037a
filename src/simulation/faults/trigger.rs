//! What sets faults off while a cluster runs: formulas that begin to hold, calls that were served, chance.

use super::{Cluster, FaultMessage};
use crate::api::{Change, Request};
use crate::components::message::{Client, Message};
use crate::engine::{Outbox, Purpose};
use crate::faults::PlannedTrigger;

const AFTER: Purpose = Purpose::new("fault arrival");

impl Cluster {
    /// A fault is due now, unless it was as often as it may be.
    pub(super) fn set_off(&mut self, fault: u32, out: &mut Outbox<Message>) {
        let occasion = self.faults.occasions[fault as usize];
        if occasion < u64::from(self.fault(fault).times) {
            self.faults.occasions[fault as usize] += 1;
            out.now(Message::Fault(FaultMessage::Due { fault, occasion }));
        }
    }

    /// An object has changed: formulas may begin to hold.
    pub(in crate::simulation) fn conditions_note(&mut self, change: &Change, out: &mut Outbox<Message>) {
        if self.faults.conditions.is_empty() {
            return;
        }
        let conditions = self.faults.conditions.iter_mut();
        let begun: Vec<u32> = conditions.filter_map(|(fault, c)| c.begins(change).then_some(*fault)).collect();
        for fault in begun {
            let PlannedTrigger::Holds { once, .. } = &self.fault(fault).trigger else { continue };
            if !once || self.faults.occasions[fault as usize] == 0 {
                self.set_off(fault, out);
            }
        }
    }

    /// A call has been served, and its answer has not left: faults may wait for that.
    pub(in crate::simulation) fn call_served(&mut self, client: Client, request: &Request, out: &mut Outbox<Message>) {
        if self.plan.faults.is_empty() {
            return;
        }
        let plan = self.plan.clone();
        for (place, fault) in plan.faults.iter().enumerate() {
            let PlannedTrigger::Call { by, verb, kind, nth } = &fault.trigger else { continue };
            let word: &str = request.into();
            let meant = by.is(client)
                && (verb.is_empty() || *verb == word)
                && kind.is_none_or(|kind| kind == request.about().0);
            if meant {
                self.faults.calls[place] += 1;
                if self.faults.calls[place] == *nth {
                    self.set_off(place as u32, out);
                }
            }
        }
    }

    /// A fault that chance sets off is due after a while.
    pub(super) fn after_a_while(&self, place: u32, out: &mut Outbox<Message>) {
        let fault = self.fault(place);
        let occasion = self.faults.occasions[place as usize];
        if let PlannedTrigger::After(distribution) = &fault.trigger
            && occasion < u64::from(fault.times)
        {
            let wait = self.draws.sample(distribution, AFTER, fault.stream, occasion);
            out.after(wait, Message::Fault(FaultMessage::Due { fault: place, occasion }));
        }
    }

    /// A strike is over; if it was the last of its fault, chance decides when the next comes.
    pub(super) fn occasion_over(&self, place: u32, out: &mut Outbox<Message>) {
        if !self.faults.strikes.values().any(|strike| strike.fault == place) {
            self.after_a_while(place, out);
        }
    }
}
