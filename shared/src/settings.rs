//! Settings: embedded defaults, then a TOML file, then the environment; unknown keys are errors.

mod forms;
mod refusal;
mod schema;

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

pub use forms::{choice, list, text, texts, truth};
pub use schema::{duration, inheriting, schema};

/// Every key can be given as `SECURE_EXPORT__SECTION__KEY`.
const ENVIRONMENT_PREFIX: &str = "SECURE_EXPORT";
const SEPARATOR: &str = "__";
/// Longer than any password, token or address.
const MAX_SECRET_BYTES: u64 = 64 * 1024;
/// Far more than thousands of routes with all their texts. The file is read whole.
pub const MAX_SETTINGS_BYTES: u64 = 16 * 1024 * 1024;
/// Editors put it before the text, and no program means it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why the settings cannot be used. Each message says what to change.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read {}: {source}", .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{0}")]
    Invalid(String),
    #[error("{name}_file: cannot read {path}: {source}")]
    SecretFile {
        name: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Reads settings as `T`: `defaults` (TOML), overlaid by `file`, overlaid by the environment.
///
/// # Errors
/// When the file cannot be read, a key is unknown, or a value has the wrong type; the message names the key.
pub fn load<T: DeserializeOwned>(defaults: &str, file: Option<&Path>) -> Result<T, SettingsError> {
    let environment =
        config::Environment::with_prefix(ENVIRONMENT_PREFIX).prefix_separator(SEPARATOR).separator(SEPARATOR);
    load_with(defaults, file, environment)
}

/// Settings that were read before as they stand, now as `T`.
///
/// # Errors
/// As for [`load`].
pub fn reread<T: DeserializeOwned>(settings: serde_json::Value) -> Result<T, SettingsError> {
    T::deserialize(forms::raw(settings)).map_err(|error| refused(&error))
}

/// The value of a secret that was given directly or as the path of a file that holds it.
///
/// # Errors
/// When both or neither are given, or the file cannot be read; `name` is the key to mend.
pub fn secret(
    name: &str,
    value: Option<SecretString>,
    file: Option<PathBuf>,
) -> Result<SecretString, SettingsError> {
    match (value, file) {
        (Some(value), None) if !value.expose_secret().trim().is_empty() => Ok(value),
        (None, Some(path)) => read_secret(&path).map_err(|source| SettingsError::SecretFile {
            name: name.to_owned(),
            path,
            source,
        }),
        (Some(_), Some(_)) => {
            Err(SettingsError::Invalid(format!("{name} and {name}_file are both set: keep one")))
        }
        (Some(_), None) | (None, None) => {
            Err(SettingsError::Invalid(format!("{name} is not set: give {name} or {name}_file")))
        }
    }
}

/// The secret in a file, without the line break at its end.
///
/// # Errors
/// When the file cannot be read, is blank, is no text, or is far too long for a secret.
pub fn read_secret(path: &Path) -> io::Result<SecretString> {
    let content = read_file(path, MAX_SECRET_BYTES)?;
    let text = str::from_utf8(&content).map_err(|_| unusable("it is not UTF-8"))?;
    if text.trim().is_empty() {
        return Err(unusable("it is empty or blank"));
    }
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// The content of a file that settings name, without a byte order mark; it has at most `limit` bytes.
///
/// # Errors
/// When the file cannot be read or is too long. Pipes and devices are refused: they can block, or never end.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe waits for its other end, unless it is told not to.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(unusable("it is not a regular file"));
    }
    let mut content = Vec::new();
    // The length is counted, since a file of the system gives none.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if read as u64 > limit {
        return Err(too_long(limit));
    }
    match content.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => Ok(text.to_vec()),
        None => Ok(content),
    }
}

fn too_long(limit: u64) -> io::Error {
    unusable(&format!("it is too long: at most {limit} bytes are read"))
}

fn unusable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The defaults alone, which need not be all that is needed.
fn defaults_of(defaults: &str) -> Result<serde_json::Value, SettingsError> {
    let defaults = config::File::from_str(defaults, config::FileFormat::Toml);
    let settings = config::Config::builder().add_source(defaults).build();
    settings.and_then(config::Config::try_deserialize).map_err(|error| refused(&error))
}

fn load_with<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    environment: config::Environment,
) -> Result<T, SettingsError> {
    let mut builder =
        config::Config::builder().add_source(config::File::from_str(defaults, config::FileFormat::Toml));
    if let Some(path) = file {
        // One that cannot be asked is refused with its reason when it is read.
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_SETTINGS_BYTES) {
            return Err(SettingsError::File {
                path: path.to_owned(),
                source: Box::new(too_long(MAX_SETTINGS_BYTES)),
            });
        }
        builder = builder.add_source(config::File::from(path).format(config::FileFormat::Toml));
    }
    let settings = builder.add_source(environment).build().map_err(|error| match (error, file) {
        // It says what is wrong with the file, and not which one it is.
        (config::ConfigError::Foreign(source), Some(path)) => {
            SettingsError::File { path: path.to_owned(), source }
        }
        (other, _) => refused(&other),
    })?;
    settings.try_deserialize().map_err(|error| refused(&error))
}

