//! The API as a client meets it, over HTTP.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// An API of its own, which ends with the test.
struct Api(SocketAddr);

impl Api {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxies = Arc::new(Proxies::new(Reach::default(), 1));
        tokio::spawn(serve(listener, proxies, std::future::pending()));
        Self(address)
    }

    async fn raw(&self, head: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let status = reply.split(' ').nth(1).unwrap().parse().unwrap();
        let body = reply.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(&format!("{method} {path} HTTP/1.1"), &body).await
    }

    /// A proxy of that name, to nowhere.
    async fn create(&self, name: &str) -> Value {
        let form = json!({ "name": name, "upstream": "127.0.0.1:1" });
        let (status, shown) = self.ask("POST", "/proxies", form).await;
        assert_eq!(status, 201, "{shown}");
        shown
    }
}

#[tokio::test]
async fn a_proxy_is_created_found_listed_changed_and_deleted() {
    let api = Api::new().await;
    let shown = api.create("db").await;
    assert_eq!(shown["enabled"], true);
    assert_eq!(shown["toxics"], json!([]));
    let listen = shown["listen"].as_str().unwrap().to_owned();
    assert_eq!(api.ask("GET", "/proxies/db", Value::Null).await, (200, shown.clone()));
    assert_eq!(api.ask("GET", "/proxies", Value::Null).await, (200, json!({ "db": shown })));
    for method in ["POST", "PATCH"] {
        let enabled = method == "PATCH";
        let (status, shown) = api.ask(method, "/proxies/db", json!({ "enabled": enabled })).await;
        assert_eq!((status, &shown["enabled"]), (200, &json!(enabled)));
        assert_eq!(TcpStream::connect(&listen).await.is_ok(), enabled);
    }
    let elsewhere = json!({ "upstream": "127.0.0.1:2", "listen": "localhost:0" });
    let (status, shown) = api.ask("POST", "/proxies/db", elsewhere).await;
    assert_eq!((status, &shown["upstream"]), (200, &json!("127.0.0.1:2")));
    assert_eq!(api.ask("DELETE", "/proxies/db", Value::Null).await.0, 204);
    assert!(TcpStream::connect(&listen).await.is_err());
    let missing = json!({ "error": "proxy not found", "status": 404 });
    assert_eq!(api.ask("GET", "/proxies/db", Value::Null).await, (404, missing));
}

