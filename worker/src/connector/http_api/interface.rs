//! What the connector makes of the settings: everything checked, and every request tried with values of all kinds.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use reqwest::Method;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use serde_json::{Value, json};
use shared::settings::SettingsError;
use url::Url;

use super::super::http::{ClientCredentials, Credentials, Fixed, Purpose, Secret, base_url};
use super::super::{CiWay, Occasion};
use super::answer::{Pointer, Rule, Shape, Verdicts, plain};
use super::request::{Content, Request};
use super::settings::{
    AnswerSettings, AuthSettings, CiLookUpSettings, HttpApiSettings, ItemSettings, RequestSettings,
};
use super::template::{Text, Tree, Values, names};
use texts::pointer;

mod texts;

/// What says where a request ends, where it goes and how long its connection lives is the client's to say.
const OF_THE_CLIENT: [HeaderName; 7] =
    [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE];

/// Checked settings: nothing in them needs a second look.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) base_url: Url,
    pub(super) headers: HeaderMap,
    pub(super) summary_chars: usize,
    pub(super) text_chars: usize,
    pub(super) verdicts: Verdicts,
    pub(super) shape: Shape,
    pub(super) create: Request,
    pub(super) find: Request,
    pub(super) read: Request,
    pub(super) note: Vec<Request>,
    pub(super) resolve: Vec<Request>,
    pub(super) reopen: Vec<Request>,
    pub(super) close_double: Vec<Request>,
    pub(super) arm_id: Option<CiLookUp>,
    pub(super) name: Option<CiLookUp>,
    pub(super) tag: Option<CiLookUp>,
}

#[derive(Debug)]
pub(super) struct CiLookUp {
    pub(super) request: Request,
    pub(super) id: Pointer,
    pub(super) name: Pointer,
    pub(super) value: Pointer,
    /// The value is made part of a text, so only one that is no syntax of any language may be asked for.
    pub(super) plain_values_only: bool,
    /// The most items of an answer that may also have only a part of the value; none: each has the value.
    pub(super) partial_limit: Option<NonZeroUsize>,
}

impl HttpApiSettings {
    /// The interface and who calls it; `name` is the path of these settings, for messages.
    pub(super) fn check(self, name: &str) -> Result<(Interface, Credentials), SettingsError> {
        let base_url = base_url(&format!("{name}.base_url"), &self.base_url, self.danger_allow_http)?;
        let credentials = self.auth.check(&format!("{name}.auth"), self.danger_allow_http)?;
        let headers = headers(&format!("{name}.headers"), &self.headers)?;
        let login = credentials.header();
        // The client sends the second with every call.
        if headers.contains_key(login) || login == ACCEPT {
            return Err(SettingsError::Invalid(format!(
                "{name}: the header {login} would carry the secret and something else: remove it from headers, or log \
                 in by another one"
            )));
        }
        let (changes, doubles) = (changes(), doubles());
        let several = |act: &str, given: Vec<RequestSettings>, samples: &[Value]| {
            let key = |index| format!("{name}.{act}[{index}]");
            let given = given.into_iter().enumerate();
            given.map(|(index, request)| request.check(&key(index), samples)).collect::<Result<Vec<_>, _>>()
        };
        let one = |act: &str, given: RequestSettings, samples: &[Value]| {
            given.check_asking(&format!("{name}.{act}"), samples)
        };
        let find_ci = |way: &str, given: Option<CiLookUpSettings>| {
            given.map(|given| given.check(&format!("{name}.ci.{way}"))).transpose()
        };
        for (act, given) in
            [("note", &self.note), ("resolve", &self.resolve), ("close_double", &self.close_double)]
        {
            if given.is_empty() {
                return Err(SettingsError::Invalid(format!("{name}.{act} needs at least one request")));
            }
        }
        let interface = Interface {
            base_url,
            headers,
            summary_chars: self.summary_chars,
            text_chars: self.text_chars,
            verdicts: self.answers.check(&format!("{name}.answers"))?,
            shape: self.item.check(&format!("{name}.item"), self.reopen.is_empty())?,
            create: one("create", self.create, &drafts())?,
            find: one("find", self.find, &[json!({"key": "sx1"})])?,
            read: one("read", self.read, &[json!({"id": "1"})])?,
            note: several("note", self.note, &changes)?,
            resolve: several("resolve", self.resolve, &changes)?,
            reopen: several("reopen", self.reopen, &changes)?,
            close_double: several("close_double", self.close_double, &doubles)?,
            arm_id: find_ci("arm_id", self.ci.arm_id)?,
            name: find_ci("name", self.ci.name)?,
            tag: find_ci("tag", self.ci.tag)?,
        };
        interface.check_names(name)?;
        Ok((interface, credentials))
    }
}

