//! Items and orders over HTTP.
//!
//! An item says how it was come by: `x-cache: hit` or `miss`, or `x-fallback: database` where the
//! cache did not answer, which is a degraded answer and no failure. What a dependency did not
//! answer is 503, with `x-breaker: open` where it was not even asked.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::routes::{Page, Shared, broken, found, problem};
use super::stock::{Trouble, Way};
use super::{Item, Order};

/// A header by its name and value.
type Header = [(HeaderName, &'static str); 1];

const BREAKER: HeaderName = HeaderName::from_static("x-breaker");
const CACHE: HeaderName = HeaderName::from_static("x-cache");
const FALLBACK: HeaderName = HeaderName::from_static("x-fallback");

pub(super) async fn read_item(State(service): Shared, Path(id): Path<i64>) -> Response {
    let care = service.gate.behaviour().care;
    match service.stock.item(&care, id).await {
        Err(why) => failed(&why),
        Ok((item, way)) => come_by(way, found(Ok(item))),
    }
}

pub(super) async fn create_item(State(service): Shared, Json(item): Json<Item>) -> Response {
    let care = service.gate.behaviour().care;
    match service.stock.create(&care, &item.name, item.price).await {
        Err(why) => failed(&why),
        Ok(id) => {
            let place = [(LOCATION, format!("/items/{id}"))];
            (StatusCode::CREATED, place, Json(Item { id, ..item })).into_response()
        }
    }
}

/// Looks the item up and stores the order: two steps that may each fail.
pub(super) async fn create_order(State(service): Shared, Json(order): Json<Order>) -> Response {
    if order.id.is_empty() || order.quantity < 1 {
        return problem(
            StatusCode::BAD_REQUEST,
            "an order has an id, an item and a quantity from 1",
        );
    }
    let care = service.gate.behaviour().care;
    let (item, way) = match service.stock.item(&care, order.item).await {
        Err(why) => return failed(&why),
        Ok((None, way)) => return come_by(way, problem(StatusCode::NOT_FOUND, "no such item")),
        Ok((Some(item), way)) => (item, way),
    };
    let total = order.quantity.saturating_mul(item.price);
    let order = Order { total, ..order };
    if let Err(why) = service.stock.order(&care, &order).await {
        return failed(&why);
    }
    let place = [(LOCATION, format!("/orders/{}", order.id))];
    let Order { seq: _, id, item, quantity, total } = order;
    let taken = json!({ "id": id, "item": item, "quantity": quantity, "total": total });
    come_by(way, (StatusCode::CREATED, place, Json(taken)).into_response())
}

pub(super) async fn read_order(State(service): Shared, Path(id): Path<String>) -> Response {
    let care = service.gate.behaviour().care;
    match service.stock.ordered(&care, &id).await {
        Err(why) => failed(&why),
        Ok(order) => found(Ok(order)),
    }
}

pub(super) async fn list_orders(State(service): Shared, Query(page): Query<Page>) -> Response {
    match service.stock.orders(page.since, page.limit()).await {
        Err(error) => broken(&error),
        Ok(orders) => {
            let next = orders.last().map_or(page.since, |last| last.seq);
            Json(json!({ "orders": orders, "next": next })).into_response()
        }
    }
}

/// An answer with how its item was come by.
fn come_by(way: Way, answer: Response) -> Response {
    let header: Header = match way {
        Way::Direct => return answer,
        Way::Hit => [(CACHE, "hit")],
        Way::Miss => [(CACHE, "miss")],
        Way::Fallback => [(FALLBACK, "database")],
    };
    (header, answer).into_response()
}

fn failed(why: &Trouble) -> Response {
    match why {
        Trouble::Store(error) => broken(error),
        Trouble::Unanswered(why) => {
            let answer = problem(StatusCode::SERVICE_UNAVAILABLE, &why.to_string());
            if why.is_refused {
                let header: Header = [(BREAKER, "open")];
                return (header, answer).into_response();
            }
            answer
        }
    }
}
