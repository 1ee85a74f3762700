//! The key pair that signs service account tokens, and random tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::error::{Error, Result};

/// What stands before the point in the DER form of a P-256 public key.
const P256_PUBLIC_KEY_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A fresh P-256 pair in PEM. (The API server signs with ECDSA as well as with RSA, and these are
/// made in a millisecond by a library that is there anyway.)
pub(crate) struct SigningKeys {
    pub(crate) private_pem: String,
    pub(crate) public_pem: String,
}

impl SigningKeys {
    pub(crate) fn generate() -> Result<Self> {
        let random = SystemRandom::new();
        let failed = |_| Error::Process("cannot make a P-256 key pair".to_owned());
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(failed)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
            .map_err(|error| Error::Process(format!("cannot read the fresh P-256 key pair: {error}")))?;
        let mut public = P256_PUBLIC_KEY_HEADER.to_vec();
        public.extend_from_slice(pair.public_key().as_ref());
        Ok(Self {
            private_pem: pem("PRIVATE KEY", document.as_ref()),
            public_pem: pem("PUBLIC KEY", &public),
        })
    }
}

/// 128 random bits in hexadecimal.
pub(crate) fn random_token() -> Result<String> {
    Ok(hex(&random::<16>()?))
}

pub(crate) fn random_u16() -> Result<u16> {
    Ok(u16::from_ne_bytes(random()?))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Process("the system has no random bytes".to_owned()))?;
    Ok(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<String> = encoded
        .chars()
        .collect::<Vec<_>>()
        .chunks(64)
        .map(String::from_iter)
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