impl Interface {
    /// The look-up of a way, if it is described.
    pub(super) fn look_up(&self, way: CiWay) -> Option<&CiLookUp> {
        match way {
            CiWay::ArmId => self.arm_id.as_ref(),
            CiWay::Name => self.name.as_ref(),
            CiWay::Tag => self.tag.as_ref(),
        }
    }

    /// The requests that carry the fields of a route on this occasion.
    pub(super) fn requests(&self, occasion: Occasion) -> &[Request] {
        match occasion {
            Occasion::Create => std::slice::from_ref(&self.create),
            Occasion::Note => &self.note,
            Occasion::Resolve => &self.resolve,
            Occasion::Reopen => &self.reopen,
        }
    }

    /// Refuses what would be the same for every work item: it would be about another one, or never be found again.
    fn check_names(&self, name: &str) -> Result<(), SettingsError> {
        let draft = json!({
            "summary": "s", "description": "d", "note": "n", "impact": 1, "urgency": 1, "ci": null,
        });
        let change = json!({"note": "n", "ci": "1", "original": {"id": "0", "number": "0"}});
        let one = std::slice::from_ref;
        for (act, requests, sample, value) in [
            ("create", one(&self.create), &draft, "key"),
            ("find", one(&self.find), &draft, "key"),
            ("read", one(&self.read), &change, "id"),
            ("note", &self.note, &change, "id"),
            ("resolve", &self.resolve, &change, "id"),
            ("reopen", &self.reopen, &change, "id"),
            ("close_double", &self.close_double, &change, "id"),
        ] {
            let calls = |given: &str| -> Vec<String> {
                let mut values: Values = sample.as_object().cloned().unwrap_or_default();
                values.insert(value.to_owned(), given.into());
                let call = |request: &Request| {
                    request.call(&self.base_url, Purpose::Search, &values, &BTreeMap::new()).ok()
                };
                requests.iter().filter_map(call).map(|call| format!("{call:?}")).collect()
            };
            if !requests.is_empty() && calls("1") == calls("2") {
                return Err(SettingsError::Invalid(format!(
                    "{name}.{act} does not name {{{{ {value} }}}}: it would be the same for every work item"
                )));
            }
        }
        Ok(())
    }
}

/// With and without a configuration item.
const CIS: [Option<&str>; 2] = [Some("1"), None];

/// Every kind of new work item: a map of severities that lacks a level would park the first alert of that severity.
pub(super) fn drafts() -> Vec<Value> {
    let draft = |(impact, urgency, ci): (u8, u8, Option<&str>)| {
        json!({
            "key": "sx1", "summary": "s", "description": "d", "note": "n", "impact": impact, "urgency": urgency,
            "ci": ci,
        })
    };
    let levels = (1..=5).flat_map(|impact| (1..=5).map(move |urgency| (impact, urgency)));
    levels.flat_map(|(impact, urgency)| CIS.map(|ci| draft((impact, urgency, ci)))).collect()
}

/// Every kind of change of an open or a resolved work item.
pub(super) fn changes() -> [Value; 2] {
    CIS.map(|ci| json!({"id": "1", "note": "n", "ci": ci}))
}

/// The one kind of a work item that is closed as another one's duplicate.
pub(super) fn doubles() -> [Value; 1] {
    [json!({"id": "1", "original": {"id": "2", "number": "2"}, "note": "n"})]
}

