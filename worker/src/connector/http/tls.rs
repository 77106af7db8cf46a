//! Which certificates are believed: those of this machine's authorities, and those of authorities of the customer's own.

use std::path::PathBuf;

use reqwest::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;
use shared::settings::{self, SettingsError};

/// Far more than all authorities of the world.
const MAX_AUTHORITIES_BYTES: u64 = 16 * 1024 * 1024;

/// Section `[targets.NAME.tls]`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// PEM file with certificates of authorities that are believed besides those of this machine.
    pub ca_file: Option<PathBuf>,
}

/// Authorities that are believed besides those of this machine.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<Certificate>);

impl TlsSettings {
    /// `name` is the path of these settings, for messages.
    ///
    /// # Errors
    /// When the file cannot be read or has no certificate of an authority; the message names its key.
    pub fn check(self, name: &str) -> Result<Authorities, SettingsError> {
        let Some(path) = self.ca_file else { return Ok(Authorities::default()) };
        let invalid =
            |what: String| SettingsError::Invalid(format!("{name}.ca_file: {}: {what}", path.display()));
        let pem = settings::read_file(&path, MAX_AUTHORITIES_BYTES)
            .map_err(|error| invalid(format!("cannot be read: {error}")))?;
        let mut authorities = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| invalid(format!("is damaged: {error}")))?;
            // What cannot be believed later is named now.
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| invalid(format!("has what is no certificate of an authority: {error}")))?;
            let certificate = Certificate::from_der(&certificate);
            authorities.push(certificate.map_err(|error| invalid(format!("cannot be used: {error}")))?);
        }
        if authorities.is_empty() {
            return Err(invalid(
                "has no certificate, which begins with -----BEGIN CERTIFICATE-----".to_owned(),
            ));
        }
        Ok(Authorities(authorities))
    }
}

impl Authorities {
    pub(super) fn certificates(&self) -> impl Iterator<Item = Certificate> {
        self.0.iter().cloned()
    }
}

/// Whether one of the causes is a certificate of an authority that is not believed.
pub(super) fn is_unknown_authority(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) = error.downcast_ref()
        {
            return true;
        }
        // An I/O error passes over the error that it carries when it is asked for its source.
        cause = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let refusal =
            || TlsSettings { ca_file: Some(path.clone()) }.check("targets.t.tls").unwrap_err().to_string();
        for (content, what) in [
            (None, "cannot be read"),
            (Some(""), "has no certificate"),
            (Some("-----BEGIN CERTIFICATE-----\nAAAA\n"), "is damaged"),
            (
                Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                "no certificate of an authority",
            ),
        ] {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let error = refusal();
            assert!(error.starts_with("targets.t.tls.ca_file: /") && error.contains(what), "{what}: {error}");
        }
    }

    #[test]
    fn a_device_that_never_ends_is_refused() {
        let settings = TlsSettings { ca_file: Some("/dev/zero".into()) };
        let error = settings.check("targets.t.tls").unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }

    #[test]
    fn a_byte_order_mark_before_a_certificate_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let authority = rcgen::generate_simple_self_signed(vec!["ca.example.com".to_owned()]).unwrap();
        fs::write(&path, format!("\u{feff}{}", authority.cert.pem())).unwrap();
        let authorities = TlsSettings { ca_file: Some(path) }.check("targets.t.tls").unwrap();
        assert_eq!(authorities.certificates().count(), 1);
    }
}
