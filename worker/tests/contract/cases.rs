//! What every connector promises, whatever its product is like.

use std::time::Duration;

use worker::connector::{
    Change, CiCandidate, CiWay, ConnectorError, Draft, Verdict, WorkItem, WorkItemState,
};
use worker::sync::binding::{CiMatch, CiSettings, bind};

use crate::desk::{Call, Deed, Desk, Held, Peculiarity, Possible, Trouble, change, draft};

/// The subscription, resource group and type of the resources.
const MACHINES: &str = "/subscriptions/a1/resourcegroups/prod/providers/microsoft.compute/virtualmachines/";

/// Ends a case that the product has no means for.
macro_rules! needs {
    ($possible:expr) => {
        if let no @ Possible::No(_) = $possible {
            return no;
        }
    };
}

/// Ends a case for a product without configuration items.
macro_rules! seeded {
    ($desk:expr, $name:expr, $id:expr) => {
        match $desk.seed_ci($name, $id).await {
            Some(id) => id,
            None => return Possible::No("it has no configuration items"),
        }
    };
}

pub(crate) async fn is_ready_to_work(desk: &dyn Desk) -> Possible {
    for finding in desk.connector().check().await.unwrap() {
        assert_eq!(finding.verdict, Verdict::Fine, "{}", finding.subject);
    }
    assert!(desk.held().await.is_empty(), "nothing is left behind");
    Possible::Yes
}

pub(crate) async fn makes_one_work_item_that_says_all(desk: &dyn Desk) -> Possible {
    let item = desk.connector().create(&draft(&key(desk, 1))).await.unwrap();
    assert_eq!(item.state, WorkItemState::Open);
    let held = only(desk).await;
    assert_eq!((&held.id, &*held.key, &*held.summary), (&item.id, &*key(desk, 1), "CPU of web-07 is high"));
    let text = held.texts.join("\n");
    assert!(text.contains("Above 90 %") && text.contains("Fired"), "{text}");
    assert_eq!(desk.connector().read(&item.id).await.unwrap(), item);
    Possible::Yes
}

pub(crate) async fn finds_what_it_made_and_nothing_else(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    desk.connector().create(&draft(&key(desk, 2))).await.unwrap();
    assert_eq!(desk.connector().find(&key(desk, 1)).await.unwrap(), [item]);
    let first = key(desk, 1);
    for other in [first.trim_end_matches('1').to_owned(), format!("{first}1"), key(desk, 3)] {
        assert_eq!(desk.connector().find(&other).await.unwrap(), [], "{other}");
    }
    Possible::Yes
}

pub(crate) async fn finds_two_of_one_key_oldest_first(desk: &dyn Desk) -> Possible {
    let items = [made(desk).await, made(desk).await];
    assert_eq!(desk.connector().find(&key(desk, 1)).await.unwrap(), items);
    Possible::Yes
}

pub(crate) async fn notes_without_a_change_of_state(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    desk.connector().note(&item.id, &change("Fired again\nsecond line")).await.unwrap();
    assert!(only(desk).await.texts.iter().any(|text| text.contains("Fired again\nsecond line")));
    assert_eq!(state(desk, &item).await, WorkItemState::Open);
    Possible::Yes
}

pub(crate) async fn resolves_twice_and_reopens_twice(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    for _ in 0..2 {
        desk.connector().resolve(&item.id, &change("All is well")).await.unwrap();
        assert_eq!(state(desk, &item).await, WorkItemState::Resolved);
    }
    for _ in 0..2 {
        desk.connector().reopen(&item.id, &change("Fired after all")).await.unwrap();
        assert_eq!(state(desk, &item).await, WorkItemState::Open);
    }
    let text = only(desk).await.texts.join("\n");
    assert!(text.contains("All is well") && text.contains("Fired after all"), "{text}");
    Possible::Yes
}

pub(crate) async fn reads_what_a_person_resolved_and_reopens_it(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.person(&item, Deed::Resolve).await);
    assert_eq!(state(desk, &item).await, WorkItemState::Resolved);
    desk.connector().reopen(&item.id, &change("Fired again")).await.unwrap();
    assert_eq!(state(desk, &item).await, WorkItemState::Open);
    Possible::Yes
}

pub(crate) async fn reads_what_a_person_closed_as_closed(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.person(&item, Deed::Close).await);
    assert_eq!(state(desk, &item).await, WorkItemState::Closed);
    Possible::Yes
}

