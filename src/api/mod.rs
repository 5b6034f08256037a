//! What is known: the objects of the cluster, their versions and watches. Every write enters here.
