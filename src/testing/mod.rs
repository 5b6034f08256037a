//! What tests stand on: laws that hold after every step of any run, and strategies that make scenarios to try them on.
//!
//! The [`invariants`] are those of a real kubelet; `podsim run --check` evaluates them, and a property test needs
//! nothing but podsim and proptest (feature `proptest`):
//!
//! ```ignore
//! proptest! {
//!     #[test]
//!     fn nothing_breaks(scenario in podsim::testing::strategies::scenario()) {
//!         prop_assert_eq!(scenario.check(1), Vec::new());
//!     }
//! }
//! ```

pub mod invariants;
#[cfg(feature = "proptest")]
pub mod strategies;