pub(crate) async fn reads_the_code_with_which_a_person_ended_it(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    assert_eq!(desk.connector().read(&item.id).await.unwrap().resolution, None);
    needs!(desk.person(&item, Deed::EndAs("Won't fix")).await);
    assert!(desk.connector().gives_resolutions());
    let read = desk.connector().read(&item.id).await.unwrap();
    assert_ne!(read.state, WorkItemState::Open);
    assert_eq!(read.resolution.as_deref(), Some("Won't fix"));
    Possible::Yes
}

pub(crate) async fn does_not_write_to_what_was_deleted(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.person(&item, Deed::Delete).await);
    match desk.connector().read(&item.id).await {
        Err(ConnectorError::Gone(_)) => {}
        Ok(WorkItem { state: WorkItemState::Closed, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(desk.connector().find(&key(desk, 1)).await.unwrap(), []);
    Possible::Yes
}

pub(crate) async fn reads_what_was_merged_into_another_as_closed(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    let other = desk.connector().create(&draft(&key(desk, 2))).await.unwrap();
    needs!(desk.person(&item, Deed::MergeInto(other)).await);
    assert_eq!(state(desk, &item).await, WorkItemState::Closed);
    Possible::Yes
}

pub(crate) async fn follows_what_was_given_to_other_people(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.person(&item, Deed::Move).await);
    assert_eq!(desk.connector().find(&key(desk, 1)).await.unwrap(), std::slice::from_ref(&item));
    desk.connector().resolve(&item.id, &change("All is well")).await.unwrap();
    assert_eq!(state(desk, &item).await, WorkItemState::Resolved);
    Possible::Yes
}

pub(crate) async fn closes_a_double_with_a_link_to_the_original(desk: &dyn Desk) -> Possible {
    let (original, double) = (made(desk).await, made(desk).await);
    for _ in 0..2 {
        desk.connector().close_double(&double.id, &original).await.unwrap();
    }
    assert_ne!(state(desk, &double).await, WorkItemState::Open);
    assert_eq!(state(desk, &original).await, WorkItemState::Open);
    let held = desk.held().await.into_iter().find(|held| held.id == double.id).unwrap();
    assert!(held.links.contains(&original.id), "{held:?}");
    Possible::Yes
}

pub(crate) async fn calls_a_create_unknown_when_its_answer_is_lost_before_the_write(
    desk: &dyn Desk,
) -> Possible {
    needs!(desk.once(Call::Create, Trouble::LostBefore).await);
    let error = desk.connector().create(&draft(&key(desk, 1))).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Ambiguous(_)), "{error}");
    assert_eq!(desk.connector().find(&key(desk, 1)).await.unwrap(), []);
    Possible::Yes
}

pub(crate) async fn finds_what_a_create_made_whose_answer_was_lost(desk: &dyn Desk) -> Possible {
    needs!(desk.once(Call::Create, Trouble::LostAfter).await);
    let error = desk.connector().create(&draft(&key(desk, 1))).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Ambiguous(_)), "{error}");
    let found = desk.connector().find(&key(desk, 1)).await.unwrap();
    assert_eq!(found.iter().map(|item| item.id.clone()).collect::<Vec<_>>(), [only(desk).await.id]);
    Possible::Yes
}

pub(crate) async fn does_not_take_a_page_or_an_error_for_success(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    for trouble in [Trouble::Page, Trouble::ErrorInSuccess, Trouble::ServerError] {
        for call in [Call::Create, Call::Change, Call::Read, Call::Search] {
            needs!(desk.once(call, trouble).await);
        }
        let connector = desk.connector();
        let create = connector.create(&draft(&key(desk, 2))).await.unwrap_err();
        let note = connector.note(&item.id, &change("x")).await.unwrap_err();
        let read = connector.read(&item.id).await.unwrap_err();
        let find = connector.find(&key(desk, 1)).await.unwrap_err();
        assert!(matches!(create, ConnectorError::Ambiguous(_)), "{trouble:?}: {create}");
        assert!(matches!(note, ConnectorError::Ambiguous(_)), "{trouble:?}: {note}");
        assert!(matches!(read, ConnectorError::Unavailable(_)), "{trouble:?}: {read}");
        assert!(matches!(find, ConnectorError::Unavailable(_)), "{trouble:?}: {find}");
    }
    Possible::Yes
}

