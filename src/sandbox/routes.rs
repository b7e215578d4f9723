//! The HTTP surface of the practice target.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::policy::authorize;
use super::{Callback, Gate, Message, Stock, Store, StoreError, accepts, shop};
use crate::units::parse_duration;

/// Bytes of a request body that are read; webhooks are below 4 KiB.
const BODY_LIMIT: usize = 1024 * 1024;

/// Messages or orders in one page, unless `limit` asks for fewer.
const PAGE: usize = 1000;

/// The header the signature comes in.
const SIGNATURE: &str = "x-twilio-signature";

/// What `GET /` answers.
const GREETING: &str = "This is loadrun's practice target.\n";

/// What is answered to an accepted webhook.
const TWIML: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response></Response>"#;

/// All that a request can reach.
pub(super) struct Service {
    /// Who is told of each message stored.
    pub(super) callback: Option<Callback>,
    pub(super) gate: Gate,
    pub(super) store: Arc<Store>,
    pub(super) stock: Stock,
    /// The auth token signatures are keyed with.
    pub(super) token: String,
    /// Webhooks whose signature was wrong or missing.
    pub(super) forged: AtomicU64,
}

pub(super) type Shared = State<Arc<Service>>;

/// The routes, each behind as much of the gate as the room's documentation says.
pub(super) fn router(service: Arc<Service>) -> Router {
    let working = Router::new()
        .route("/", get(|| async { GREETING }))
        .route("/webhook", post(receive_webhook))
        .route("/items", post(shop::create_item))
        .route("/items/{id}", get(shop::read_item))
        .route("/orders", post(shop::create_order))
        .route("/orders/{id}", get(shop::read_order))
        .route("/authorize", post(decide))
        .layer(from_fn_with_state(Arc::clone(&service), work));
    let watching = Router::new()
        .route("/messages", get(list_messages))
        .route("/messages/{sid}", get(read_message))
        .route("/orders", get(shop::list_orders))
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .layer(from_fn_with_state(Arc::clone(&service), watch));
    Router::new()
        .route("/control", get(read_control).post(change_control))
        .merge(working)
        .merge(watching)
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "no such route") })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(service)
}

/// The whole gate: stall, capacity, latency, errors.
///
/// The body is read before anything is refused: an answer that leaves a body unread costs the
/// sender its connection, which is not what 429 and 500 mean here.
async fn work(State(service): Shared, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 1 MiB or was cut short");
    };
    service.gate.wait_out_stall().await;
    let request = Request::from_parts(head, Body::from(body));
    if !service.gate.has_turns() {
        return attend(&service, request, next).await;
    }
    // A worker does what it has taken up to its end, whether or not anybody waits for it.
    let attended = tokio::spawn(async move { attend(&service, request, next).await });
    attended.await.unwrap_or_else(|_| problem(StatusCode::INTERNAL_SERVER_ERROR, "the work broke"))
}

async fn attend(service: &Service, request: Request, next: Next) -> Response {
    let gate = &service.gate;
    match gate.admit() {
        Err(refused) => {
            let wait = [(RETRY_AFTER, refused.retry_after.to_string())];
            (wait, problem(StatusCode::TOO_MANY_REQUESTS, "beyond the capacity")).into_response()
        }
        Ok(place) => {
            let _turn = gate.turn().await;
            place.linger().await;
            let response = if place.fails {
                problem(StatusCode::INTERNAL_SERVER_ERROR, "failed as asked by `errors`")
            } else {
                next.run(request).await
            };
            gate.wait_out_stall().await;
            response
        }
    }
}

/// The gate for those who watch: only a stall.
async fn watch(State(service): Shared, request: Request, next: Next) -> Response {
    service.gate.wait_out_stall().await;
    let response = next.run(request).await;
    service.gate.wait_out_stall().await;
    response
}

