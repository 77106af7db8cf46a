//! A secret that may be replaced while the worker runs: its file gets another content.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use shared::settings::{self, SettingsError};

/// A file is looked at so often while the secret is accepted: one that is replaced in time is never refused.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// And so often while it is refused.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A secret of the settings, given as it is or in a file.
pub(crate) struct Secret {
    /// The key of the settings, for messages.
    name: String,
    file: Option<PathBuf>,
    place: Place,
    held: Mutex<Held>,
}

/// Where the secret stands as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Header,
}

struct Held {
    value: SecretString,
    looked: Instant,
    looked_after_a_refusal: Option<Instant>,
    /// What is wrong with the file, as far as it was told.
    complaint: Option<String>,
}

/// What a look at the file came to.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Same,
    Another,
    Unusable(String),
    /// As unusable as at the last look.
    Still,
}

impl Secret {
    /// # Errors
    /// When both or neither are given, or the file cannot be read; `name` is the key to mend.
    pub(crate) fn new(
        name: &str,
        value: Option<SecretString>,
        file: Option<PathBuf>,
    ) -> Result<Self, SettingsError> {
        let value = settings::secret(name, value, file.clone())?;
        let held = Held::new(value);
        Ok(Self { name: name.to_owned(), file, place: Place::Anywhere, held: Mutex::new(held) })
    }

    /// One that stands in a header: a file that holds what cannot changes nothing.
    pub(super) fn in_a_header(self) -> Self {
        Self { place: Place::Header, ..self }
    }

    /// The key of the settings.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The secret as of lately.
    pub(super) fn current(&self) -> SecretString {
        let mut held = self.held();
        if held.looked.elapsed() >= LOOK_EVERY {
            self.look(&mut held);
        }
        held.value.clone()
    }

    /// The secret as of now: the one from before was refused.
    pub(super) fn after_a_refusal(&self) -> SecretString {
        let mut held = self.held();
        if held.looked_after_a_refusal.is_none_or(|at| at.elapsed() >= LOOK_AGAIN) {
            held.looked_after_a_refusal = Some(Instant::now());
            self.look(&mut held);
        }
        held.value.clone()
    }

    /// It is the content that counts: mounted secrets are replaced by links to other files, and copied ones keep their
    /// times. A file of this machine is read in microseconds, so nobody waits for the lock meanwhile.
    fn look(&self, held: &mut Held) {
        let Some(file) = &self.file else { return };
        held.looked = Instant::now();
        let name = &self.name;
        match held.hear(settings::read_secret(file).and_then(|secret| self.place.fits(secret))) {
            Look::Same | Look::Still => {}
            Look::Another => tracing::info!("{name}_file has another content, which is used from now on"),
            Look::Unusable(why) => tracing::error!(
                "{name}_file: {}: {why}; the secret from before stays in use, put the new one there",
                file.display()
            ),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn fits(self, secret: SecretString) -> io::Result<SecretString> {
        match self {
            Self::Header if HeaderValue::from_str(secret.expose_secret()).is_err() => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "it cannot stand in a header"))
            }
            Self::Header | Self::Anywhere => Ok(secret),
        }
    }
}

impl Held {
    fn new(value: SecretString) -> Self {
        Self { value, looked: Instant::now(), looked_after_a_refusal: None, complaint: None }
    }

    /// Takes in what the file holds now. What cannot be a secret changes nothing.
    fn hear(&mut self, read: io::Result<SecretString>) -> Look {
        match read {
            Ok(value) => {
                self.complaint = None;
                if value.expose_secret() == self.value.expose_secret() {
                    return Look::Same;
                }
                self.value = value;
                Look::Another
            }
            Err(error) => {
                let why = error.to_string();
                if self.complaint.as_ref() == Some(&why) {
                    return Look::Still;
                }
                self.complaint = Some(why.clone());
                Look::Unusable(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn gone() -> io::Result<SecretString> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_once_until_something_else_is() {
        let mut held = Held::new("old".into());
        assert!(matches!(held.hear(gone()), Look::Unusable(_)));
        assert_eq!(held.hear(gone()), Look::Still);
        assert!(matches!(held.hear(Err(io::Error::other("is empty"))), Look::Unusable(_)));
        assert_eq!(held.value.expose_secret(), "old");
        assert_eq!(held.hear(Ok("old".into())), Look::Same);
        assert!(matches!(held.hear(gone()), Look::Unusable(_)), "it was there in between");
        assert_eq!(held.hear(Ok("new".into())), Look::Another);
        assert_eq!(held.value.expose_secret(), "new");
    }

    #[test]
    fn what_cannot_stand_in_a_header_replaces_no_secret_that_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "good").unwrap();
        let secret = Secret::new("auth.value", None, Some(path.clone())).unwrap().in_a_header();
        for (content, expected) in [("two\nlines\n", "good"), ("a\u{7f}", "good"), ("better\n", "better")] {
            fs::write(&path, content).unwrap();
            secret.look(&mut secret.held());
            assert_eq!(secret.held().value.expose_secret(), expected, "{content:?}");
        }
    }

    #[test]
    fn a_file_is_read_again_after_a_while_and_its_content_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "old\n").unwrap();
        let secret = Secret::new("auth.password", None, Some(path.clone())).unwrap();
        let now = || {
            secret.look(&mut secret.held());
            secret.held().value.expose_secret().to_owned()
        };
        for (content, expected) in
            [("old\n\n", "old"), ("new\n", "new"), ("", "new"), ("\n", "new"), ("newer", "newer")]
        {
            fs::write(&path, content).unwrap();
            assert_eq!(now(), expected, "{content:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(now(), "newer");
        fs::write(&path, "newest").unwrap();
        assert_eq!(secret.current().expose_secret(), "newer", "it was looked at a moment ago");
        assert_eq!(now(), "newest");
    }
}
