//! What an operator may write, and what is said about the rest.

use super::*;

const FILE: &str = r#"
    base_url = "https://itsm.example.com"
    auth.bearer.value = "hush"
    headers = { Accept = "application/vnd.example+json" }
    answers = { success = { "/status" = ["ok", 1] }, words = "/message" }
    item = { id = "/id", key = "/key", state = "/state", resolved = ["Solved"], closed = ["Closed"] }
    [create]
    method = "POST"
    path = "/api/tickets"
    json = { title = "{{ summary }}", urgency = "{{ urgency }}", key = "{{ key }}" }
    item = ""
    [find]
    method = "GET"
    path = "/api/tickets"
    query = { key = "{{ key }}" }
    item = "/items"
    [read]
    method = "GET"
    path = "/api/tickets/{{ id }}"
    item = ""
    [[note]]
    method = "POST"
    path = "/api/tickets/{{ id }}/notes"
    json = { text = "{{ note }}" }
    [[resolve]]
    method = "PUT"
    path = "/api/tickets/{{ id }}"
    json = { state = "Solved" }
    [[reopen]]
    method = "PUT"
    path = "/api/tickets/{{ id }}"
    json = { state = "Open" }
    [[close_double]]
    method = "PUT"
    path = "/api/tickets/{{ id }}"
    json = { state = "Closed", note = "{{ note }}", parent = "{{ original.id }}" }
    [ci.name]
    request = { method = "GET", path = "cis", query = { filter = "name eq '{{ value }}'" }, item = "/items" }
    id = "/id"
    name = "/name"
    value = "/name"
"#;

fn read(text: &str) -> Result<Interface, String> {
    let settings: HttpApiSettings = shared::settings::load(text, None).map_err(|error| error.to_string())?;
    settings.check("t.http_api").map(|(interface, _)| interface).map_err(|error| error.to_string())
}

/// The file with one text in place of another.
fn with(old: &str, new: &str) -> Result<Interface, String> {
    assert!(FILE.contains(old), "{old}");
    read(&FILE.replacen(old, new, 1))
}

#[test]
fn a_file_reads_as_documented() {
    let interface = read(FILE).unwrap();
    assert_eq!(interface.headers["accept"], "application/vnd.example+json");
    assert_eq!(interface.verdicts.success[0].values, ["ok", "1"]);
    assert_eq!((interface.note.len(), interface.create.path.len()), (1, 2));
    assert!(interface.name.unwrap().plain_values_only && interface.tag.is_none());
}