pub(crate) async fn leaves_a_product_alone_for_as_long_as_it_asks(desk: &dyn Desk) -> Possible {
    needs!(desk.once(Call::Create, Trouble::Throttled).await);
    let error = desk.connector().create(&draft(&key(desk, 1))).await.unwrap_err();
    let ConnectorError::Throttled { retry_after: Some(pause), .. } = error else { panic!("{error}") };
    assert_eq!(pause, Duration::from_secs(7));
    assert!(desk.held().await.is_empty());
    Possible::Yes
}

pub(crate) async fn survives_or_reports_an_expired_login_and_writes_nothing_twice(
    desk: &dyn Desk,
) -> Possible {
    made(desk).await;
    needs!(desk.once(Call::Create, Trouble::LoginExpired).await);
    let made = match desk.connector().create(&draft(&key(desk, 2))).await {
        Ok(_) => 2,
        Err(ConnectorError::Unauthorized(_)) => 1,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(desk.held().await.len(), made);
    Possible::Yes
}

pub(crate) async fn finds_later_what_a_search_does_not_show_yet(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.peculiar(Peculiarity::SearchLags).await);
    assert_eq!(desk.connector().find(&key(desk, 1)).await.unwrap(), []);
    // What is known needs no search.
    assert_eq!(desk.connector().read(&item.id).await.unwrap(), item);
    Possible::Yes
}

pub(crate) async fn does_not_believe_a_search_that_forgets_its_condition(desk: &dyn Desk) -> Possible {
    made(desk).await;
    needs!(desk.peculiar(Peculiarity::SearchLies).await);
    let find = desk.connector().find(&key(desk, 2)).await.unwrap_err();
    assert!(matches!(find, ConnectorError::Rejected(_)), "{find}");
    let findings = desk.connector().check().await.unwrap();
    assert!(findings.iter().any(|finding| matches!(finding.verdict, Verdict::Unusable(_))), "{findings:?}");
    Possible::Yes
}

pub(crate) async fn does_not_believe_a_search_for_items_that_forgets_its_condition(
    desk: &dyn Desk,
) -> Possible {
    let machine = named(desk, "web-07");
    seeded!(desk, &machine, &format!("{MACHINES}{machine}"));
    needs!(desk.peculiar(Peculiarity::SearchLies).await);
    let other = arm(&format!("{MACHINES}{}", named(desk, "web-08")));
    let found = desk.connector().find_cis(CiWay::ArmId, &other).await;
    assert!(matches!(found, Err(ConnectorError::Rejected(_))), "{found:?}");
    Possible::Yes
}

pub(crate) async fn reports_a_missing_permission_as_a_refusal(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.peculiar(Peculiarity::MayNotWrite).await);
    let error = desk.connector().note(&item.id, &change("x")).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Rejected(_)), "{error}");
    Possible::Yes
}

pub(crate) async fn reports_a_missing_mandatory_field_in_the_products_words(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.peculiar(Peculiarity::MandatoryField).await);
    let error = desk.connector().resolve(&item.id, &change("done")).await.unwrap_err();
    assert!(matches!(&error, ConnectorError::Rejected(words) if words.contains("Root cause")), "{error}");
    assert_eq!(state(desk, &item).await, WorkItemState::Open);
    Possible::Yes
}

pub(crate) async fn notices_a_resolve_that_is_taken_back(desk: &dyn Desk) -> Possible {
    let item = made(desk).await;
    needs!(desk.peculiar(Peculiarity::TakesResolveBack).await);
    let error = desk.connector().resolve(&item.id, &change("done")).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Rejected(_)), "{error}");
    Possible::Yes
}

pub(crate) async fn takes_texts_of_any_length_and_kind(desk: &dyn Desk) -> Possible {
    let long = "ü".repeat(70_000);
    let hostile =
        "x'; DROP TABLE t;--\\' OR id > 0 ^ORactive=true [code]<script>alert(1)</script>[/code] {{ 7*7 }}";
    for (number, text) in [(1, &*long), (2, hostile), (3, "a\u{0}b\u{1b}[31m\r\nc\u{202e}d")] {
        let key = key(desk, number);
        let texts = || text.to_owned();
        let draft = Draft { summary: texts(), description: texts(), note: texts(), ..draft(&key) };
        let item = desk.connector().create(&draft).await.unwrap();
        desk.connector().note(&item.id, &change(text)).await.unwrap();
        desk.connector().resolve(&item.id, &change(text)).await.unwrap();
        assert_eq!(desk.connector().find(&key).await.unwrap().len(), 1, "{number}");
    }
    for held in desk.held().await {
        assert!(!held.summary.contains(['\n', '\r', '\0', '\u{1b}']), "{:?}", held.summary);
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!held.texts.iter().any(|text| text.contains(control)), "{held:?}");
    }
    Possible::Yes
}

