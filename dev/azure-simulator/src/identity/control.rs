//! What tests steer the provider with, under `/_control`; the documentation of the parent module lists it.

use actix_web::{
    HttpResponse,
    web::{self, Data, Json, JsonConfig, Query, ServiceConfig},
};
use serde::Deserialize;
use serde_json::json;

use super::{Directory, Faults, KeyError, MintError, OldKeys, Recipe};

/// Largest recipe, in bytes: room for a 64 kB token and its JSON.
const LARGEST_BODY: usize = 256 * 1024;

pub(super) fn mount(routes: &mut ServiceConfig) {
    routes.service(
        web::scope("/_control")
            .app_data(JsonConfig::default().limit(LARGEST_BODY))
            .route("/rotate", web::post().to(rotate))
            .route("/mint", web::post().to(mint))
            .route("/requests", web::get().to(requests))
            .route("/requests", web::delete().to(forget_requests))
            .route("/faults", web::get().to(faults))
            .route("/faults", web::put().to(misbehave)),
    );
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default)]
    drop_old: bool,
}

async fn rotate(directory: Data<Directory>, rotation: Query<Rotation>) -> HttpResponse {
    let old = if rotation.drop_old { OldKeys::Withdrawn } else { OldKeys::StayPublished };
    match directory.rotate(old) {
        Ok(key_id) => HttpResponse::Ok().json(json!({ "kid": key_id })),
        Err(error) => failed(&error),
    }
}

async fn mint(directory: Data<Directory>, recipe: Json<Recipe>) -> HttpResponse {
    match directory.mint(&recipe) {
        Ok(access_token) => HttpResponse::Ok().json(json!({ "access_token": access_token })),
        Err(error @ MintError::Unknown { .. }) => {
            HttpResponse::BadRequest().json(json!({ "error": error.to_string() }))
        }
        Err(MintError::Key(error)) => failed(&error),
    }
}

async fn requests(directory: Data<Directory>) -> HttpResponse {
    HttpResponse::Ok().json(directory.requests())
}

async fn forget_requests(directory: Data<Directory>) -> HttpResponse {
    directory.forget_requests();
    HttpResponse::NoContent().finish()
}

async fn faults(directory: Data<Directory>) -> HttpResponse {
    HttpResponse::Ok().json(directory.faults())
}

async fn misbehave(directory: Data<Directory>, faults: Json<Faults>) -> HttpResponse {
    directory.misbehave(faults.into_inner());
    HttpResponse::NoContent().finish()
}

fn failed(error: &KeyError) -> HttpResponse {
    HttpResponse::InternalServerError().json(json!({ "error": error.to_string() }))
}