#[test]
fn what_is_wrong_is_named() {
    let refuse = |old: &str, new: &str, expected: &str| {
        let error = with(old, new).unwrap_err();
        assert!(error.contains(expected), "{old:?} -> {new:?}: {error}");
    };
    refuse("https://", "http://", "t.http_api.base_url would send credentials");
    refuse("auth.bearer.value = \"hush\"", "auth = {}", "t.http_api.auth: give one of");
    refuse("auth.bearer.value = \"hush\"", "auth.bearer = {}", "t.http_api.auth.bearer.value");
    refuse("auth.bearer.value", "auth.header = { name = \"a b\", value = \"x\" }\nx", "unknown field");
    refuse("Accept =", "\"a b\" =", "t.http_api.headers");
    refuse("\"/status\"", "\"status\"", "t.http_api.answers.success: \"status\" is no JSON pointer");
    refuse("words = \"/message\"", "word = \"/message\"", "word");
    refuse("id = \"/id\"", "id = \"id\"", "t.http_api.item.id");
    refuse("[\"Solved\"]", "[]", "t.http_api.item.resolved is empty");
    refuse("[\"Closed\"]", "[\"Solved\"]", "is resolved and closed");
    refuse("{{ summary }}", "{{ summry }}", "t.http_api.create");
    refuse("{{ summary }}", "{{ summary", "t.http_api.create");
    refuse("item = \"\"", "", "t.http_api.create.item is missing");
    refuse("method = \"GET\"", "method = \"DELETE\"", "t.http_api.find.method");
    refuse(
        "query = { key = \"{{ key }}\" }",
        "query = { key = \"sx1\" }",
        "t.http_api.find does not name {{ key }}",
    );
    refuse(
        "key = \"{{ key }}\" }\n    item",
        "key = \"sx1\" }\n    item",
        "t.http_api.create does not name {{ key }}",
    );
    refuse(
        "/api/tickets/{{ id }}\"\n    item",
        "/api/tickets/3\"\n    item",
        "t.http_api.read does not name {{ id }}",
    );
    refuse("{{ id }}/notes\"", "3/notes\"", "t.http_api.note does not name {{ id }}");
    refuse("{{ id }}/notes", "{{ number }}/notes", "t.http_api.note[0]");
    refuse("json = { text", "form = { a = \"b\" }\njson = { text", "t.http_api.note[0] has json and form");
    refuse("json = { text", "when = \"note and\"\njson = { text", "t.http_api.note[0]");
    refuse("json = { text", "fields_at = \"/text\"\njson = { text", "t.http_api.note[0]: fields_at");
    refuse("json = { text", "when = \"ci and nite\"\njson = { text", "there is no value \"nite\" here");
    refuse("json = { title", "when = \"ci\"\njson = { title", "t.http_api.create.when");
    refuse("query = { key", "when = \"key\"\nquery = { key", "t.http_api.find.when");
    refuse(
        "[ci.name]\n    request = {",
        "[ci.name]\n    request = { when = \"value\",",
        "t.http_api.ci.name.request.when",
    );
    refuse("json = { text = \"{{ note }}\" }", "fields_at = \"\"", "t.http_api.note[0].fields_at");
    refuse("Accept =", "Authorization =", "t.http_api: the header authorization");
    refuse("auth.bearer.value", "auth.header.name = \"Accept\"\nauth.header.value", "the header accept");
    refuse("value = \"/name\"\n", "", "value");
    refuse("'{{ value }}'", "'{{ name }}'", "t.http_api.ci.name.request");
}

#[test]
fn headers_that_frame_a_request_are_refused() {
    for name in ["Content-Length", "transfer-encoding", "Host", "Connection", "TE", "Upgrade", "Expect"] {
        let error = with("Accept =", &format!("{name} =")).unwrap_err();
        assert!(error.contains("t.http_api.headers: the client itself sets"), "{error}");
        let auth = format!("auth.header = {{ name = \"{name}\", value = \"x\" }}");
        let error = with("auth.bearer.value = \"hush\"", &auth).unwrap_err();
        assert!(error.contains("t.http_api.auth.header.name: the client itself sets"), "{error}");
    }
}

