//! `[targets.NAME.connector.http_api]`: what an operator writes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use shared::settings::list;

use super::super::http::BasicSettings;

/// Any product with a JSON interface, described request by request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpApiSettings {
    /// Where the interface lives; the paths of the requests are appended.
    pub base_url: String,
    /// How to log in: exactly one of `auth.basic`, `auth.bearer`, `auth.header` and `auth.oauth`.
    pub auth: AuthSettings,
    /// Further headers of every request, by name. They are no place for secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Sends the credentials over plain HTTP to a host that is not this machine. Default `false`.
    #[serde(default)]
    pub danger_allow_http: bool,
    /// Characters of a summary that the product takes. Default 200.
    #[serde(default = "summary_chars")]
    pub summary_chars: usize,
    /// Characters of every other text that the product takes. Default 32,000.
    #[serde(default = "text_chars")]
    pub text_chars: usize,
    /// How answers are judged beyond their status.
    #[serde(default)]
    pub answers: AnswerSettings,
    /// Where a work item says what it is.
    pub item: ItemSettings,
    /// Makes a work item. Its texts can name `key`, `summary`, `description`, `note`, `impact`, `urgency`, `ci`.
    pub create: RequestSettings,
    /// Finds work items by `key`, oldest first; `item` leads to the list.
    pub find: RequestSettings,
    /// Reads the work item `id`.
    pub read: RequestSettings,
    /// Adds `note`, and binds `ci` if it is not none, to the work item `id`.
    pub note: Vec<RequestSettings>,
    /// Resolves the work item `id`; likewise.
    pub resolve: Vec<RequestSettings>,
    /// Sets the resolved work item `id` to work again; likewise. None: a state of `item.resolved` counts as closed, so a
    /// work item that a person resolves is treated as `route.people.closed` says.
    #[serde(default)]
    pub reopen: Vec<RequestSettings>,
    /// Closes the work item `id` as a duplicate of `original.id`, which people know as `original.number`.
    pub close_double: Vec<RequestSettings>,
    /// How configuration items are found.
    #[serde(default)]
    pub ci: CiSettings,
}

/// The user of the integration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// A user's name and password.
    pub basic: Option<BasicSettings>,
    /// A token after the word `Bearer`.
    pub bearer: Option<BearerSettings>,
    /// A secret in a header of its own.
    pub header: Option<HeaderSettings>,
    /// OAuth client credentials.
    pub oauth: Option<OAuthSettings>,
}

/// A token after the word `Bearer`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BearerSettings {
    /// The token, or `value_file`.
    #[schemars(with = "Option<String>")]
    pub value: Option<SecretString>,
    /// A file that holds the token; it is read again when its content changes.
    pub value_file: Option<PathBuf>,
}

/// A secret in a header.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderSettings {
    /// The header. Default `Authorization`.
    #[serde(default = "authorization")]
    pub name: String,
    /// What stands before the secret, such as `Token token=`. Default empty.
    #[serde(default)]
    pub prefix: String,
    /// The secret, or `value_file`.
    #[schemars(with = "Option<String>")]
    pub value: Option<SecretString>,
    /// A file that holds the secret; it is read again when its content changes.
    pub value_file: Option<PathBuf>,
}

/// A client with a secret, see <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuthSettings {
    /// Where tokens are issued.
    pub token_url: String,
    /// The id that the product knows the client by.
    pub client_id: String,
    /// The secret, or `client_secret_file`.
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<SecretString>,
    /// A file that holds the secret; it is read again when its content changes.
    pub client_secret_file: Option<PathBuf>,
    /// What the token is asked for, if the product wants to know. Default none.
    pub scope: Option<String>,
}

/// Values at places of an answer that tell what it means. Places are JSON pointers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerSettings {
    /// One of these places is there in a success, and each that is there has one of its values.
    pub success: BTreeMap<String, Vec<Value>>,
    /// Something at one of these places is a failure, which may have happened after the write.
    #[serde(deserialize_with = "list")]
    pub failure: Vec<String>,
    /// The product refuses the work item as it is.
    pub rejected: BTreeMap<String, Vec<Value>>,
    /// The work item is not there.
    pub gone: BTreeMap<String, Vec<Value>>,
    /// The credentials do not work.
    pub unauthorized: BTreeMap<String, Vec<Value>>,
    /// The product asks to be left alone.
    pub throttled: BTreeMap<String, Vec<Value>>,
    /// Where the product says in its own words what is wrong.
    #[serde(deserialize_with = "list")]
    pub words: Vec<String>,
}

/// Where a work item says what it is: JSON pointers into it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemSettings {
    /// What the interface knows it by.
    pub id: String,
    /// What people know it by. Default the id.
    pub number: Option<String>,
    /// The key that it was made with, alone or in a list.
    pub key: String,
    /// The name of its state.
    pub state: String,
    /// The code with which it was ended, for `route.people.wont_fix`. Default none.
    pub resolution: Option<String>,
    /// States in which it is resolved and can be reopened.
    #[serde(deserialize_with = "list")]
    pub resolved: Vec<String>,
    /// States in which it is not written to any more. Every other state is open.
    #[serde(default, deserialize_with = "list")]
    pub closed: Vec<String>,
}

/// One request. Strings are texts: a single expression such as `{{ urgency }}` keeps its type, and what is none is
/// left out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestSettings {
    /// `GET`, `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// Below `base_url`; its parts are texts.
    pub path: String,
    /// The query; a value that is no string is written as JSON.
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// The body, as JSON: this, or `form`, or none.
    pub json: Option<Value>,
    /// The body, as a form; a value that is no string is written as JSON.
    pub form: Option<BTreeMap<String, Value>>,
    /// For a request of a change, an expression: it is sent only where that holds, or to carry fields of the route.
    pub when: Option<String>,
    /// Where in the body the fields of the route stand; in a form, the name of a field comes first.
    pub fields_at: Option<String>,
    /// Where in the answer the work item stands, or the list of them.
    pub item: Option<String>,
}

/// How configuration items are found; a way that is not described finds none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CiSettings {
    /// By the Azure resource id `value`.
    pub arm_id: Option<CiLookUpSettings>,
    /// By the name `value`.
    pub name: Option<CiLookUpSettings>,
    /// By the Azure resource id `value` in a tag.
    pub tag: Option<CiLookUpSettings>,
}

/// One way to find configuration items.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CiLookUpSettings {
    /// Finds items by `value`; `item` leads to the list.
    pub request: RequestSettings,
    /// Where in an item its id stands.
    pub id: String,
    /// Where in an item its name stands.
    pub name: String,
    /// Where in an item the value stands that was searched for.
    pub value: String,
    /// For a search that also finds what has only a part of the value: as many items as it answers with at most. An
    /// answer of so many tells nothing for certain. Default none: every item that is found has the value.
    pub partial_limit: Option<NonZeroUsize>,
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn summary_chars() -> usize {
    200
}

fn text_chars() -> usize {
    32_000
}
