use itsm_simulator::servicenow::{CiSeed, Switches};
use reqwest::Method;
use serde_json::json;

use crate::world::{World, text};

const ARM_ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/web-07";

fn web_server() -> CiSeed {
    CiSeed {
        name: "web-07".into(),
        object_id: ARM_ID.into(),
        fqdn: "web-07.example.org".into(),
        tags: [("env".to_owned(), "prod".to_owned())].into(),
        ..CiSeed::default()
    }
}

#[tokio::test]
async fn an_unknown_field_in_a_query_is_ignored_and_all_rows_match() {
    let world = World::new().await;
    world.create(json!({"correlation_id": "a"})).await;
    world.create(json!({"correlation_id": "b"})).await;
    assert_eq!(world.count("incident", "u_gone=x").await, 2);
    assert_eq!(world.count("incident", "u_gone=x^correlation_id=a").await, 1);
    assert_eq!(world.get("incident?u_gone=x").await.as_array().unwrap().len(), 2);
    let strict = Switches { invalid_query_returns_no_rows: true, ..Switches::default() };
    world.servicenow().configure(strict);
    assert_eq!(world.count("incident", "u_gone=x").await, 0);
}

#[tokio::test]
async fn a_ci_is_found_by_arm_id_name_and_tag_through_its_class_and_parents() {
    let world = World::new().await;
    let ci = world.servicenow().seed_ci(web_server()).unwrap();
    world.servicenow().seed_ci(CiSeed { class: "cmdb_ci_win_server".into(), ..web_server() }).unwrap();
    let by_arm_id = format!("object_id={}^install_status!=7^install_status!=100", ARM_ID.to_lowercase());
    assert_eq!(world.count("cmdb_ci_vm_instance", &by_arm_id).await, 1);
    assert_eq!(world.count("cmdb_ci_vm_object", &by_arm_id).await, 1);
    assert_eq!(world.count("cmdb_ci_server", "name=WEB-07^ORfqdn=web-07").await, 1);
    assert_eq!(world.count("cmdb_ci", "name=web-07").await, 2);
    let tagged = world.get("cmdb_key_value?key=env&value=prod&sysparm_fields=configuration_item").await;
    assert_eq!(tagged[0]["configuration_item"]["value"], ci.as_str());
}

#[tokio::test]
async fn a_column_of_a_child_class_does_not_narrow_a_query_on_its_parent() {
    let world = World::new().await;
    world.servicenow().seed_ci(web_server()).unwrap();
    assert_eq!(world.count("cmdb_ci", "object_id=another").await, 1);
    world.servicenow().configure(Switches { object_id_on_cmdb_ci: true, ..Switches::default() });
    assert_eq!(world.count("cmdb_ci", "object_id=another").await, 0);
}

#[tokio::test]
async fn lists_are_ordered_paged_and_counted() {
    let world = World::new().await;
    for name in ["a", "c", "b"] {
        world.create(json!({"short_description": name})).await;
    }
    let path = "incident?sysparm_query=ORDERBYDESCshort_description&sysparm_limit=2&sysparm_fields=short_description";
    let answer = world.call(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.headers()["x-total-count"], "3");
    assert!(answer.headers()["link"].to_str().unwrap().contains("sysparm_offset=2>;rel=\"next\""));
    assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 3);
    let page = crate::world::result(answer).await;
    assert_eq!(page, json!([{"short_description": "c"}, {"short_description": "b"}]));
    let uncounted = world.call(Method::GET, "incident?sysparm_no_count=true").send().await.unwrap();
    assert!(uncounted.headers().get("x-total-count").is_none());
}

#[tokio::test]
async fn version_one_answers_404_where_later_ones_find_nothing() {
    let world = World::new().await;
    let status = |version: &str| {
        let url = world.url(&format!("/servicenow/api/now{version}/table/incident"));
        let call = world.client.get(url).basic_auth("secure-export", Some("secure-export"));
        async { call.send().await.unwrap().status().as_u16() }
    };
    assert_eq!((status("/v1").await, status("/v2").await, status("").await), (404, 200, 200));
}

#[tokio::test]
async fn references_are_walked_in_queries() {
    let world = World::new().await;
    let ci = world.servicenow().seed_ci(web_server()).unwrap();
    let bound = world.create(json!({"cmdb_ci": ci})).await;
    world.create(json!({})).await;
    let found = world.get("incident?sysparm_query=cmdb_ci.name=web-07").await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(text(&found[0], "sys_id"), text(&bound, "sys_id"));
}
