//! `/_control`: what tests and people use to prepare, disturb and inspect the simulated products.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, Responder, ResponseError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::fault::Fault;
use crate::product::{ControlError, Product, TicketQuery};

/// Large enough for some ten thousand configuration items at once.
const BODY_LIMIT: usize = 32 << 20;

/// The products behind one server and the clock they share.
pub(crate) struct Bench {
    pub(crate) products: Vec<Arc<dyn Product>>,
    pub(crate) clock: Arc<Clock>,
}

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope("/_control")
            .app_data(web::JsonConfig::default().limit(BODY_LIMIT))
            .route("/reset", web::post().to(reset))
            .route("/summary", web::get().to(summary))
            .route("/clock", web::post().to(advance_clock))
            .route("/{product}/settings", web::get().to(read_settings))
            .route("/{product}/settings", web::put().to(write_settings))
            .route("/{product}/cis", web::post().to(seed_cis))
            .route("/{product}/tickets", web::get().to(tickets))
            .route("/{product}/tickets/{id}", web::post().to(change_ticket))
            .route("/{product}/faults", web::post().to(add_faults))
            .route("/{product}/faults", web::delete().to(clear_faults))
            .route("/{product}/calls", web::get().to(read_calls))
            .route("/{product}/calls", web::delete().to(clear_calls))
            .route("/{product}/tokens", web::delete().to(revoke_tokens)),
    );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: u64,
}

async fn reset(bench: Data<Bench>) -> impl Responder {
    bench.clock.reset();
    for product in &bench.products {
        product.start_anew();
    }
    HttpResponse::NoContent()
}

async fn summary(bench: Data<Bench>) -> Result<Json<Value>, ControlError> {
    let mut all = Map::new();
    for product in &bench.products {
        all.insert(product.name().to_owned(), product.summary()?);
    }
    Ok(Json(Value::Object(all)))
}

async fn advance_clock(bench: Data<Bench>, by: Json<Advance>) -> impl Responder {
    bench.clock.advance(Duration::from_secs(by.advance_s));
    Json(json!({ "now": bench.clock.now() }))
}

async fn read_settings(bench: Data<Bench>, product: Path<String>) -> Result<Json<Value>, ControlError> {
    Ok(Json(bench.product(&product)?.settings()?))
}

async fn write_settings(
    bench: Data<Bench>,
    product: Path<String>,
    settings: Json<Value>,
) -> Result<Json<Value>, ControlError> {
    let product = bench.product(&product)?;
    product.configure(settings.into_inner())?;
    Ok(Json(product.settings()?))
}

async fn seed_cis(
    bench: Data<Bench>,
    product: Path<String>,
    seeds: Json<Value>,
) -> Result<Json<Value>, ControlError> {
    Ok(Json(bench.product(&product)?.seed_cis(seeds.into_inner())?))
}

async fn tickets(
    bench: Data<Bench>,
    product: Path<String>,
    wanted: Query<TicketQuery>,
) -> Result<Json<Value>, ControlError> {
    Ok(Json(bench.product(&product)?.tickets(&wanted)?))
}

async fn change_ticket(
    bench: Data<Bench>,
    path: Path<(String, String)>,
    change: Json<Value>,
) -> Result<Json<Value>, ControlError> {
    let (product, id) = path.into_inner();
    Ok(Json(bench.product(&product)?.change_ticket(&id, change.into_inner())?))
}

async fn add_faults(
    bench: Data<Bench>,
    product: Path<String>,
    faults: Json<Vec<Fault>>,
) -> Result<impl Responder, ControlError> {
    let product = bench.product(&product)?;
    for fault in faults.into_inner() {
        product.faults().inject(fault).map_err(|full| ControlError::Refused(full.to_string()))?;
    }
    Ok(HttpResponse::NoContent())
}

async fn clear_faults(bench: Data<Bench>, product: Path<String>) -> Result<impl Responder, ControlError> {
    bench.product(&product)?.faults().clear();
    Ok(HttpResponse::NoContent())
}

async fn read_calls(bench: Data<Bench>, product: Path<String>) -> Result<impl Responder, ControlError> {
    Ok(Json(bench.product(&product)?.counts().read()))
}

async fn clear_calls(bench: Data<Bench>, product: Path<String>) -> Result<impl Responder, ControlError> {
    bench.product(&product)?.counts().clear();
    Ok(HttpResponse::NoContent())
}

async fn revoke_tokens(bench: Data<Bench>, product: Path<String>) -> Result<impl Responder, ControlError> {
    bench.product(&product)?.revoke_tokens();
    Ok(HttpResponse::NoContent())
}

impl Bench {
    fn product(&self, name: &str) -> Result<&dyn Product, ControlError> {
        self.products
            .iter()
            .find(|product| product.name() == name)
            .map(AsRef::as_ref)
            .ok_or_else(|| ControlError::NoSuchProduct(name.to_owned()))
    }
}

impl ResponseError for ControlError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoSuchProduct(_) => StatusCode::NOT_FOUND,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({ "error": self.to_string() }))
    }
}