#[test]
fn json_in_which_words_of_an_alert_could_become_fields_is_refused() {
    let note = |text: &str| with("{ text = \"{{ note }}\" }", &format!("{{ text = '{text}' }}")).map(drop);
    for text in [
        r#"{"text": "{{ note }}"}"#,
        r#" [{"text": "{{ note | upper }}"}]"#,
        r#"["{{ note }}"]"#,
        r#"{"text": "{% if ci %}{{ note }}{% endif %}"}"#,
    ] {
        let error = note(text).unwrap_err();
        assert!(error.contains("t.http_api.note[0]") && error.contains("write it as a table"), "{error}");
    }
    for text in
        ["[Azure] {{ note }}", "{{ note }}", r#"{"text": {{ note | tojson }} }"#, r#"{"id": "{{ id }}"}"#]
    {
        assert_eq!(note(text), Ok(()), "{text}");
    }
    let search = with("\"name eq '{{ value }}'\"", "'{\"name\": \"{{ value }}\"}'").unwrap_err();
    assert!(search.contains("t.http_api.ci.name.request"), "{search}");
}

#[test]
fn what_would_exhaust_the_stack_is_refused() {
    for piece in ["not ", "-", "(", "[", "a.", "a|lower|", "1+", "a if ", "a and ", "not(", "a[", "a~", "a=="]
    {
        let when = |text: &str| {
            let text = format!("when = \"{text}a\"\njson = {{ text");
            with("json = { text", &text).map(drop)
        };
        let summary = |text: &str| with("{{ summary }}", &format!("{{{{ {text}a }}}}")).map(drop);
        // These are read, whatever comes of it, and the program lives.
        for most in [piece.repeat(50), piece.repeat(120), piece.repeat(250)] {
            drop((when(&most), summary(&most)));
        }
        for (times, expected) in [(300, "signs that can be operators"), (100_000, "longer than 16384 bytes")]
        {
            for error in [when(&piece.repeat(times)).unwrap_err(), summary(&piece.repeat(times)).unwrap_err()]
            {
                assert!(error.contains(expected) && error.len() < 600, "{error}");
            }
        }
    }
    let deep = with("json = { text", &format!("fields_at = \"{}\"\njson = {{ text", "/a".repeat(65)));
    assert!(deep.unwrap_err().contains("t.http_api.note[0].fields_at: \"/a/a"));
    assert!(with("json = { text", &format!("fields_at = \"{}\"\njson = {{ text", "/a".repeat(64))).is_ok());
}

#[test]
fn a_path_has_no_tabs_and_line_breaks() {
    let error = with("/api/tickets/{{ id }}/notes", "/api/.\\t./{{ id }}/notes").unwrap_err();
    assert!(error.contains("t.http_api.note[0]: ") && error.contains("part of the path"), "{error}");
}

#[test]
fn what_would_park_only_some_tickets_is_found_before_the_first() {
    for level in ["urgency", "impact"] {
        let table = |levels: &str| format!("\"{{{{ [{levels}][{level}] }}}}\"");
        assert!(with("\"{{ urgency }}\"", &table("0, 1, 2, 3, 4, 5")).is_ok());
        let error = with("\"{{ urgency }}\"", &table("0, 1, 2, 3")).unwrap_err();
        assert!(error.contains("t.http_api.create"), "{error}");
    }
    let part_of_path = with("{{ id }}/notes", "{{ id }}/items/{{ ci }}").unwrap_err();
    assert!(part_of_path.contains("a part of the path is none"), "{part_of_path}");
    assert!(with("{{ id }}/notes\"", "{{ id }}/items/{{ ci }}\"\nwhen = \"ci\"").is_ok());
}

#[test]
fn a_product_that_cannot_reopen_closes_what_it_resolves() {
    let (before, rest) = FILE.split_once("    [[reopen]]").unwrap();
    let (_, after) = rest.split_once("[[close_double]]").unwrap();
    let interface = read(&format!("{before}[[close_double]]{after}")).unwrap();
    assert!(interface.reopen.is_empty() && interface.shape.resolved.is_empty());
    assert_eq!(interface.shape.closed, ["Solved", "Closed"]);
}

#[test]
fn every_kind_of_login_is_taken_and_none_shows() {
    for auth in [
        "auth.basic = { username = \"u\", password = \"hush\" }",
        "auth.header = { name = \"authtoken\", value = \"hush\" }",
        "auth.header = { prefix = \"Token token=\", value = \"hush\" }",
        "auth.oauth = { token_url = \"https://login.example.com\", client_id = \"c\", client_secret = \"hush\", scope = \"s\" }",
    ] {
        let text = FILE.replacen("auth.bearer.value = \"hush\"", auth, 1);
        let settings: HttpApiSettings = shared::settings::load(&text, None).unwrap();
        assert!(!format!("{settings:?}").contains("hush"), "{auth}");
        assert!(settings.check("t").is_ok(), "{auth}");
    }
    let insecure =
        "auth.oauth = { token_url = \"http://login.example.com\", client_id = \"c\", client_secret = \"x\" }";
    let error = with("auth.bearer.value = \"hush\"", insecure).unwrap_err();
    assert!(error.contains("t.http_api.auth.oauth.token_url"), "{error}");
}
