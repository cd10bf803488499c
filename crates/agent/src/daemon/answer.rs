use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use strongroom_client::{CacheError, CachedSecret, ClientError, RenderedSecret, SecretBundle};
use strongroom_model::Sensitive;

use super::Agent;
use super::dialects::{self, Form, Refusal, Wish, form_of};
use super::gate::{Asker, Caller, check_http, may_read};
use super::known::{InForce, Target};

/// Headers of an answer, those that hyper adds included.
const HEADERS: usize = 8;

const VERSION: HeaderName = HeaderName::from_static("x-strongroom-version");
const STALE: HeaderName = HeaderName::from_static("x-strongroom-stale");

/// An answer before it is HTTP.
struct Answer {
    status: u16,
    content_type: &'static str,
    body: Body,
    /// Of a secret: the version, how old it is in seconds, and whether it is beyond its TTL.
    about: Option<(u64, u64, bool)>,
}

/// What is sent; wiped when it has been sent, if nobody else holds it.
enum Body {
    Own(Sensitive),
    /// The content of a secret as it is held.
    Held(CachedSecret),
    /// A secret in the form that was asked for.
    Rendered(RenderedSecret),
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes.expose(),
            Self::Held(secret) => secret.content().expose(),
            Self::Rendered(secret) => secret.as_ref(),
        }
    }
}

impl Answer {
    fn text(status: u16, text: &str) -> Self {
        let body = Body::Own(Sensitive::new(format!("{text}\n").into_bytes()));
        Self { status, content_type: "text/plain; charset=utf-8", body, about: None }
    }

    /// A refusal in the words of who asks.
    fn refused(form: Form, status: u16, why: &str) -> Self {
        let body = match form {
            Form::Bytes => return Self::text(status, why),
            Form::Json | Form::Aws => serde_json::json!({ "message": why }),
            Form::Vault => serde_json::json!({ "errors": [why] }),
        };
        let body = Body::Own(Sensitive::new(body.to_string().into_bytes()));
        Self { status, content_type: "application/json", body, about: None }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from_owner(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some((version, age, is_stale)) = self.about {
            headers.insert(VERSION, HeaderValue::from(version));
            headers.insert(AGE, HeaderValue::from(age));
            if is_stale {
                headers.insert(STALE, HeaderValue::from_static("true"));
            }
        }
        response
    }
}

impl Agent {
    /// Answers a request.
    pub(super) async fn answer(
        &self,
        caller: &Caller,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let rules = self.in_force();
        let answer = match admit(caller.asker, &request, &rules) {
            Ok(wish) => self.grant(caller, wish, &rules).await,
            Err((status, why)) => Answer::refused(form_of(request.uri().path()), status, &why),
        };
        self.counters.count(answer.status);
        answer.into_response()
    }

    async fn grant(&self, caller: &Caller, wish: Wish, rules: &InForce) -> Answer {
        match wish {
            Wish::Health => Answer::text(200, "ok"),
            Wish::Ready if self.holdings.unmade() > 0 => Answer::text(503, "files are missing"),
            Wish::Ready if self.is_ready() => Answer::text(200, "ready"),
            Wish::Ready => Answer::text(503, "no answer from the vault"),
            Wish::Metrics => Answer {
                content_type: "text/plain; version=0.0.4",
                ..Answer::text(200, self.metrics().trim_end())
            },
            Wish::Secret(target) => {
                let answer = self.secret(caller.asker, &target, rules).await;
                if tracing::enabled!(target: "audit", tracing::Level::INFO) {
                    self.records.add(&caller.record, &target.record, answer.status);
                }
                answer
            }
        }
    }

    fn metrics(&self) -> String {
        self.counters.render(&self.cache.metrics(), self.holdings.unmade())
    }

    fn is_ready(&self) -> bool {
        !self.cache.metrics().is_unanswered
    }

    async fn secret(&self, asker: Asker, target: &Target, rules: &InForce) -> Answer {
        let form = target.form;
        // What a process may not read looks like what is not there.
        let hidden = || Answer::refused(form, 404, "no such secret, or not for this process");
        if !may_read(asker, &rules.rules, &target.reference) {
            return hidden();
        }
        let resolved = match &target.resolved {
            Ok(resolved) => resolved,
            Err(why) => return Answer::refused(form, 400, why),
        };
        let found = match self.cache.get(&resolved.key).await {
            Ok(found) => found,
            Err(error) => {
                let (status, why) = failure(&error);
                return Answer::refused(form, status, &why);
            }
        };
        let about = Some(about(&found));
        let part = match &resolved.pointer {
            None => None,
            Some(pointer) => match rules.rules.references.part(found.content(), pointer) {
                Ok(part) => Some(part),
                Err(why) => return Answer::refused(form, 400, &why),
            },
        };
        let content_type = form.content_type();
        let render = |bundle: &SecretBundle, content: &Sensitive| {
            dialects::render(form, bundle, content.expose(), &target.reference)
        };
        let body = match (form, part) {
            (Form::Bytes, None) => Body::Held(found),
            (Form::Bytes, Some(part)) => Body::Own(part),
            (_, None) => Body::Rendered(
                found.rendered(&target.label, |bundle| render(bundle, &bundle.content)),
            ),
            (_, Some(part)) => Body::Own(render(found.bundle(), &part)),
        };
        Answer { status: 200, content_type, body, about }
    }
}

/// Everything but the secret itself.
fn admit(asker: Asker, request: &Request<Incoming>, rules: &InForce) -> Result<Wish, Refusal> {
    let path = request.uri().path();
    if let Asker::Loopback(address) = asker {
        let needs_token = !matches!(path, "/health" | "/ready");
        let head = (request.uri(), request.headers());
        let checked = check_http(address, head, &rules.rules, needs_token);
        checked.map_err(|(status, why)| (status, why.to_owned()))?;
    }
    if request.method() != Method::GET {
        return Err((405, "only GET is answered".to_owned()));
    }
    rules.read(request.uri())
}

fn about(found: &CachedSecret) -> (u64, u64, bool) {
    (found.bundle().version_number, found.age().as_secs(), found.is_stale())
}

/// What the vault said, for the process: what it may not read is as absent as what is not there.
fn failure(error: &CacheError) -> (u16, String) {
    match error.client_error() {
        Some(ClientError::Service(refusal)) => match refusal.status {
            404 => (404, "no such secret, or not for this process".to_owned()),
            401 | 403 => (403, error.to_string()),
            429 => (429, error.to_string()),
            _ => (502, error.to_string()),
        },
        Some(ClientError::Credentials { is_refused: true, .. }) => (403, error.to_string()),
        _ => (502, error.to_string()),
    }
}
