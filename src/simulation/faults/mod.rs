//! Faults at work: when each is due, what it strikes, and how it is healed.
//!
//! A strike is one fault on one target, from its beginning to its heal. What strikes do is in the files beside this
//! one: [`wire`] (calls, answers and watches), [`control_plane`] (processes that die), [`node`] (machines), [`pod`]
//! (programs and runtimes) and [`operation`] (what people do). Several strikes may hold the same thing; it is well when
//! the last is healed.

mod admission;
mod control_plane;
mod node;
mod operation;
mod pod;
mod target;
mod trigger;
mod wire;

use super::Cluster;
use crate::api::{FastMap, Name, Object, Request, Response, Store, Uid, WallTime};
use crate::components::message::{Client, Message, NodeIndex};
use crate::engine::{Outbox, Purpose, SimDuration, SimTime};
use crate::faults::{FaultKind, FaultPlan, Leader, PlannedTrigger, Subject};
use crate::scenario::expect::Condition;
use control_plane::Rival;
use std::collections::{BTreeMap, BTreeSet};
use wire::{Held, Missed};

const LASTS: Purpose = Purpose::new("fault duration");
const OCCASION: Purpose = Purpose::new("fault occasion");
const RENEWAL: Purpose = Purpose::new("lease renewal after a fault");
/// A lease that could not be renewed is tried again within this (`maxBackoff` of the lease controller).
const LEASE_RETRY: SimDuration = SimDuration::from_secs(7);

/// Something about a fault.
#[derive(Debug, Clone, strum::IntoStaticStr)]
pub enum FaultMessage {
    /// It is due.
    Due {
        /// The fault.
        fault: u32,
        /// How often it was due before.
        occasion: u64,
    },
    /// One of its targets is struck.
    Strike {
        /// The strike.
        strike: u32,
    },
    /// One of its targets is well again.
    Heal {
        /// The strike.
        strike: u32,
    },
    /// A notice is over: a machine that was to stop loses its power.
    PowerFails {
        /// The strike.
        strike: u32,
    },
    /// A machine that broke is repaired.
    Repaired {
        /// The strike.
        strike: u32,
    },
    /// Whoever called has waited long enough.
    Patience {
        /// Who.
        client: Client,
        /// Its number for the call.
        id: u32,
        /// Stale unless it has waited since.
        since: SimTime,
    },
    /// A call that a webhook was asked about, in vain, goes on.
    Admitted {
        /// Who calls.
        client: Client,
        /// Its number for the call.
        id: u32,
        /// What is asked.
        request: Box<Request>,
    },
    /// A call that has reached the server reaches it again; then its caller is answered.
    Duplicate {
        /// Who calls.
        client: Client,
        /// Its number for the call.
        id: u32,
        /// What is asked.
        request: Box<Request>,
        /// What was answered the first time.
        response: Box<Response>,
    },
    /// A watcher whose watch broke lists everything again.
    Relist {
        /// Who.
        client: Client,
    },
    /// A kubelet tries again to renew its lease.
    Renew {
        /// Its node.
        node: NodeIndex,
    },
    /// A kubelet has waited long enough for its runtime.
    RuntimePatience {
        /// The node.
        node: NodeIndex,
        /// The kubelet's number for the call.
        id: u32,
    },
    /// A component of which another instance takes over starts.
    Elected {
        /// Which.
        leader: Leader,
        /// What it waited for.
        strike: u32,
    },
}

/// One fault on one target.
#[derive(Debug, Clone)]
struct Strike {
    fault: u32,
    occasion: u64,
    target: Target,
    began: bool,
    memory: Memory,
}

/// What is struck.
#[derive(Debug, Clone)]
enum Target {
    /// Whatever the kind is about; these nodes' part of it where some are named.
    Everything(Option<Vec<NodeIndex>>),
    /// A machine.
    Node(NodeIndex),
    /// A pod.
    Pod(Uid),
    /// Pods, those to come included; only these if so many were asked for.
    Pods(Option<Vec<Uid>>),
}

/// What has to be put back.
#[derive(Debug, Clone, Default)]
enum Memory {
    #[default]
    Nothing,
    Replicas(i64),
    Object(Box<Object>),
    Objects(Vec<Object>),
    Label(Name),
    Since(SimTime),
    Backup(SimTime, Box<Store>),
}

/// A runtime that does not answer.
#[derive(Debug, Clone, Default)]
struct SilentRuntime {
    /// Whether it hangs rather than refuses.
    hangs: bool,
    held: Vec<Message>,
}