impl AuthSettings {
    fn check(self, name: &str, danger_allow_http: bool) -> Result<Credentials, SettingsError> {
        match (self.basic, self.bearer, self.header, self.oauth) {
            (Some(basic), None, None, None) => basic.check(&format!("{name}.basic")),
            (None, Some(bearer), None, None) => {
                let name = format!("{name}.bearer.value");
                let value = Secret::new(&name, bearer.value, bearer.value_file)?;
                Ok(Credentials::Fixed(Fixed::prefixed(AUTHORIZATION, "Bearer ", value)?))
            }
            (None, None, Some(header), None) => {
                let header_name = header_name(&format!("{name}.header.name"), &header.name)?;
                let name = format!("{name}.header.value");
                let value = Secret::new(&name, header.value, header.value_file)?;
                Ok(Credentials::Fixed(Fixed::prefixed(header_name, &header.prefix, value)?))
            }
            (None, None, None, Some(oauth)) => {
                let token_url =
                    base_url(&format!("{name}.oauth.token_url"), &oauth.token_url, danger_allow_http)?;
                let name = format!("{name}.oauth.client_secret");
                let client_secret = Secret::new(&name, oauth.client_secret, oauth.client_secret_file)?;
                let client = ClientCredentials::new(token_url, oauth.client_id, client_secret, oauth.scope);
                Ok(Credentials::ClientCredentials(client))
            }
            _ => Err(SettingsError::Invalid(format!("{name}: give one of basic, bearer, header and oauth"))),
        }
    }
}

impl AnswerSettings {
    fn check(self, name: &str) -> Result<Verdicts, SettingsError> {
        let rules = |key: &str, given: BTreeMap<String, Vec<Value>>| {
            let rule = |(at, values): (String, Vec<Value>)| {
                let at = pointer(&format!("{name}.{key}"), &at)?;
                Ok(Rule { at, values: values.iter().map(plain).collect() })
            };
            given.into_iter().map(rule).collect::<Result<Vec<_>, SettingsError>>()
        };
        let pointers = |key: &str, given: &[String]| {
            let key = format!("{name}.{key}");
            given.iter().map(|at| pointer(&key, at)).collect::<Result<Vec<_>, SettingsError>>()
        };
        Ok(Verdicts {
            success: rules("success", self.success)?,
            failure: pointers("failure", &self.failure)?,
            rejected: rules("rejected", self.rejected)?,
            gone: rules("gone", self.gone)?,
            unauthorized: rules("unauthorized", self.unauthorized)?,
            throttled: rules("throttled", self.throttled)?,
            words: pointers("words", &self.words)?,
        })
    }
}

impl ItemSettings {
    /// What can never be reopened is closed once it is resolved.
    fn check(self, name: &str, is_final: bool) -> Result<Shape, SettingsError> {
        if self.resolved.is_empty() {
            return Err(SettingsError::Invalid(format!(
                "{name}.resolved is empty: name the states in which a work item is resolved"
            )));
        }
        if let Some(state) = self.resolved.iter().find(|state| self.closed.contains(state)) {
            return Err(SettingsError::Invalid(format!(
                "{name}: {state:?} is resolved and closed, but means one thing: remove it from one of the lists"
            )));
        }
        let (resolved, closed) = if is_final {
            (Vec::new(), self.resolved.into_iter().chain(self.closed).collect())
        } else {
            (self.resolved, self.closed)
        };
        let at = |key: &str, given: &str| pointer(&format!("{name}.{key}"), given);
        Ok(Shape {
            id: at("id", &self.id)?,
            number: at("number", self.number.as_ref().unwrap_or(&self.id))?,
            key: at("key", &self.key)?,
            state: at("state", &self.state)?,
            resolution: self.resolution.as_ref().map(|given| at("resolution", given)).transpose()?,
            resolved,
            closed,
        })
    }
}

