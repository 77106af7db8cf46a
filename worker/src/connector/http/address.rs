//! Where a product lives: an address that may carry credentials.

use shared::settings::SettingsError;
use url::{Host, Url};

/// The address in the setting `key`. Plain HTTP is for this machine, and for whoever asks for the danger.
///
/// # Errors
/// When it is no such address; the message says what to change.
pub(crate) fn base_url(key: &str, text: &str, danger_allow_http: bool) -> Result<Url, SettingsError> {
    let invalid = |what: &str| SettingsError::Invalid(format!("{key} {what}"));
    let url = Url::parse(text).map_err(|error| invalid(&format!("is not a URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("contains credentials: put them under auth"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("must end with the host or a path"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if danger_allow_http || is_this_machine(&url) => Ok(url),
        "http" => Err(invalid("would send credentials in the clear: use https")),
        _ => Err(invalid("must begin with https://")),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_travel_in_the_clear_only_to_this_machine_or_on_demand() {
        for url in
            ["http://127.0.0.1:8080/servicenow", "http://localhost", "http://[::1]:1", "https://example.com"]
        {
            assert!(base_url("t.base_url", url, false).is_ok(), "{url}");
        }
        assert!(base_url("t.base_url", "http://itsm-simulator:1", true).is_ok());
        let error = base_url("t.base_url", "http://example.com", false).unwrap_err().to_string();
        assert!(error.contains("t.base_url would send credentials"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_an_address_is_named() {
        let refuse = |url: &str, expected: &str| {
            let error = base_url("t.base_url", url, true).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refuse("example.com", "is not a URL");
        refuse("ftp://example.com", "https://");
        refuse("https://u:p@example.com", "put them under auth");
        refuse("https://example.com/?a=b", "must end with");
    }
}
