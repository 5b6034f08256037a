//! The examples do what they say.

#[path = "../examples/own_components.rs"]
mod own_components;

#[test]
fn components_of_ones_own_act_on_the_cluster() {
    own_components::main();
}