fn refused(error: &config::ConfigError) -> SettingsError {
    SettingsError::Invalid(refusal::without_values(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        http: Http,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Http {
        port: u16,
        #[serde(deserialize_with = "list")]
        names: Vec<String>,
        wait: jiff::SignedDuration,
    }

    const DEFAULTS: &str = "[http]\nport = 1\nnames = [\"a\"]\nwait = \"5s\"";

    fn with(pairs: &[(&str, &str)]) -> Result<Sample, SettingsError> {
        with_both(None, pairs)
    }

    fn with_both(file: Option<&Path>, pairs: &[(&str, &str)]) -> Result<Sample, SettingsError> {
        let source = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let environment = config::Environment::with_prefix(ENVIRONMENT_PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .source(Some(source));
        load_with(DEFAULTS, file, environment)
    }

    #[test]
    fn the_environment_overrides_the_defaults() {
        let sample =
            with(&[("SECURE_EXPORT__HTTP__PORT", "8080"), ("SECURE_EXPORT__HTTP__NAMES", "b, c")]).unwrap();
        assert_eq!(sample.http.port, 8080);
        assert_eq!(sample.http.names, ["b", "c"]);
        assert_eq!(sample.http.wait, jiff::SignedDuration::from_secs(5));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = with(&[("SECURE_EXPORT__HTTP__PROT", "1")]).unwrap_err().to_string();
        assert!(error.contains("prot"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_key() {
        let error = with(&[("SECURE_EXPORT__HTTP__PORT", "many")]).unwrap_err().to_string();
        assert!(error.contains("port"), "{error}");
    }

    #[test]
    fn no_value_is_told_wherever_it_stands_wrong() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, told) in [
            ("http = \"S3CRET\"", "invalid type: a text, expected a table for key `http`"),
            ("[http]\nport = \"S3CRET\"", "for key `http.port`"),
            ("[http]\nwait = \"S3CRET\"", "for key `http.wait`"),
            ("[http]\nport = 1\nnames = \"S3CRET", "line 3, column"),
            ("[http]\nnames = S3CRET", "line 2, column 9: "),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let error = with_both(Some(file.path()), &[]).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("S3CRET"), "{text}: {error}");
            let name = file.path().file_name().unwrap().to_str().unwrap();
            assert!(error.contains(name) || !error.contains("line"), "{text}: {error}");
        }
        for key in ["HTTP", "HTTP__PORT", "HTTP__WAIT"] {
            let error =
                with(&[(&format!("SECURE_EXPORT__{key}"), "amqp://u:S3CRET@h")]).unwrap_err().to_string();
            let path = key.to_lowercase().replace("__", ".");
            assert!(error.contains(&format!("`{path}`")) && !error.contains("S3CRET"), "{key}: {error}");
        }
    }

    #[test]
    fn a_file_far_too_long_for_settings_is_refused_unread() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_SETTINGS_BYTES + 1).unwrap();
        let error = with_both(Some(file.path()), &[]).unwrap_err();
        assert!(matches!(error, SettingsError::File { .. }), "{error}");
        assert!(error.to_string().ends_with("it is too long: at most 16777216 bytes are read"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        for path in [folder.to_owned(), folder.join("nothing.toml")] {
            let error = load::<Sample>(DEFAULTS, Some(&path)).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_secret_is_given_once() {
        let value = || Some(SecretString::from("s"));
        assert!(secret("p", value(), None).is_ok());
        assert!(secret("p", value(), Some("x".into())).unwrap_err().to_string().contains("both"));
        assert!(secret("p", None, None).unwrap_err().to_string().contains("not set"));
        let missing = secret("p", None, Some("/nowhere".into())).unwrap_err().to_string();
        assert!(missing.contains("p_file") && missing.contains("/nowhere"), "{missing}");
    }

    #[test]
    fn a_file_without_a_secret_is_refused_and_its_last_line_break_is_none_of_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let given = |file: &tempfile::NamedTempFile| secret("p", None, Some(file.path().to_owned()));
        assert!(given(&file).unwrap_err().to_string().contains("it is empty"));
        std::fs::write(file.path(), " \t\n").unwrap();
        assert!(given(&file).unwrap_err().to_string().contains("blank"));
        std::fs::write(file.path(), "").unwrap();
        std::io::Write::write_all(&mut file, b" s\r\n").unwrap();
        assert_eq!(given(&file).unwrap().expose_secret(), " s");
        file.as_file().set_len(MAX_SECRET_BYTES + 1).unwrap();
        assert!(given(&file).unwrap_err().to_string().contains("too long"));
        std::fs::write(file.path(), "\u{feff}s\n").unwrap();
        assert_eq!(given(&file).unwrap().expose_secret(), "s", "a byte order mark is none of it either");
        assert!(secret("p", Some(" ".into()), None).unwrap_err().to_string().contains("not set"));
    }

    #[test]
    fn a_pipe_a_device_and_a_folder_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let error = secret("p", None, Some(path.to_owned())).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{error}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "four").unwrap();
        assert_eq!(read_file(file.path(), 4).unwrap(), b"four");
        assert!(read_file(file.path(), 3).unwrap_err().to_string().contains("at most 3 bytes"));
    }
}
