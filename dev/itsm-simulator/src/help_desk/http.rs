//! The HTTP face of every help desk.

use actix_web::web::{self, Bytes, Data, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::HelpDesk;
use super::dialect::{Dialect, Visit};
use crate::answer::Answer;
use crate::ending::suffer;
use crate::fault::Strike;
use crate::request::pairs;

const BODY_LIMIT: usize = 10 << 20;

pub(super) fn routes(desk: &HelpDesk, dialect: &'static Dialect, app: &mut ServiceConfig) {
    app.service(
        web::scope(dialect.prefix)
            .app_data(Data::new(desk.clone()))
            .app_data(Data::new(dialect))
            .app_data(PayloadConfig::new(BODY_LIMIT))
            .default_service(web::to(resource)),
    );
}

async fn resource(
    request: HttpRequest,
    body: Bytes,
    desk: Data<HelpDesk>,
    dialect: Data<&'static Dialect>,
) -> HttpResponse {
    let path = request.match_info().unprocessed().to_owned();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let route = (dialect.route)(request.method().as_str(), &parts);
    let mut strike = desk.arrives(&request, parts.first().copied().unwrap_or_default(), route.operation);
    if let Some(answer) = suffer(std::mem::take(&mut strike.before), dialect.manner).await {
        return answer.into_response();
    }
    let admitted = desk.admit(&request, &dialect, &strike);
    let answer = admitted.and_then(|()| {
        (route.act)(&mut Visit {
            desk: &mut desk.state(),
            parts: &parts,
            parameters: pairs(request.query_string()).unwrap_or_default(),
            body: &body,
            strike: &strike,
            now: desk.now(),
        })
    });
    let answer = answer.unwrap_or_else(|refusal| refusal);
    suffer(strike.after, dialect.manner).await.unwrap_or(answer).into_response()
}

impl HelpDesk {
    /// A fault that expires the token refuses only the calls that it hits: nobody could get a new
    /// token through the API, so a lasting one would end every test.
    fn admit(&self, request: &HttpRequest, dialect: &Dialect, strike: &Strike) -> Result<(), Answer> {
        let desk = self.state();
        let is_valid = !desk.token_revoked && !strike.token_expired;
        (dialect.admit)(request, is_valid.then_some(desk.settings.token.as_str()))
    }
}