#[tokio::test]
async fn a_toxic_is_added_found_changed_and_removed_in_toxiproxys_numbers() {
    let api = Api::new().await;
    api.create("db").await;
    let form = json!({ "type": "latency", "attributes": { "latency": 1000, "jitter": "50ms" } });
    let (status, shown) = api.ask("POST", "/proxies/db/toxics", form.clone()).await;
    let expected = json!({
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1.0,
        "attributes": { "latency": 1000, "jitter": 50, "distribution": "uniform" },
        "per": "connection", "match": null,
        "touched": { "eligible": 0, "connections": 0, "chunks": 0, "bytes": 0 },
    });
    assert_eq!((status, &shown), (200, &expected));
    assert_eq!(api.ask("POST", "/proxies/db/toxics", form).await.0, 409);
    let path = "/proxies/db/toxics/latency_downstream";
    let half = json!({ "toxicity": 0.5, "attributes": { "jitter": 7 } });
    let (status, shown) = api.ask("PATCH", path, half).await;
    assert_eq!((status, &shown["toxicity"]), (200, &json!(0.5)));
    assert_eq!(shown["attributes"]["jitter"], 7);
    assert_eq!(shown["attributes"]["latency"], 1000);
    assert_eq!(api.ask("GET", path, Value::Null).await, (200, shown.clone()));
    let listed = api.ask("GET", "/proxies/db/toxics", Value::Null).await;
    assert_eq!(listed, (200, json!([shown])));
    assert_eq!(api.ask("DELETE", path, Value::Null).await.0, 204);
    assert_eq!(api.ask("DELETE", path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_reset_takes_all_toxics_away_and_enables_all() {
    let api = Api::new().await;
    for name in ["a", "b"] {
        let listen = api.create(name).await["listen"].as_str().unwrap().to_owned();
        api.ask("POST", &format!("/proxies/{name}/toxics"), json!({ "type": "down" })).await;
        api.ask("POST", &format!("/proxies/{name}"), json!({ "enabled": false })).await;
        assert!(TcpStream::connect(&listen).await.is_err());
    }
    assert_eq!(api.ask("POST", "/reset", Value::Null).await.0, 204);
    let (_, all) = api.ask("GET", "/proxies", Value::Null).await;
    for name in ["a", "b"] {
        assert_eq!(all[name]["toxics"], json!([]));
        assert!(TcpStream::connect(all[name]["listen"].as_str().unwrap()).await.is_ok());
    }
}

#[tokio::test]
async fn populate_keeps_what_is_the_same_and_replaces_what_leads_elsewhere() {
    let api = Api::new().await;
    let kept = api.create("a").await;
    let replaced = api.create("b").await;
    api.ask("POST", "/proxies/a/toxics", json!({ "type": "noop" })).await;
    let list = json!([
        { "name": "a", "upstream": "127.0.0.1:1", "listen": kept["listen"] },
        { "name": "b", "upstream": "127.0.0.1:2", "listen": replaced["listen"] },
        { "name": "c", "upstream": "127.0.0.1:3", "enabled": false },
    ]);
    let (status, shown) = api.ask("POST", "/populate", list).await;
    assert_eq!(status, 201, "{shown}");
    assert_eq!(shown["proxies"][0]["toxics"].as_array().unwrap().len(), 1);
    assert_eq!(shown["proxies"][1]["listen"], replaced["listen"]);
    assert_eq!(shown["proxies"][1]["upstream"], "127.0.0.1:2");
    assert_eq!(shown["proxies"][2]["enabled"], false);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_is_right() {
    let api = Api::new().await;
    api.create("db").await;
    let toxics = "/proxies/db/toxics";
    let asked = [
        ("/proxies", json!({ "name": "x" })),
        ("/proxies", json!({ "upstream": "127.0.0.1:1" })),
        ("/proxies", json!({ "name": "db", "upstream": "127.0.0.1:1" })),
        ("/proxies", json!({ "name": "x", "upstream": "192.0.2.1:1" })),
        ("/proxies", json!({ "name": "x", "upstream": "127.0.0.1:1", "listen": "0.0.0.0:0" })),
        ("/proxies/none/toxics", json!({ "type": "noop" })),
        (toxics, json!({ "type": "packet_loss" })),
        (toxics, json!({ "type": "noop", "stream": "sideways" })),
        (toxics, json!({ "type": "noop", "toxicity": 2 })),
        (toxics, json!({ "type": "latency", "attributes": { "latncy": 5 } })),
        (toxics, json!({ "type": "latency", "attributes": { "latency": -5 } })),
        (toxics, json!({ "type": "noop", "per": "request" })),
        (toxics, json!({ "type": "down", "per": "request" })),
        (toxics, json!({ "type": "noop", "per": "connection", "match": "GET *" })),
        ("/proxies", json!({ "name": "x", "upstream": "127.0.0.1:1", "protocol": "smtp" })),
        (toxics, json!([])),
        ("/nowhere", json!({})),
    ];
    let mut told = Vec::new();
    for (path, form) in asked {
        let (status, shown) = api.ask("POST", path, form).await;
        told.push(format!("{status} {}", shown["error"].as_str().unwrap()));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    400 missing required field: upstream
    400 missing required field: name
    409 proxy already exists
    400 upstream: 192.0.2.1 is not on this machine, and faults reach no further unless they are allowed to: --allow-fault 192.0.2.1
    400 listen: 0.0.0.0 is not on this machine, and faults reach no further unless they are allowed to: --allow-fault 0.0.0.0
    404 proxy not found
    400 invalid toxic type "packet_loss"; expected one of noop, latency, bandwidth, slow_close, timeout, hold, down, reset_peer, slicer, limit_data, corrupt_stream, drop_chunks
    400 stream "sideways" was invalid, can be either upstream, downstream or both
    400 toxicity is 2; expected 0 to 1
    400 latency has no attribute "latncy"; expected latency, jitter, distribution
    400 latency is -5; expected a duration such as "300ms"
    400 the toxic "noop_downstream" is per request, but the proxy is not told a protocol
    400 down is for connections, never for single requests
    400 match is for toxics with per = "request"
    400 unknown protocol "smtp"; expected one of redis, http, postgres
    400 invalid toxic type ""; expected one of noop, latency, bandwidth, slow_close, timeout, hold, down, reset_peer, slicer, limit_data, corrupt_stream, drop_chunks
    404 there is no such path
    "#);
}

#[tokio::test]
async fn a_page_in_a_browser_is_refused() {
    let api = Api::new().await;
    for line in ["user-agent: Mozilla/5.0 (X11)", "origin: http://evil.test"] {
        let (status, _) = api.raw(&format!("POST /reset HTTP/1.1\r\n{line}"), "").await;
        assert_eq!(status, 403, "{line}");
    }
}

#[tokio::test]
async fn bytes_and_what_toxics_touched_are_counted_for_prometheus() {
    let api = Api::new().await;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = server.local_addr().unwrap();
    let form = json!({ "name": "a \"b\"", "upstream": upstream.to_string() });
    let (_, shown) = api.ask("POST", "/proxies", form).await;
    let listen = shown["listen"].as_str().unwrap();
    let slow = json!({ "type": "latency", "attributes": { "latency": 1 } });
    api.ask("POST", "/proxies/a%20%22b%22/toxics", slow).await;
    let mut client = TcpStream::connect(listen).await.unwrap();
    let (mut served, _) = server.accept().await.unwrap();
    client.write_all(b"hello").await.unwrap();
    served.read_exact(&mut [0; 5]).await.unwrap();
    served.write_all(b"bye").await.unwrap();
    client.read_exact(&mut [0; 3]).await.unwrap();
    let mut stream = TcpStream::connect(api.0).await.unwrap();
    let ask = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let place = format!(r#"proxy="a \"b\"",listener="{listen}",upstream="{upstream}""#);
    for line in [
        "content-type: text/plain; version=0.0.4; charset=utf-8".to_owned(),
        "# TYPE toxiproxy_proxy_received_bytes_total counter".to_owned(),
        format!(r#"toxiproxy_proxy_received_bytes_total{{direction="upstream",{place}}} 5"#),
        format!(r#"toxiproxy_proxy_sent_bytes_total{{direction="downstream",{place}}} 3"#),
        format!("loadrun_proxy_connections_total{{{place}}} 1"),
        r#"loadrun_toxic_touched_total{proxy="a \"b\"",toxic="latency_downstream",type="latency"} 1"#
            .to_owned(),
    ] {
        assert!(reply.contains(&line), "{line}\n{reply}");
    }
}
