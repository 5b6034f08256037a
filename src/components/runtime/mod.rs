//! The container runtime of a node, as the kubelet sees it through the CRI, and the programs inside the containers.
