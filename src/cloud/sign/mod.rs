//! The two signature styles of the gateway, and the encoding that both sign.

pub mod acs3;
pub mod hmac_sha1;
pub mod percent;
