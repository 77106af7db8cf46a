//! What a pass writes: texts and fields, from the alert as it was last heard.

use std::collections::BTreeMap;

use shared::alert::Notification;

use super::Progress;
use super::writing::Writing;
use crate::connector::{Change, Draft};
use crate::policy::template::{StormText, Template, TicketView, Transition};
use crate::policy::view::AlertView;

impl Progress<'_> {
    pub(super) fn draft(&self, alert: &AlertView, ci: Option<String>) -> Draft {
        let ticket = self.ticket();
        let render = |template: &Template| self.rendered(template, alert, &ticket);
        let weight = self.route.weight(alert.level);
        let (summary, description) = match self.claim.storm {
            Some(_) => (Template::Storm(StormText::Summary), Template::Storm(StormText::Description)),
            None => (Template::Summary, Template::Description),
        };
        Draft {
            correlation_id: self.claim.correlation_id.clone(),
            summary: render(&summary),
            description: render(&description),
            note: render(&Template::Note(Transition::Open)),
            impact: weight.impact,
            urgency: weight.urgency,
            ci,
            fields: self.fields(Transition::Open, alert, &ticket),
        }
    }

    pub(super) fn change(&self, writing: Writing, ci: Option<String>) -> Change {
        let source = &self.claim.source;
        let body = match writing {
            Writing::Resolution | Writing::ResolutionNote => {
                source.resolved.as_ref().or(source.fired.as_ref())
            }
            Writing::Note | Writing::Reopening | Writing::Insistence | Writing::Ci => source.fired.as_ref(),
        };
        let (alert, ticket) = (self.view(body), self.ticket());
        let fields = writing.transition().map(|transition| self.fields(transition, &alert, &ticket));
        Change {
            note: self.rendered(&self.note(writing), &alert, &ticket),
            ci,
            fields: fields.unwrap_or_default(),
        }
    }

    /// The alert as templates see it. The body was an alert when it was heard; without it, little more than
    /// the id is known.
    pub(super) fn view(&self, body: Option<&String>) -> AlertView {
        let source = &self.claim.source;
        let parsed = body.and_then(|body| Notification::parse(body.as_bytes()).ok());
        match parsed {
            Some(notification) => AlertView::new(source.tenant_id, &notification),
            None => AlertView::unknown(source.tenant_id, &source.alert_id),
        }
    }

    fn ticket(&self) -> TicketView {
        let storm = self.claim.storm.as_ref();
        TicketView {
            number: self.claim.item.as_ref().map(|item| item.number.clone()).unwrap_or_default(),
            follows: self.claim.source.follows.clone().unwrap_or_default(),
            route: self.route.name.clone(),
            alerts: storm.map_or(self.claim.source.alerts, |storm| storm.alerts),
            auto_resolved: self.claim.source.auto_resolved,
            firing: storm.map_or(0, |storm| storm.firing),
            storm_since: storm.map(|storm| storm.since.to_string()).unwrap_or_default(),
            newest: storm.map(|storm| storm.newest.clone()).unwrap_or_default(),
            flapping_since: self.claim.flapping_since.map(|since| since.to_string()).unwrap_or_default(),
        }
    }

    /// What is written while the alerts fire says what is special about the ticket.
    fn note(&self, writing: Writing) -> Template {
        match writing {
            Writing::Note | Writing::Reopening if self.claim.storm.is_some() => {
                Template::Storm(StormText::Note)
            }
            Writing::Note | Writing::Reopening if self.claim.flapping_since.is_some() => Template::Flapping,
            Writing::Note
            | Writing::Resolution
            | Writing::ResolutionNote
            | Writing::Reopening
            | Writing::Insistence
            | Writing::Ci => writing.template(),
        }
    }

    fn rendered(&self, template: &Template, alert: &AlertView, ticket: &TicketView) -> String {
        let rendered = self.route.templates.render(template, alert, ticket);
        if let Some(failure) = &rendered.fallback {
            self.template_failed(failure);
        }
        rendered.text
    }

    fn fields(
        &self,
        transition: Transition,
        alert: &AlertView,
        ticket: &TicketView,
    ) -> BTreeMap<String, String> {
        let (fields, failures) = self.route.templates.fields(transition, alert, ticket);
        failures.iter().for_each(|failure| self.template_failed(failure));
        fields
    }

    fn template_failed(&self, failure: &str) {
        self.pass.metrics.template_failures.inc();
        tracing::error!(
            ticket_id = %self.claim.ticket_id, failure,
            "a template failed, plain text is used: {failure}"
        );
    }
}
