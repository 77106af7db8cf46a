//! The operator's templates. They are data, so they are checked when they are read and bounded when they run;
//! one that fails is reported and replaced by a plain rendering, since a ticket with plain text beats none.

use std::collections::BTreeMap;
use std::io;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use shared::settings::SettingsError;

use super::RouteSettings;
use super::view::AlertView;

/// Instructions that one rendering may take.
const FUEL: u64 = 200_000;
/// Bytes that one rendering may give.
const MAX_RENDERED_BYTES: usize = 256 * 1024;

/// A change of a ticket that texts are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transition {
    Open,
    Update,
    Resolve,
    Reopen,
}

/// One template of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    CorrelationKey,
    Summary,
    Description,
    Note(Transition),
    Field(Transition, String),
}

/// The templates of a route, compiled.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    fields: BTreeMap<Transition, Vec<String>>,
}

/// What templates can name besides the alert.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TicketView {
    /// Its number in the ITSM; empty before it is made.
    pub number: String,
    /// The number of the ticket that this one follows, when there was one.
    pub follows: String,
}

/// A rendered text, and what went wrong when it is the plain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    pub fallback: Option<String>,
}

impl Template {
    fn key(&self) -> String {
        match self {
            Self::CorrelationKey => "route.correlation_key".to_owned(),
            Self::Summary => "route.open.summary".to_owned(),
            Self::Description => "route.open.description".to_owned(),
            Self::Note(transition) => format!("route.{}.note", transition.key()),
            Self::Field(transition, name) => format!("route.{}.fields.{name}", transition.key()),
        }
    }

    /// What stands in for a template that fails. A field has no plain rendering: it is left out.
    fn plain(&self, alert: &AlertView) -> String {
        match self {
            Self::CorrelationKey => alert.series.clone(),
            Self::Summary => alert.title.clone(),
            Self::Description | Self::Note(_) => alert.text.clone(),
            Self::Field(..) => String::new(),
        }
    }
}

impl Transition {
    fn key(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Update => "update",
            Self::Resolve => "resolve",
            Self::Reopen => "reopen",
        }
    }
}

impl Templates {
    pub(super) fn new(settings: &RouteSettings) -> Result<Self, SettingsError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let mut fields: BTreeMap<Transition, Vec<String>> = BTreeMap::new();
        for (template, text) in settings.templates() {
            let key = template.key();
            if let Err(error) = environment.add_template_owned(key.clone(), text.to_owned()) {
                return Err(SettingsError::Invalid(format!("{key} is not a template: {error:#}")));
            }
            if let Template::Field(transition, name) = template {
                fields.entry(transition).or_default().push(name);
            }
        }
        Ok(Self { environment, fields })
    }

    /// Renders one template. Never fails: see [`Rendered::fallback`].
    #[must_use]
    pub fn render(&self, template: &Template, alert: &AlertView, ticket: &TicketView) -> Rendered {
        match self.try_render(template, alert, ticket) {
            Ok(text) => Rendered { text, fallback: None },
            Err(error) => Rendered {
                text: template.plain(alert),
                fallback: Some(format!("{}: {error:#}", template.key())),
            },
        }
    }

    /// Renders the extra fields of a transition; those that fail are left out and reported.
    #[must_use]
    pub fn fields(
        &self,
        transition: Transition,
        alert: &AlertView,
        ticket: &TicketView,
    ) -> (BTreeMap<String, String>, Vec<String>) {
        let mut failures = Vec::new();
        let mut fields = BTreeMap::new();
        for name in self.fields.get(&transition).into_iter().flatten() {
            let rendered = self.render(&Template::Field(transition, name.clone()), alert, ticket);
            match rendered.fallback {
                None => drop(fields.insert(name.clone(), rendered.text)),
                Some(failure) => failures.push(failure),
            }
        }
        (fields, failures)
    }

    fn try_render(
        &self,
        template: &Template,
        alert: &AlertView,
        ticket: &TicketView,
    ) -> Result<String, minijinja::Error> {
        let mut text = Bounded::default();
        let context = Serde(Context { alert, ticket });
        self.environment.get_template(&template.key())?.render_captured_to(context, &mut text)?;
        Ok(String::from_utf8_lossy(&text.bytes).into_owned())
    }
}

#[derive(Serialize)]
struct Context<'a> {
    alert: &'a AlertView,
    ticket: &'a TicketView,
}

#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(more.len()) > MAX_RENDERED_BYTES {
            return Err(io::Error::other(format!("renders to more than {MAX_RENDERED_BYTES} bytes")));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
