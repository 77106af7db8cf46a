//! The operator's templates. They are data, so they are checked when they are read and bounded when they run;
//! one that fails is reported and replaced by a plain rendering, since a ticket with plain text beats none.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;
use shared::causes::told;
use shared::settings::SettingsError;

use super::RouteSettings;
use super::view::AlertView;
use crate::connector::markup;
use crate::connector::text::is_seen;

/// Instructions that one rendering may take.
const FUEL: u64 = 200_000;
/// Bytes of one template: the longer it is, the deeper what is read from it.
const MAX_TEMPLATE_BYTES: usize = 16 * 1024;
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
    /// The note of a ticket that is reopened although people resolved it.
    StillFires,
    /// The note of a ticket whose configuration item is bound only now.
    Bound,
    /// The note of a ticket whose alerts come and go.
    Flapping,
    Storm(StormText),
    Field(Transition, String),
}

/// A text of the ticket that stands for the alerts of a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StormText {
    Summary,
    Description,
    Note,
}

/// The templates of a route, compiled.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    all: Vec<Template>,
    fields: BTreeMap<Transition, Vec<String>>,
}

/// What templates can name besides the alert.
#[derive(Debug, Clone, Serialize)]
pub struct TicketView {
    /// Its number in the ITSM; empty before it is made.
    pub number: String,
    /// The number of the ticket that this one follows, when there was one.
    pub follows: String,
    /// How many alerts it stands for, those that are over included; counted as far as the ledger does.
    pub alerts: u32,
    /// The name of its route.
    pub route: String,
    /// How many of the alerts of a storm fire.
    pub firing: u32,
    /// Since when it takes the alerts over the limit of its route; empty for other tickets.
    pub storm_since: String,
    /// The newest alerts of a storm.
    pub newest: Vec<String>,
    /// Since when its alerts come and go so often that it is held open; empty for other tickets.
    pub flapping_since: String,
    /// Whether its alert counts as resolved because it did not fire anew, and not because Azure said so.
    pub auto_resolved: bool,
}

/// A rendered text, and what went wrong when it is the plain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    pub fallback: Option<String>,
}

/// A ticket that is yet to be made, for its first alert.
impl Default for TicketView {
    fn default() -> Self {
        Self {
            number: String::new(),
            follows: String::new(),
            route: String::new(),
            alerts: 1,
            auto_resolved: false,
            firing: 0,
            storm_since: String::new(),
            newest: Vec::new(),
            flapping_since: String::new(),
        }
    }
}

/// Why a template gives no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    /// Whether an alert that carries more may get one.
    pub(super) lacks_data: bool,
}

impl Template {
    pub(crate) fn key(&self) -> String {
        match self {
            Self::CorrelationKey => "route.correlation_key".to_owned(),
            Self::Summary => "route.open.summary".to_owned(),
            Self::Description => "route.open.description".to_owned(),
            Self::Note(transition) => format!("route.{}.note", transition.key()),
            Self::StillFires => "route.people.note".to_owned(),
            Self::Bound => "route.bind.note".to_owned(),
            Self::Flapping => "route.flapping.note".to_owned(),
            Self::Storm(StormText::Summary) => "route.storm.summary".to_owned(),
            Self::Storm(StormText::Description) => "route.storm.description".to_owned(),
            Self::Storm(StormText::Note) => "route.storm.note".to_owned(),
            Self::Field(transition, name) => format!("route.{}.fields.{name}", transition.key()),
        }
    }

    /// Alerts without a key would all share one ticket, and one without a title is not found or not taken.
    fn must_be_seen(&self) -> bool {
        match self {
            Self::CorrelationKey | Self::Summary | Self::Storm(StormText::Summary) => true,
            Self::Description
            | Self::Note(_)
            | Self::StillFires
            | Self::Bound
            | Self::Flapping
            | Self::Storm(StormText::Description | StormText::Note)
            | Self::Field(..) => false,
        }
    }

    /// Whether it is rendered before there is a work item.
    pub(super) fn is_of_a_new_ticket(&self) -> bool {
        match self {
            Self::CorrelationKey
            | Self::Summary
            | Self::Description
            | Self::Storm(StormText::Summary | StormText::Description)
            | Self::Note(Transition::Open)
            | Self::Field(Transition::Open, _) => true,
            Self::StillFires
            | Self::Bound
            | Self::Flapping
            | Self::Storm(StormText::Note)
            | Self::Note(Transition::Update | Transition::Resolve | Transition::Reopen)
            | Self::Field(Transition::Update | Transition::Resolve | Transition::Reopen, _) => false,
        }
    }

