//! Who acts: the scheduler, the kubelets, their runtimes, the controllers and the faults, each a pure state machine.
pub mod runtime;
