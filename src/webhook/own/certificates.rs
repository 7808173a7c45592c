//! An authority of our own, and what it signs.

use super::Lifetimes;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::time::{Duration, UNIX_EPOCH};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Clocks differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A certificate and its key, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pem {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// An authority that may sign nothing but certificates of servers.
pub(super) fn authority(now: Timestamp, lifetimes: Lifetimes) -> Result<Pem, String> {
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params = dated(Vec::new(), now, lifetimes.authority)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Two authorities stand beside one another in a bundle, so their names have to differ.
    let name = format!("flatline webhook {}", now.as_second());
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params
        .self_signed(&key)
        .map_err(|error| error.to_string())?
        .pem();
    Ok(Pem {
        certificate,
        key: key.serialize_pem(),
    })
}

/// A server's certificate for `names`, signed by `authority`.
pub(super) fn server(
    authority: &Pem,
    names: Vec<String>,
    now: Timestamp,
    lifetimes: Lifetimes,
) -> Result<Pem, String> {
    let signer = KeyPair::from_pem(&authority.key).map_err(|error| error.to_string())?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, signer)
        .map_err(|error| error.to_string())?;
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let first = names.first().cloned().unwrap_or_default();
    let mut params = dated(names, now, lifetimes.server)?;
    params.distinguished_name.push(DnType::CommonName, first);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let certificate = params
        .signed_by(&key, &issuer)
        .map_err(|error| error.to_string())?
        .pem();
    Ok(Pem {
        certificate,
        key: key.serialize_pem(),
    })
}

/// When the first certificate of a PEM text ends, and the names it is for.
pub(super) fn reads(pem: &str) -> Option<(Timestamp, Vec<String>)> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    let end = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| {
        let dns = names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            });
        dns.collect()
    });
    Some((end, names.unwrap_or_default()))
}

fn dated(
    names: Vec<String>,
    now: Timestamp,
    lifetime: SignedDuration,
) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(names).map_err(|error| error.to_string())?;
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).unwrap_or_default();
        (UNIX_EPOCH + Duration::from_secs(seconds)).into()
    };
    params.not_before = at(now - SKEW);
    params.not_after = at(now + lifetime);
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params)
}