async fn receive_webhook(
    State(service): Shared,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    // What the sender signed is the address it sent to, which is what its Host header says.
    let url = format!("http://{}{uri}", text(HOST.as_str()));
    if !accepts(&service.token, &url, &form, text(SIGNATURE)) {
        service.forged.fetch_add(1, Ordering::Relaxed);
        return problem(StatusCode::FORBIDDEN, "the signature is missing or does not fit");
    }
    let field = |name: &str| {
        form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let message = Message {
        seq: 0,
        sid: field("MessageSid"),
        sender: field("From"),
        receiver: field("To"),
        body: field("Body"),
        received: now(),
    };
    if message.sid.is_empty() {
        return problem(StatusCode::BAD_REQUEST, "MessageSid is missing");
    }
    if !service.gate.forgets() {
        if let Err(error) = service.store.keep(&message).await {
            return broken(&error);
        }
        if let Some(callback) = &service.callback {
            callback.send(&message.sid);
        }
    }
    ([(CONTENT_TYPE, "text/xml; charset=utf-8")], TWIML).into_response()
}

async fn read_message(State(service): Shared, Path(sid): Path<String>) -> Response {
    found(service.store.message(&sid).await)
}

/// Which page of messages or orders is asked for.
#[derive(Deserialize)]
pub(super) struct Page {
    /// The cursor: `next` of the page before; 0 begins. An empty page is the end for now.
    #[serde(default)]
    pub(super) since: i64,
    /// How many are wanted, 1 to 1000.
    limit: Option<usize>,
}

impl Page {
    /// How many at most.
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE).clamp(1, PAGE)
    }
}

async fn list_messages(State(service): Shared, Query(page): Query<Page>) -> Response {
    match service.store.messages(page.since, page.limit()).await {
        Err(error) => broken(&error),
        Ok(messages) => {
            let next = messages.last().map_or(page.since, |last| last.seq);
            Json(json!({ "messages": messages, "next": next })).into_response()
        }
    }
}

/// What `POST /authorize` asks.
#[derive(Deserialize)]
struct Question {
    role: String,
    action: String,
    resource: String,
}

async fn decide(Json(question): Json<Question>) -> Response {
    let (allowed, reason) = authorize(&question.role, &question.action, &question.resource);
    Json(json!({ "allowed": allowed, "reason": reason })).into_response()
}

async fn read_control(State(service): Shared) -> Response {
    let behaviour = service.gate.behaviour();
    Json(json!({
        "latency": behaviour.latency.to_string(),
        "errors": behaviour.errors.to_string(),
        "capacity": behaviour.capacity.to_string(),
        "workers": behaviour.workers.to_string(),
        "forget": behaviour.forget.to_string(),
        "fallback": behaviour.care.fallback.to_string(),
        "retries": behaviour.care.retries.to_string(),
        "breaker": behaviour.care.breaker.to_string(),
        "timeout": behaviour.care.timeout.to_string(),
        "dependencies": service.stock.shown(),
        "leak": behaviour.leak.to_string(),
        "stall": service.gate.stalled().as_secs_f64(),
        "gate": service.gate.passed(),
        "written": service.store.written(),
        "forged": service.forged.load(Ordering::Relaxed),
    }))
    .into_response()
}

/// Changes what is named and leaves the rest; nothing is changed when anything is wrong, and all of
/// that is told. The body is JSON, whatever its type says: `curl -d` calls everything a form.
async fn change_control(state: Shared, body: Bytes) -> Response {
    let changes: Map<String, Value> = match serde_json::from_slice(&body) {
        Ok(changes) => changes,
        Err(why) => {
            let form = "expected an object such as {\"latency\": \"20ms\", \"stall\": \"2s\"}";
            return problem(StatusCode::BAD_REQUEST, &format!("{form}: {why}"));
        }
    };
    let mut behaviour = state.gate.behaviour();
    let (mut stall, mut wrong) = (None, Vec::new());
    for (name, value) in &changes {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => "none".to_owned(),
            other => other.to_string(),
        };
        let result = if name == "stall" {
            parse_duration(&value).map(|time| stall = Some(time)).map_err(|error| error.to_string())
        } else {
            behaviour.set(name, &value)
        };
        if let Err(error) = result {
            wrong.push(format!("{name}: {error}"));
        }
    }
    if !wrong.is_empty() {
        return problem(StatusCode::BAD_REQUEST, &wrong.join("; "));
    }
    state.gate.behave(behaviour);
    if let Some(time) = stall {
        state.gate.stall(time);
    }
    read_control(state).await
}

/// A row as JSON, 404 when there is none.
pub(super) fn found(row: Result<Option<impl serde::Serialize>, StoreError>) -> Response {
    match row {
        Ok(Some(row)) => Json(row).into_response(),
        Ok(None) => problem(StatusCode::NOT_FOUND, "there is none"),
        Err(error) => broken(&error),
    }
}

pub(super) fn broken(error: &StoreError) -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}

pub(super) fn problem(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as i64)
}
