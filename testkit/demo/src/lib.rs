//! Part of the test kit.
