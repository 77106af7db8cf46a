//! The HTTP face: `/REST/2.0/…`.

use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};
use actix_web::web::{self, Bytes, Data, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::RequestTracker;
use super::access::is_authentic;
use super::operation::{Asked, Target, act};
use super::problem::{MANNER, Problem};
use crate::answer::Answer;
use crate::ending::suffer;
use crate::fault::Strike;
use crate::request::{header, pairs};

const BODY_LIMIT: usize = 10 << 20;
const PREFIX: &str = "/request-tracker/REST/2.0";

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope(PREFIX).app_data(PayloadConfig::new(BODY_LIMIT)).default_service(web::to(resource)),
    );
}

async fn resource(request: HttpRequest, body: Bytes, tracker: Data<RequestTracker>) -> HttpResponse {
    let path = request.match_info().unprocessed().to_owned();
    let target = Target::parse(&path);
    let table = path.split('/').find(|part| !part.is_empty()).unwrap_or_default();
    let mut strike = tracker.arrives(&request, table, target.operation(request.method()));
    if let Some(answer) = suffer(std::mem::take(&mut strike.before), MANNER).await {
        return answer.into_response();
    }
    let answer = tracker.answer(&request, target, body, &strike).unwrap_or_else(Problem::answer);
    suffer(strike.after, MANNER).await.unwrap_or(answer).into_response()
}

impl RequestTracker {
    /// A fault that expires the token refuses only the calls that it hits: nobody could get a new
    /// token through the API, so a lasting one would end every test.
    fn answer(
        &self,
        request: &HttpRequest,
        target: Target,
        body: Bytes,
        strike: &Strike,
    ) -> Result<Answer, Problem> {
        let now = self.now();
        let mut desk = self.state();
        if strike.token_expired || !is_authentic(header(request, &AUTHORIZATION), &desk) {
            return Err(Problem::Unauthorized);
        }
        let parameters = pairs(request.query_string())
            .ok_or_else(|| Problem::BadRequest("the parameters of the URL are not encoded".to_owned()))?;
        let connection = request.connection_info();
        let asked = Asked {
            method: request.method().clone(),
            target,
            parameters,
            content_type: header(request, &CONTENT_TYPE).map(str::to_owned),
            body,
            base: format!("{}://{}{PREFIX}", connection.scheme(), connection.host()),
        };
        act(&mut desk, &asked, strike, now)
    }
}