/// All faults of a run, and what they hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    strikes: BTreeMap<u32, Strike>,
    next: u32,
    /// How often each was due.
    occasions: Vec<u64>,
    /// How many of the calls that it waits for each has seen.
    calls: Vec<u32>,
    /// Formulas that set faults off.
    conditions: Vec<(u32, Condition)>,
    /// Calls and answers that do not get through, in order.
    held: Vec<Held>,
    /// Calls whose answers never were on a wire.
    at_home: BTreeSet<(Client, u32)>,
    /// What watchers whose watches broke have missed.
    missed: BTreeMap<Client, Missed>,
    /// How often calls were refused that their clients make again by themselves.
    tries: FastMap<(Client, u32), u32>,
    /// Kubelets that hang, and what waits for them.
    hung: BTreeMap<NodeIndex, Vec<Message>>,
    /// Runtimes that do not answer, by node.
    runtimes: BTreeMap<NodeIndex, SilentRuntime>,
    /// Nodes whose leases are not renewed.
    silent: BTreeSet<NodeIndex>,
    /// When they last were, if ever.
    lapsed: BTreeMap<NodeIndex, WallTime>,
    /// Strikes that keep machines without power, and kubelets from running.
    dark: BTreeMap<NodeIndex, BTreeSet<u32>>,
    killed: BTreeMap<NodeIndex, BTreeSet<u32>>,
    /// Machines whose disks will be empty.
    emptied: BTreeSet<NodeIndex>,
    /// What processes that started anew listed: notifications of it that come late tell them nothing.
    listed: BTreeMap<Client, u64>,
    /// Strikes that keep a component of the control plane from running.
    down: BTreeMap<Leader, BTreeSet<u32>>,
    /// A controller manager that acts beside the one that leads, and how many there were.
    rival: Option<Box<Rival>>,
    rivals: u32,
    /// When the store was last restored from a backup.
    restored: Option<SimTime>,
    /// What was put right, and when, where a backup may be restored that does not know of it.
    mended: Vec<(SimTime, Strike)>,
}

impl Faults {
    /// Whether nothing is struck and nothing waits: messages go their way.
    pub(super) fn is_quiet(&self) -> bool {
        self.strikes.is_empty() && self.held.is_empty() && self.missed.is_empty() && self.at_home.is_empty()
    }
}

impl Cluster {
    /// Everything that is known of when faults are due is set up.
    pub(super) fn plan_faults(&mut self, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        self.faults.occasions = vec![0; plan.faults.len()];
        self.faults.calls = vec![0; plan.faults.len()];
        for (place, fault) in plan.faults.iter().enumerate() {
            let place = place as u32;
            match &fault.trigger {
                PlannedTrigger::Times(times) => {
                    if let Some(first) = times.first() {
                        let due = FaultMessage::Due { fault: place, occasion: 0 };
                        out.after(first.since(SimTime::ZERO), Message::Fault(due));
                    }
                }
                PlannedTrigger::After(_) => self.after_a_while(place, out),
                PlannedTrigger::Holds { formula, .. } => {
                    let condition = Condition::new(formula, self);
                    if condition.holds() {
                        self.set_off(place, out);
                    }
                    self.faults.conditions.push((place, condition));
                }
                PlannedTrigger::Call { .. } => {}
            }
        }
    }

    /// A machine has not joined: nobody renews a lease for it.
    pub(super) fn not_yet_there(&mut self, node: NodeIndex) {
        self.faults.silent.insert(node);
    }

    fn fault(&self, place: u32) -> &FaultPlan {
        &self.plan.faults[place as usize]
    }

    /// The name of the fault that a message is about, and the node.
    pub fn fault_of(&self, message: &FaultMessage) -> (Name, Option<Name>) {
        match message {
            FaultMessage::Due { fault, .. } => (self.fault(*fault).name, None),
            FaultMessage::Strike { strike }
            | FaultMessage::Heal { strike }
            | FaultMessage::PowerFails { strike }
            | FaultMessage::Repaired { strike } => {
                let Some(strike) = self.faults.strikes.get(strike) else { return (Name::default(), None) };
                let node = match strike.target {
                    Target::Node(node) => Some(self.node_name(node)),
                    Target::Everything(_) | Target::Pod(_) | Target::Pods(_) => None,
                };
                (self.fault(strike.fault).name, node)
            }
            FaultMessage::Renew { node } | FaultMessage::RuntimePatience { node, .. } => {
                (Name::default(), Some(self.node_name(*node)))
            }
            FaultMessage::Patience { .. }
            | FaultMessage::Admitted { .. }
            | FaultMessage::Duplicate { .. }
            | FaultMessage::Relist { .. }
            | FaultMessage::Elected { .. } => (Name::default(), None),
        }
    }