    /// What stands in for a template that fails. A field has no plain rendering: it is left out.
    fn plain(&self, alert: &AlertView) -> String {
        match self {
            Self::CorrelationKey => alert.series.clone(),
            Self::Summary | Self::Storm(StormText::Summary) => alert.title.clone(),
            Self::Description
            | Self::Note(_)
            | Self::StillFires
            | Self::Bound
            | Self::Flapping
            | Self::Storm(StormText::Description | StormText::Note) => alert.text.clone(),
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
        markup::add_texts(&mut environment);
        let (mut all, mut fields) = (Vec::new(), BTreeMap::<Transition, Vec<String>>::new());
        for (template, text) in settings.templates() {
            let key = template.key();
            if text.len() > MAX_TEMPLATE_BYTES {
                return Err(SettingsError::Invalid(format!(
                    "{key} has more than {MAX_TEMPLATE_BYTES} bytes: shorten it"
                )));
            }
            if let Err(error) = environment.add_template_owned(key.clone(), text.to_owned()) {
                return Err(SettingsError::Invalid(format!("{key} is not a template: {}", told(&error))));
            }
            if let Template::Field(transition, name) = &template {
                fields.entry(*transition).or_default().push(name.clone());
            }
            all.push(template);
        }
        Ok(Self { environment, all, fields })
    }

    /// Renders one template. Never fails: see [`Rendered::fallback`].
    #[must_use]
    pub fn render(&self, template: &Template, alert: &AlertView, ticket: &TicketView) -> Rendered {
        match self.text(template, alert, ticket) {
            Ok(text) => Rendered { text, fallback: None },
            Err(failure) => Rendered {
                text: template.plain(alert),
                fallback: Some(format!("{}: {}", template.key(), failure.why)),
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

    /// The names of the extra fields of each transition.
    pub fn field_names(&self) -> impl Iterator<Item = (Transition, &str)> {
        self.fields
            .iter()
            .flat_map(|(transition, names)| names.iter().map(|name| (*transition, name.as_str())))
    }

    /// Every template, each once.
    pub(super) fn all(&self) -> &[Template] {
        &self.all
    }

    /// The template as the operator wrote it.
    pub(super) fn source(&self, template: &Template) -> String {
        let compiled = self.environment.get_template(&template.key());
        compiled.map(|compiled| compiled.source().to_owned()).unwrap_or_default()
    }

    /// Names in the template that neither it nor anything that it is given has, whether they are reached or not.
    pub(super) fn unknown_names(&self, template: &Template) -> BTreeSet<String> {
        let Ok(compiled) = self.environment.get_template(&template.key()) else { return BTreeSet::new() };
        let (alert, ticket) = (&AlertView::default(), &TicketView::default());
        let given = serde_json::to_value(Context { alert, ticket }).unwrap_or_default();
        let is_function = |name: &str| self.environment.globals().any(|(global, _)| global == name);
        let named = compiled.undeclared_variables(true).into_iter();
        named.filter(|name| !has(&given, name) && !is_function(name)).collect()
    }

    /// Whether the template reads what Azure or the operator's alert rules put into an alert as they like.
    pub(super) fn reads_open_data(&self, template: &Template) -> bool {
        let Ok(compiled) = self.environment.get_template(&template.key()) else { return false };
        let open = |name: &String| {
            ["alert.context", "alert.custom"]
                .iter()
                .any(|open| name == open || name.starts_with(&format!("{open}.")))
        };
        compiled.undeclared_variables(true).iter().any(open)
    }

    /// Renders one template, or says why it gives no text.
    pub(super) fn text(
        &self,
        template: &Template,
        alert: &AlertView,
        ticket: &TicketView,
    ) -> Result<String, Failure> {
        match self.try_render(template, alert, ticket) {
            Ok(text) if template.must_be_seen() && !is_seen(&text) => {
                Err(Failure { why: "gives an empty text".to_owned(), lacks_data: true })
            }
            Ok(text) => Ok(text),
            Err(error) => Err(Failure {
                why: told(&error),
                lacks_data: matches!(error.kind(), ErrorKind::UndefinedError | ErrorKind::InvalidOperation),
            }),
        }
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

/// Whether there is something under a name such as `alert.links.query`. What is within open data is not known here.
fn has(given: &Value, name: &str) -> bool {
    let mut place = given;
    for step in name.split('.') {
        let Value::Object(members) = place else { return true };
        let Some(member) = members.get(step) else { return false };
        place = member;
    }
    true
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

#[cfg(test)]
mod tests;
