//! Nothing by itself: the benchmarks beside it compare podsim with its peers.