impl RequestSettings {
    /// A request whose answer is needed.
    fn check_asking(self, name: &str, samples: &[Value]) -> Result<Request, SettingsError> {
        if self.item.is_none() {
            return Err(SettingsError::Invalid(format!(
                "{name}.item is missing: say where in the answer it stands, \"\" for all of it"
            )));
        }
        if self.when.is_some() {
            return Err(SettingsError::Invalid(format!(
                "{name}.when would leave a request out that is always needed: remove it"
            )));
        }
        self.check(name, samples)
    }

    /// The request, tried with values like those that it will get.
    fn check(self, name: &str, samples: &[Value]) -> Result<Request, SettingsError> {
        let invalid = |what: String| SettingsError::Invalid(format!("{name}{what}"));
        self.check_texts().map_err(|reason| invalid(format!(": {reason}")))?;
        let method = match self.method.as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            other => return Err(invalid(format!(".method {other:?} is none of GET, POST, PUT and PATCH"))),
        };
        let body = match (self.json, self.form) {
            (Some(_), Some(_)) => return Err(invalid(" has json and form: keep one".to_owned())),
            (Some(json), None) => Some(Content::Json(Tree::parse(json))),
            (None, Some(form)) => {
                Some(Content::Form(Tree::Map(form.into_iter().map(|(k, v)| (k, Tree::parse(v))).collect())))
            }
            (None, None) if self.fields_at.is_some() => {
                return Err(invalid(
                    ".fields_at is a place in a body, and there is none: add json = {} or form = {}"
                        .to_owned(),
                ));
            }
            (None, None) => None,
        };
        let at = |key: &str, given: Option<String>| {
            given.map(|given| pointer(&format!("{name}.{key}"), &given)).transpose()
        };
        let request = Request {
            method,
            path: self.path.trim_start_matches('/').split('/').map(Text::parse).collect(),
            query: self.query.into_iter().map(|(name, value)| (name, Tree::parse(value))).collect(),
            body,
            when: self.when,
            fields_at: at("fields_at", self.fields_at)?,
            item: at("item", self.item)?,
        };
        for sample in samples {
            request.try_out(sample).map_err(|reason| invalid(format!(": {reason}")))?;
        }
        Ok(request)
    }
}

impl Request {
    /// A request that fails with values like these would park every ticket that has such.
    fn try_out(&self, sample: &Value) -> Result<(), String> {
        let values: Values = sample.as_object().cloned().unwrap_or_default();
        if let Some(condition) = &self.when
            && let Some(unknown) = names(condition)?.iter().find(|name| !values.contains_key(*name))
        {
            return Err(format!("{condition:?}: there is no value {unknown:?} here"));
        }
        let base = Url::parse("https://localhost/").map_err(|error| error.to_string())?;
        let of_the_route = BTreeMap::from([("a field of the route".to_owned(), String::new())]);
        for fields in [BTreeMap::new(), of_the_route] {
            if self.is_due(&values, &fields)? {
                self.call(&base, Purpose::Search, &values, &fields)?;
            }
        }
        Ok(())
    }
}

impl CiLookUpSettings {
    fn check(self, name: &str) -> Result<CiLookUp, SettingsError> {
        let samples = [json!({"value": "web-07"})];
        let request = self.request.check_asking(&format!("{name}.request"), &samples)?;
        Ok(CiLookUp {
            plain_values_only: request.embeds("value"),
            partial_limit: self.partial_limit,
            request,
            id: pointer(&format!("{name}.id"), &self.id)?,
            name: pointer(&format!("{name}.name"), &self.name)?,
            value: pointer(&format!("{name}.value"), &self.value)?,
        })
    }
}

fn headers(key: &str, given: &BTreeMap<String, String>) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let value = HeaderValue::from_str(value)
            .map_err(|_| SettingsError::Invalid(format!("{key}.{name} cannot stand in a header")))?;
        headers.insert(header_name(key, name)?, value);
    }
    Ok(headers)
}

fn header_name(key: &str, name: &str) -> Result<HeaderName, SettingsError> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| SettingsError::Invalid(format!("{key}: {name:?} cannot be the name of a header")))?;
    if OF_THE_CLIENT.contains(&parsed) {
        return Err(SettingsError::Invalid(format!("{key}: the client itself sets {parsed}: remove it")));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests;
