//! Manifests as users keep them: files, directories, stdin; several documents in each; with the place of every value,
//! so that a finding can be clicked on.
//!
//! Nothing here is printed with its content: a manifest may be a Secret's.

mod files;
mod node;
mod scalar;
mod yaml;

pub use files::{Source, read};
pub use node::{Content, Entry, Node, Position};
pub use yaml::parse;