pub(crate) async fn reaches_no_other_address_by_an_id_that_is_none(desk: &dyn Desk) -> Possible {
    made(desk).await;
    for id in ["", "../sys_user", "a?b=c", "a/b", "1/../2"] {
        let error = desk.connector().read(id).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Rejected(_)), "{id:?}: {error}");
        let error = desk.connector().note(id, &change("x")).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Rejected(_)), "{id:?}: {error}");
    }
    Possible::Yes
}

pub(crate) async fn binds_the_only_item_that_an_id_or_a_name_fits(desk: &dyn Desk) -> Possible {
    let (machine, database) = (named(desk, "web-07"), named(desk, "db-01"));
    let id = format!("{MACHINES}{machine}");
    let by_id = seeded!(desk, &named(desk, "other"), &id.to_uppercase());
    let by_name = seeded!(desk, &database.to_uppercase(), "");
    seeded!(desk, &format!("{database}1"), "");
    let ci = bound(desk, &[name(&database), arm(&id)]).await;
    assert_eq!(ci.as_deref(), Some(&*by_id), "an id is surer than a name");
    assert_eq!(bound(desk, &[name(&database)]).await.as_deref(), Some(&*by_name));
    desk.connector().create(&Draft { ci: Some(by_id.clone()), ..draft(&key(desk, 1)) }).await.unwrap();
    assert_eq!(only(desk).await.ci, Some(by_id));
    Possible::Yes
}

pub(crate) async fn binds_an_item_later(desk: &dyn Desk) -> Possible {
    let id = seeded!(desk, &named(desk, "web-07"), "");
    let item = made(desk).await;
    for _ in 0..2 {
        let change = Change { ci: Some(id.clone()), ..change("Now there is one") };
        desk.connector().note(&item.id, &change).await.unwrap();
        assert_eq!(only(desk).await.ci, Some(id.clone()));
    }
    assert_eq!(state(desk, &item).await, WorkItemState::Open);
    Possible::Yes
}

pub(crate) async fn binds_nothing_where_nothing_or_several_fit(desk: &dyn Desk) -> Possible {
    let machine = named(desk, "web-07");
    let id = format!("{MACHINES}{machine}");
    assert_eq!(bound(desk, &[arm(&id), name(&machine)]).await, None);
    let hostile = ["x' OR id > 0 OR Name LIKE '", "%", "_", "x\\"];
    assert_eq!(bound(desk, &hostile.map(name)).await, None);
    let twins = [seeded!(desk, &named(desk, "one"), &id), seeded!(desk, &named(desk, "two"), &id)];
    let CiMatch::Ambiguous(why) = matched(desk, &[arm(&id)]).await else { panic!("one of two was taken") };
    assert!(why.contains(&id) && twins.iter().all(|twin| why.contains(twin.as_str())), "{why}");
    Possible::Yes
}

/// A key that only this desk uses.
fn key(desk: &dyn Desk, number: u64) -> String {
    format!("sx1-4f2a{}-000{number}", desk.mark())
}

/// A name that only this desk uses, in lower case as those of candidates.
fn named(desk: &dyn Desk, name: &str) -> String {
    format!("{name}{}", desk.mark())
}

async fn made(desk: &dyn Desk) -> WorkItem {
    desk.connector().create(&draft(&key(desk, 1))).await.unwrap()
}

async fn only(desk: &dyn Desk) -> Held {
    let mut held = desk.held().await;
    assert_eq!(held.len(), 1, "{held:?}");
    held.remove(0)
}

async fn state(desk: &dyn Desk, item: &WorkItem) -> WorkItemState {
    desk.connector().read(&item.id).await.unwrap().state
}

async fn bound(desk: &dyn Desk, candidates: &[CiCandidate]) -> Option<String> {
    match matched(desk, candidates).await {
        CiMatch::Found { id, .. } => Some(id),
        CiMatch::NotFound | CiMatch::Default { .. } => None,
        CiMatch::Ambiguous(reason) => panic!("{reason}"),
    }
}

async fn matched(desk: &dyn Desk, candidates: &[CiCandidate]) -> CiMatch {
    let strategies = CiSettings::default().check("ci").unwrap();
    bind(desk.connector(), &strategies, candidates).await.unwrap()
}

fn arm(id: &str) -> CiCandidate {
    CiCandidate::ArmId(id.to_owned())
}

fn name(name: &str) -> CiCandidate {
    CiCandidate::Name(name.to_owned())
}
