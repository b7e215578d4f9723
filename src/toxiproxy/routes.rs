//! The paths of the API, and what each does.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::form::{ProxyForm, ToxicForm, protocol, show_proxy, show_toxic, show_toxics};
use super::{Proxies, Refusal, metrics};
use crate::wire::proxy::Proxy;
use crate::wire::toxic::{Touched, Toxic};

/// The version of Toxiproxy whose API this is.
const VERSION: &str = "2.12.0";

type Answer = Result<Response, Refusal>;
type All = State<Arc<Proxies>>;

pub(super) fn router(proxies: Arc<Proxies>) -> Router {
    let toxics = "/proxies/{proxy}/toxics";
    let toxic = "/proxies/{proxy}/toxics/{toxic}";
    Router::new()
        .route("/metrics", get(counters))
        .route("/version", get(version))
        .route("/reset", post(reset))
        .route("/populate", post(populate))
        .route("/proxies", get(list).post(create))
        .route("/proxies/{proxy}", get(find).post(update).patch(update).delete(close))
        .route(toxics, get(list_toxics).post(add_toxic))
        .route(toxic, get(find_toxic).post(change_toxic).patch(change_toxic).delete(remove_toxic))
        .fallback(async || Refusal::Missing("there is no such path"))
        .layer(from_fn(refuse_browsers))
        .with_state(proxies)
}

/// A page that someone visits must not be able to break this machine.
async fn refuse_browsers(headers: HeaderMap, request: Request, next: Next) -> Response {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let browser = agent.is_some_and(|agent| agent.starts_with("Mozilla/"));
    if browser || headers.contains_key(header::ORIGIN) {
        return told(StatusCode::FORBIDDEN, "not for browsers");
    }
    next.run(request).await
}

async fn version() -> Json<Value> {
    Json(json!({ "version": VERSION }))
}

async fn counters(State(proxies): All) -> Response {
    let all: Vec<_> = proxies.all().into_iter().collect();
    ([(header::CONTENT_TYPE, metrics::TYPE)], metrics::show(&all)).into_response()
}

async fn list(State(proxies): All) -> Json<Value> {
    let shown = |(name, proxy): (String, Arc<Proxy>)| {
        let value = show_proxy(&name, &proxy);
        (name, value)
    };
    Json(Value::Object(proxies.all().into_iter().map(shown).collect()))
}

