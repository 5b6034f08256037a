//! The command line of podsim.

fn main() {}
