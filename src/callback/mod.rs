//! What a receiver of callbacks sees: how they are signed, and what they hold.

mod sample;
mod signature;

pub use sample::{SAMPLES, Sample};
pub use signature::{Refusal, SIGNATURE_HEADER, TIMESTAMP_HEADER, Verifier, signature};