async fn create(State(proxies): All, body: Bytes) -> Answer {
    let shown = open(&proxies, &read(&body)?).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

async fn open(proxies: &Proxies, form: &ProxyForm) -> Result<Value, Refusal> {
    let missing = |field| Refusal::Bad(format!("missing required field: {field}"));
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let name = given(&form.name).ok_or_else(|| missing("name"))?;
    let upstream = given(&form.upstream).ok_or_else(|| missing("upstream"))?;
    let listen = given(&form.listen).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let protocol = given(&form.protocol).map(|name| protocol(&name)).transpose()?;
    let proxy = proxies.open(&name, &listen, &upstream, protocol).await?;
    if form.enabled == Some(false) {
        proxy.enable(false).await?;
    }
    Ok(show_proxy(&name, &proxy))
}

/// Opens all of a list. One that is there stays, with its toxics, unless it leads elsewhere.
async fn populate(State(proxies): All, body: Bytes) -> Answer {
    let forms: Vec<ProxyForm> = read(&body)?;
    let mut shown = Vec::new();
    for form in &forms {
        let name = form.name.as_deref().unwrap_or_default();
        if let Ok(proxy) = proxies.find(name) {
            if form.upstream.as_deref() == Some(proxy.upstream().as_str())
                && form.listen.as_deref().is_none_or(|listen| is_at(&proxy, listen))
            {
                shown.push(show_proxy(name, &proxy));
                continue;
            }
            proxies.close(name).await?;
        }
        shown.push(open(&proxies, form).await?);
    }
    Ok((StatusCode::CREATED, Json(json!({ "proxies": shown }))).into_response())
}

/// Whether a proxy listens where it is asked to.
fn is_at(proxy: &Proxy, listen: &str) -> bool {
    let address = proxy.address();
    let (host, port) = listen.rsplit_once(':').unwrap_or(("", ""));
    let same_host = host.is_empty() || host == "localhost" || host == address.ip().to_string();
    same_host && (port == "0" || port == address.port().to_string())
}

async fn find(State(proxies): All, Path(name): Path<String>) -> Answer {
    Ok(Json(show_proxy(&name, &*proxies.find(&name)?)).into_response())
}

async fn update(State(proxies): All, Path(name): Path<String>, body: Bytes) -> Answer {
    let form: ProxyForm = read(&body)?;
    let mut proxy = proxies.find(&name)?;
    if let Some(listen) = form.listen.as_deref().filter(|listen| !is_at(&proxy, listen)) {
        proxy = proxies.relocate(&name, listen).await?;
    }
    if let Some(upstream) = form.upstream.filter(|upstream| *upstream != proxy.upstream()) {
        proxies.redirect(&proxy, &upstream).await?;
    }
    if let Some(enabled) = form.enabled {
        proxy.enable(enabled).await?;
    }
    Ok(Json(show_proxy(&name, &proxy)).into_response())
}

async fn close(State(proxies): All, Path(name): Path<String>) -> Answer {
    proxies.close(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Everything back to good. One proxy that cannot listen does not keep the others from it.
async fn reset(State(proxies): All) -> Answer {
    let mut failed = Ok(());
    for (_, proxy) in proxies.all() {
        failed = failed.and(proxy.reset().await);
    }
    failed?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_toxics(State(proxies): All, Path(name): Path<String>) -> Answer {
    Ok(Json(show_toxics(&*proxies.find(&name)?)).into_response())
}

async fn add_toxic(State(proxies): All, Path(name): Path<String>, body: Bytes) -> Answer {
    let proxy = proxies.find(&name)?;
    let toxic = read::<ToxicForm>(&body)?.toxic()?;
    proxy.add(toxic.clone()).await?;
    Ok(Json(show_toxic(&toxic, Touched::default())).into_response())
}

async fn find_toxic(State(proxies): All, Path(at): Path<(String, String)>) -> Answer {
    let (toxic, touched) = toxic_at(&*proxies.find(&at.0)?, &at.1)?;
    Ok(Json(show_toxic(&toxic, touched)).into_response())
}

async fn change_toxic(
    State(proxies): All,
    Path(at): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let proxy = proxies.find(&at.0)?;
    let (toxic, _) = toxic_at(&proxy, &at.1)?;
    proxy.replace(read::<ToxicForm>(&body)?.change(toxic)?).await?;
    let (toxic, touched) = toxic_at(&proxy, &at.1)?;
    Ok(Json(show_toxic(&toxic, touched)).into_response())
}

async fn remove_toxic(State(proxies): All, Path(at): Path<(String, String)>) -> Answer {
    proxies.find(&at.0)?.remove(&at.1).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn toxic_at(proxy: &Proxy, name: &str) -> Result<(Toxic, Touched), Refusal> {
    let found = proxy.toxics().into_iter().find(|(toxic, _)| toxic.name == name);
    found.ok_or(Refusal::Missing("toxic not found"))
}

/// Reads a body, whatever type it claims to have.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Bad(format!("bad request body: {error}")))
}

fn told(status: StatusCode, what: &str) -> Response {
    (status, Json(json!({ "error": what, "status": status.as_u16() }))).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(what) => told(StatusCode::BAD_REQUEST, &what),
            Self::Missing(what) => told(StatusCode::NOT_FOUND, what),
            Self::Exists(what) => told(StatusCode::CONFLICT, what),
            Self::Failed(what) => told(StatusCode::INTERNAL_SERVER_ERROR, &what),
        }
    }
}