    /// What becomes of a message about a fault, in one word: strikes that nothing heals have words of their own, those
    /// that are over at once and those that limits leave out.
    pub fn word_of(&self, now: SimTime, message: &FaultMessage) -> &'static str {
        if let FaultMessage::Strike { strike: id } = message
            && let Some(strike) = self.faults.strikes.get(id)
        {
            return match (self.has_room_for(now, *id), self.fault(strike.fault).kind.info().momentary) {
                (false, _) => "LeftOut",
                (true, true) => "Blow",
                (true, false) => message.into(),
            };
        }
        message.into()
    }

    /// Something about a fault is due.
    pub(super) fn fault_handles(&mut self, now: SimTime, message: FaultMessage, out: &mut Outbox<Message>) {
        match message {
            FaultMessage::Due { fault, occasion } => self.fault_due(now, fault, occasion, out),
            FaultMessage::Strike { strike } => self.strike(now, strike, out),
            FaultMessage::Heal { strike } => self.heal(now, strike, out),
            FaultMessage::PowerFails { strike } => self.notice_is_over(now, strike, out),
            FaultMessage::Repaired { strike } => self.repaired(now, strike, out),
            FaultMessage::Patience { client, id, since } => self.patience_ends((client, id), since, out),
            FaultMessage::Admitted { client, id, request } => self.call_admitted(now, (client, id), request, out),
            FaultMessage::Duplicate { client, id, request, response } => {
                // The second answer goes to nobody.
                let _ = self.server.serve(now, *request);
                out.now(Message::Reply { client, id, response: *response });
                self.publish(now, out);
            }
            FaultMessage::Relist { client } => self.relist(now, client, out),
            FaultMessage::Renew { node } => self.renew_lease(now, node, out),
            FaultMessage::RuntimePatience { node, id } => self.runtime_patience_ends(node, id, out),
            FaultMessage::Elected { leader, strike } => self.leads_again(now, leader, strike, out),
        }
    }

    /// A fault is due: its targets are chosen and struck, one after another over its ramp.
    fn fault_due(&mut self, now: SimTime, place: u32, occasion: u64, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        let fault = &plan.faults[place as usize];
        if let PlannedTrigger::Times(times) = &fault.trigger
            && let Some(next) = times.get(occasion as usize + 1)
        {
            let due = FaultMessage::Due { fault: place, occasion: occasion + 1 };
            out.after(next.since(now), Message::Fault(due));
        }
        self.faults.occasions[place as usize] = occasion + 1;
        let mut draw = self.draws.draw(OCCASION, fault.stream, occasion);
        let over = plan.fault_limits.end().is_some_and(|end| now >= end);
        let happens = draw.below(100) < u64::from(fault.chance) && !over;
        let targets = if happens { self.targets(fault, occasion) } else { Vec::new() };
        let steps = (targets.len() as u64).max(1);
        let nothing = targets.is_empty();
        for (n, target) in targets.into_iter().enumerate() {
            let strike = self.faults.next;
            self.faults.next += 1;
            let made = Strike { fault: place, occasion, target, began: false, memory: Memory::Nothing };
            self.faults.strikes.insert(strike, made);
            let wait = fault.ramp.mul_ratio(n as u64, steps);
            out.after(wait, Message::Fault(FaultMessage::Strike { strike }));
        }
        if nothing && !over {
            self.occasion_over(place, out);
        }
    }

    /// A target is struck.
    fn strike(&mut self, now: SimTime, id: u32, out: &mut Outbox<Message>) {
        if !self.has_room_for(now, id) {
            let Some(strike) = self.faults.strikes.remove(&id) else { return };
            return self.occasion_over(strike.fault, out);
        }
        let Some(strike) = self.faults.strikes.get_mut(&id) else { return };
        strike.began = true;
        let strike = strike.clone();
        let plan = self.plan.clone();
        let fault = &plan.faults[strike.fault as usize];
        match fault.kind.info().subject {
            Subject::Cluster if self.strike_operation(now, id, &fault.kind, out) => {}
            Subject::Cluster | Subject::Wires => self.strike_control_plane(now, id, &fault.kind, out),
            Subject::Nodes => {
                if let Target::Node(node) = strike.target {
                    self.strike_node(now, id, node, &fault.kind, out);
                }
            }
            Subject::Pods | Subject::Scope => self.strike_pods(now, id, &strike, fault, out),
        }
        if fault.kind.info().momentary {
            self.faults.strikes.remove(&id);
            self.occasion_over(strike.fault, out);
            return;
        }
        let stream = fault.stream.part(&self.name_of(&strike.target));
        let lasts = fault.lasts.as_ref().map(|lasts| self.draws.sample(lasts, LASTS, stream, strike.occasion));
        let left = plan.fault_limits.end().map(|end| end.since(now));
        if let Some(wait) = lasts.into_iter().chain(left).min() {
            out.after(wait, Message::Fault(FaultMessage::Heal { strike: id }));
        }
    }

    /// Whether limits allow one more strike: beside others of its own fault, or beside so many other faults.
    fn has_room_for(&self, now: SimTime, id: u32) -> bool {
        let limits = &self.plan.fault_limits;
        let Some(strike) = self.faults.strikes.get(&id) else { return true };
        let begun = self.faults.strikes.values().filter(|other| other.began);
        let others: BTreeSet<(u32, u64)> = begun.map(|other| (other.fault, other.occasion)).collect();
        let own = others.contains(&(strike.fault, strike.occasion));
        limits.end().is_none_or(|end| now < end) && (own || limits.allow(others.len()))
    }

    /// A target is well again, as far as this strike goes.
    fn heal(&mut self, now: SimTime, id: u32, out: &mut Outbox<Message>) {
        let Some(strike) = self.faults.strikes.remove(&id) else { return };
        self.note_mended(now, &strike);
        self.put_right(now, id, &strike, out);
        self.occasion_over(strike.fault, out);
    }

    /// What a strike has done is undone.
    fn put_right(&mut self, now: SimTime, id: u32, strike: &Strike, out: &mut Outbox<Message>) {
        let plan = self.plan.clone();
        let fault = &plan.faults[strike.fault as usize];
        // Whoever puts something right does so until it is.
        self.user.insists = true;
        self.user.said = Some(now);
        match fault.kind.info().subject {
            Subject::Cluster if self.heal_operation(strike, &fault.kind, out) => {}
            Subject::Cluster | Subject::Wires => self.heal_control_plane(now, id, strike, &fault.kind, out),
            Subject::Nodes => {
                if let Target::Node(node) = strike.target {
                    self.heal_node(now, id, node, (&strike.memory, &fault.kind), out);
                }
            }
            Subject::Pods | Subject::Scope => self.heal_pods(now, id, strike, &fault.kind, out),
        }
        self.user.insists = false;
        self.user.said = None;
    }

    /// What people put right is remembered where a backup may be restored that does not know of it.
    fn note_mended(&mut self, now: SimTime, strike: &Strike) {
        let faults = &self.plan.faults;
        let restores = faults.iter().any(|fault| matches!(fault.kind, FaultKind::EtcdRestore));
        if restores && faults[strike.fault as usize].kind.is_written() {
            self.faults.mended.push((now, strike.clone()));
        }
    }

    /// A backup was restored that was taken at the beginning of a strike: what was put right since then, or before and
    /// done since, is put right again.
    fn mend_again(&mut self, now: SimTime, id: u32, since: SimTime, out: &mut Outbox<Message>) {
        let lost = self.faults.mended.iter().filter(|(at, _)| self.user.tried(*at) >= since);
        let lost: Vec<Strike> = lost.map(|(_, strike)| strike.clone()).collect();
        for strike in lost {
            self.put_right(now, id, &strike, out);
        }
        self.act_again(now, since, out);
    }

    /// The name by which a target's chance is keyed.
    fn name_of(&self, target: &Target) -> String {
        match target {
            Target::Node(node) => self.node_name(*node).to_string(),
            Target::Everything(_) | Target::Pod(_) | Target::Pods(_) => String::new(),
        }
    }

    /// The kinds of all strikes that have begun, with what they hit.
    fn blows(&self) -> impl Iterator<Item = (&FaultKind, &Strike)> {
        let begun = self.faults.strikes.values().filter(|strike| strike.began);
        begun.map(|strike| (&self.plan.faults[strike.fault as usize].kind, strike))
    }

    /// The kinds of all strikes on a machine that have begun.
    fn blows_on(&self, node: NodeIndex) -> impl Iterator<Item = &FaultKind> {
        let mine = move |strike: &Strike| matches!(strike.target, Target::Node(at) if at == node);
        self.blows().filter(move |(_, strike)| mine(strike)).map(|(kind, _)| kind)
    }
}
