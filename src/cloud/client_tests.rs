//! Against a raw TCP server, for what a well-behaved endpoint cannot show.
use super::*;
