//! The files that containers see: trees in memory, volumes shared by the containers of a pod, and mounts.
//!
//! A [`FileSystem`] belongs to one container: the tree of its image plus a table of mounts. A [`Volumes`] arena belongs
//! to whoever owns the volumes (a node). The two meet in a short-lived [`Files`] view, which is what programs use:
//!
//! ```
//! use podsim::components::runtime::filesystem::{FileSystem, Mount, Volumes};
//! use podsim::engine::SimTime;
//!
//! let mut volumes = Volumes::default();
//! let shared = volumes.create();
//! let mut writer = FileSystem::default();
//! let mut reader = FileSystem::default();
//! writer.mount(Mount::new("/out", shared));
//! reader.mount(Mount::new("/in", shared));
//!
//! writer.view(&mut volumes, SimTime::ZERO).append("/out/log", b"hello\n").unwrap();
//! assert_eq!(reader.view(&mut volumes, SimTime::ZERO).read("/in/log").unwrap().bytes, b"hello\n");
//! ```
//!
//! Trees are shared behind `Arc` and copied where they are written, so an image costs nothing per container and a fork
//! of the simulation is a few reference counts. Modes count for what the kubelet writes, which is root's, and users
//! whom an image does not know write only where everybody may. Left out on purpose: all other owners, all other modes
//! than "executable", hard links (they copy), and files that live on after being unlinked.

mod error;
mod mount;
mod path;
mod tree;
mod view;

pub use error::FileError;
pub use mount::{FileSystem, Mount, VolumeId, Volumes};
pub use path::{absolute, base_name, below, parent};
pub use tree::{Directory, File, Managed, ManagedFiles, Node};
pub use view::{Content, Files, Kind, Metadata, Who};
