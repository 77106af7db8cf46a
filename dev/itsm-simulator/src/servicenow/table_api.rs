//! The HTTP face: `/oauth_token.do` and `/api/now/table/…`.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use actix_web::web::{self, Bytes, Data, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::ServiceNow;
use super::access::{grant, is_authentic, issue, not_a_form};
use super::operation::{Asked, Target, act};
use super::parameters::Parameters;
use super::problem::{MANNER, Problem};
use crate::answer::{Answer, Body};
use crate::ending::suffer;
use crate::fault::Strike;
use crate::request::{header, pairs};

/// `glide.rest.max_content_length`.
const BODY_LIMIT: usize = 10 << 20;
/// The length that careful clients keep to; the product's own limit depends on its proxies.
const URL_LIMIT: usize = 2048;
const PREFIX: &str = "/servicenow";

pub(super) fn routes(app: &mut ServiceConfig) {
    app.service(
        web::scope(PREFIX)
            .app_data(PayloadConfig::new(BODY_LIMIT))
            .route("/oauth_token.do", web::post().to(token))
            .default_service(web::to(table)),
    );
}

async fn token(request: HttpRequest, body: Bytes, servicenow: Data<ServiceNow>) -> HttpResponse {
    let strike = servicenow.suffers(&request, "oauth_token.do", "token");
    if let Some(answer) = suffer(strike.before, MANNER).await {
        return answer.into_response();
    }
    let answer = servicenow.grant(&request, &body);
    match suffer(strike.after, MANNER).await {
        Some(instead) => instead.into_response(),
        None => answer.into_response(),
    }
}

async fn table(request: HttpRequest, body: Bytes, servicenow: Data<ServiceNow>) -> HttpResponse {
    let path = request.path().strip_prefix(PREFIX).unwrap_or_default();
    let Some(target) = Target::parse(path) else { return Problem::NoResource.answer().into_response() };
    let mut strike = servicenow.suffers(&request, &target.table, target.operation(request.method()));
    if let Some(answer) = suffer(std::mem::take(&mut strike.before), MANNER).await {
        return answer.into_response();
    }
    let mut answer = servicenow.answer(&request, target, body, &strike).unwrap_or_else(Problem::answer);
    if header(&request, &HeaderName::from_static("x-no-response-body")) == Some("true") {
        answer.body = Body::Empty;
    }
    let answer = suffer(strike.after, MANNER).await.unwrap_or_else(|| servicenow.dressed(answer));
    answer.into_response()
}

impl ServiceNow {
    fn suffers(&self, request: &HttpRequest, table: &str, operation: &'static str) -> Strike {
        let strike = self.arrives(request, table, operation);
        if strike.token_expired {
            self.revoke_tokens();
        }
        strike
    }

    fn grant(&self, request: &HttpRequest, body: &[u8]) -> Answer {
        let is_form = header(request, &CONTENT_TYPE)
            .is_some_and(|sent| sent.starts_with("application/x-www-form-urlencoded"));
        let form = std::str::from_utf8(body).ok().filter(|_| is_form);
        let Some(form) = form.and_then(pairs) else { return not_a_form() };
        let now = self.now();
        let mut instance = self.instance();
        match grant(&form, &instance.settings) {
            Ok(grant) => issue(&instance.token(now), &grant, now),
            Err(refusal) => refusal,
        }
    }

    fn answer(
        &self,
        request: &HttpRequest,
        target: Target,
        body: Bytes,
        strike: &Strike,
    ) -> Result<Answer, Problem> {
        let now = self.now();
        let asked = asked(request, target, body)?;
        let mut instance = self.instance();
        let proof = header(request, &AUTHORIZATION);
        let is_known = is_authentic(proof, &instance.settings, instance.token.as_ref(), now);
        if !is_known || strike.token_expired {
            return Err(Problem::NotAuthenticated);
        }
        let ruling = instance.rate(now);
        let answer = match ruling.filter(|ruling| ruling.retry_after_s.is_some()) {
            Some(ruling) => Problem::RateLimited(ruling).answer(),
            None => act(&mut instance, &asked, strike, now).unwrap_or_else(Problem::answer),
        };
        let Some(ruling) = ruling else { return Ok(answer) };
        Ok(answer
            .with("X-RateLimit-Limit", ruling.limit.to_string())
            .with("X-RateLimit-Reset", ruling.resets_at.to_string())
            .with("X-RateLimit-Rule", "5d1e7a90c0a8010a00c9e1f3a7b2d4e6"))
    }

    /// Adds the headers that every answer of the instance has. A client that keeps these cookies
    /// keeps a session and stays on one node.
    fn dressed(&self, answer: Answer) -> Answer {
        let is_known = answer.status != StatusCode::UNAUTHORIZED;
        let transaction = format!("{:032x}", self.now().as_nanosecond());
        answer
            .with("Set-Cookie", format!("JSESSIONID={transaction}; Path=/; HttpOnly"))
            .with("Set-Cookie", format!("glide_user_route=glide.{transaction}; Path=/; HttpOnly"))
            .with("Set-Cookie", format!("glide_session_store={transaction}; Path=/; HttpOnly"))
            .with("X-Is-Logged-In", is_known.to_string())
            .with("X-Transaction-ID", transaction)
            .with("Server-Timing", "wall;dur=1")
            .with("Cache-Control", "no-cache,no-store,must-revalidate,max-age=-1")
    }
}

fn asked(request: &HttpRequest, target: Target, body: Bytes) -> Result<Asked, Problem> {
    if request.uri().to_string().len() > URL_LIMIT {
        return Err(Problem::UrlTooLong);
    }
    let parameters = pairs(request.query_string())
        .ok_or(Problem::BadRequest("the parameters of the URL are not encoded"))?;
    let connection = request.connection_info();
    Ok(Asked {
        method: request.method().clone(),
        target,
        parameters: Parameters::new(parameters),
        accept: header(request, &ACCEPT).map(str::to_owned),
        content_type: header(request, &CONTENT_TYPE).map(str::to_owned),
        body,
        base: format!("{}://{}{PREFIX}", connection.scheme(), connection.host()),
    })
}
