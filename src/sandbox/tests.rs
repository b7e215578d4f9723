//! The practice target over real sockets, with a client of a few lines.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use super::*;

/// A practice target in this process.
struct Target {
    address: SocketAddr,
    folder: PathBuf,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), SandboxError>>,
}

async fn target(behaviours: &[(&str, &str)]) -> Target {
    let mut options = Options::default();
    for (name, value) in behaviours {
        options.behaviour.set(name, value).unwrap();
    }
    let sandbox = Sandbox::open(options).await.unwrap();
    let (address, folder) = (sandbox.address(), sandbox.folder.path().to_owned());
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(sandbox.serve(async {
        let _ = stopped.await;
    }));
    Target { address, folder, stop, served }
}

/// What came back.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request on a connection of its own.
async fn send(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!(
        "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head[9..12].parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Target {
    async fn get(&self, path: &str) -> Answer {
        send(self.address, &format!("GET {path} HTTP/1.1"), "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json");
        send(self.address, &head, &body.to_string()).await
    }

    /// A message signed with `token`.
    async fn webhook(&self, sid: &str, token: &str) -> Answer {
        let (head, body) = webhook(self.address, sid, token);
        send(self.address, &head, &body).await
    }

    async fn sids(&self) -> Vec<String> {
        let page = self.get("/messages").await.json();
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(|message| message["sid"].as_str().unwrap().to_owned()).collect()
    }

    async fn end(self) -> PathBuf {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        self.folder
    }
}

fn webhook(address: SocketAddr, sid: &str, token: &str) -> (String, String) {
    let form =
        [("MessageSid", sid), ("From", "+4179"), ("To", "+4180"), ("Body", "Grüezi & hallo")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body: String =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let signature = sign(token, &format!("http://{address}/webhook?from=test"), &form);
    let head = format!("POST /webhook?from=test HTTP/1.1\r\nx-twilio-signature: {signature}");
    (head, body)
}

#[tokio::test]
async fn an_accepted_webhook_is_answered_with_twiml_and_stored() {
    let target = target(&[]).await;
    let answer = target.webhook("SM1", PRACTICE_TOKEN).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/xml"), "{}", answer.head);
    assert!(answer.body.ends_with("<Response></Response>"), "{}", answer.body);
    let message = target.get("/messages/SM1").await.json();
    assert_eq!(message["from"], "+4179");
    assert_eq!(message["body"], "Grüezi & hallo");
    assert_eq!(target.get("/messages/SM2").await.status, 404);
}

#[tokio::test]
async fn a_forged_webhook_is_refused_and_not_stored() {
    let target = target(&[]).await;
    assert_eq!(target.webhook("SM1", "another token").await.status, 403);
    assert_eq!(send(target.address, "POST /webhook HTTP/1.1", "MessageSid=SM2").await.status, 403);
    assert_eq!(target.sids().await, Vec::<String>::new());
    assert_eq!(target.get("/control").await.json()["forged"], 2);
}

#[tokio::test]
async fn a_webhook_without_a_sid_is_the_senders_mistake() {
    let target = target(&[]).await;
    assert_eq!(target.webhook("", PRACTICE_TOKEN).await.status, 400);
}

#[tokio::test]
async fn a_repeated_message_is_accepted_and_stored_once() {
    let target = target(&[]).await;
    for _ in 0..3 {
        assert_eq!(target.webhook("SM1", PRACTICE_TOKEN).await.status, 200);
    }
    assert_eq!(target.sids().await, ["SM1"]);
    let written = &target.get("/control").await.json()["written"];
    assert_eq!((&written["stored"], &written["repeated"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn writes_that_wait_together_are_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).await.unwrap());
    let mut writes = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        let message = Message {
            seq: 0,
            sid: format!("SM{}", number % 150),
            sender: String::new(),
            receiver: String::new(),
            body: String::new(),
            received: 0,
        };
        writes.spawn(async move { store.keep(&message).await });
    }
    while let Some(written) = writes.join_next().await {
        written.unwrap().unwrap();
    }
    let written = store.written();
    assert_eq!((written.stored, written.repeated), (150, 50));
    assert!(written.commits < 20, "{written:?}");
}

#[tokio::test]
async fn messages_are_read_page_by_page_until_a_page_is_empty() {
    let target = target(&[]).await;
    for sid in ["SM3", "SM1", "SM2"] {
        target.webhook(sid, PRACTICE_TOKEN).await;
    }
    let first = target.get("/messages?limit=2").await.json();
    assert_eq!(
        (&first["messages"][0]["sid"], &first["messages"][1]["sid"]),
        (&json!("SM3"), &json!("SM1"))
    );
    let rest = target.get(&format!("/messages?limit=2&since={}", first["next"])).await.json();
    assert_eq!(rest["messages"][0]["sid"], "SM2");
    let end = target.get(&format!("/messages?since={}", rest["next"])).await.json();
    assert_eq!(end, json!({ "messages": [], "next": rest["next"] }));
}

#[tokio::test]
async fn a_created_item_can_be_read() {
    let target = target(&[]).await;
    let created = target.post("/items", &json!({ "name": "lamp", "price": 1250 })).await;
    assert_eq!(created.status, 201);
    let id = &created.json()["id"];
    assert!(created.head.contains(&format!("location: /items/{id}")), "{}", created.head);
    let read = target.get(&format!("/items/{id}")).await.json();
    assert_eq!(read, json!({ "id": id, "name": "lamp", "price": 1250 }));
    assert_eq!(target.get("/items/1000").await.json()["name"], "item 1000");
    assert_eq!(target.get("/items/999999").await.status, 404);
    assert_eq!(target.get("/items/lamp").await.status, 400);
}

#[tokio::test]
async fn the_role_policy_is_asked_over_http() {
    let target = target(&[]).await;
    let question = json!({ "role": "reader", "action": "write", "resource": "items/7" });
    let answer = target.post("/authorize", &question).await.json();
    assert_eq!(answer, json!({ "allowed": false, "reason": "no rule lets reader write items/7" }));
}

#[tokio::test]
async fn errors_are_answered_500_and_nothing_is_done() {
    let target = target(&[("errors", "100%")]).await;
    assert_eq!(target.webhook("SM1", PRACTICE_TOKEN).await.status, 500);
    assert_eq!(target.get("/health").await.status, 200);
    assert_eq!(target.sids().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_forgetful_service_acknowledges_what_it_does_not_store() {
    let target = target(&[("forget", "100%")]).await;
    assert_eq!(target.webhook("SM1", PRACTICE_TOKEN).await.status, 200);
    assert_eq!(target.get("/messages/SM1").await.status, 404);
}

#[tokio::test]
async fn beyond_the_capacity_is_429_and_the_connection_stays() {
    let target = target(&[("capacity", "0")]).await;
    let refused = target.get("/items/1").await;
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);

    let (head, body) = webhook(target.address, "SM1", PRACTICE_TOKEN);
    let length = body.len();
    let request = format!("{head}\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    let mut stream = TcpStream::connect(target.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"}") {
            assert_ne!(stream.read_buf(&mut reply).await.unwrap(), 0, "the connection was closed");
        }
        assert!(reply.starts_with(b"HTTP/1.1 429"));
    }
}

#[tokio::test]
async fn control_changes_what_is_named_and_leaves_the_rest() {
    let target = target(&[("capacity", "20")]).await;
    let changes = json!({ "latency": "uniform 1ms 2ms", "errors": 0.25, "forget": null });
    let now = target.post("/control", &changes).await.json();
    assert_eq!(now["latency"], "uniform 1ms 2ms");
    assert_eq!(now["errors"], "25 %");
    assert_eq!(now["capacity"], "20");
    assert_eq!(target.get("/control").await.json()["errors"], "25 %");
    // As `curl -d` sends it.
    let form = "POST /control HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let now = send(target.address, form, r#"{"errors": "1%"}"#).await.json();
    assert_eq!(now["errors"], "1 %");
}

#[tokio::test]
async fn a_wrong_change_changes_nothing_and_says_what_is_wrong() {
    let target = target(&[]).await;
    for (changes, error) in [
        (json!({ "capacity": 5, "latncy": "5ms" }), "latncy: unknown behaviour"),
        (json!({ "capacity": "x", "errors": 2, "stall": "y" }), "capacity: malformed capacity"),
        (json!({ "capacity": 5, "errors": "150%" }), "errors: "),
        (json!({ "capacity": 5, "stall": "soon" }), "stall: "),
        (json!({ "capacity": -5 }), "capacity: malformed capacity \"-5\""),
    ] {
        let answer = target.post("/control", &changes).await;
        assert_eq!(answer.status, 400);
        let said = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(said.starts_with(error), "{said}");
        let all = changes.as_object().unwrap().keys().filter(|key| changes[*key] != 5);
        assert!(all.into_iter().all(|key| said.contains(&format!("{key}: "))), "{said}");
        assert_eq!(target.get("/control").await.json()["capacity"], "none");
    }
    let answer = send(target.address, "POST /control HTTP/1.1", "latency=5ms").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("expected an object such as"), "{}", answer.body);
}

#[tokio::test]
async fn a_stall_holds_everything_but_control_until_it_is_ended() {
    let target = target(&[]).await;
    target.post("/control", &json!({ "stall": "1h" })).await;
    let address = target.address;
    let waiting = tokio::spawn(async move { send(address, "GET /health HTTP/1.1", "").await });
    assert!(target.get("/control").await.json()["stall"].as_f64().unwrap() > 3000.0);
    assert!(!waiting.is_finished());
    target.post("/control", &json!({ "stall": 0 })).await;
    assert_eq!(waiting.await.unwrap().status, 200);
}

#[tokio::test]
async fn its_folder_is_gone_when_it_has_ended_even_in_a_stall() {
    let target = target(&[]).await;
    target.webhook("SM1", PRACTICE_TOKEN).await;
    assert!(target.folder.join("sandbox.sqlite").exists());
    target.post("/control", &json!({ "stall": "1h" })).await;
    let folder = target.end().await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let target = target(&[]).await;
    let options = Options { port: target.address.port(), ..Options::default() };
    let error = Sandbox::open(options).await.err().unwrap();
    assert!(error.what.contains(&target.address.to_string()), "{error}");
    assert_eq!(error.hint.as_deref(), Some("--port 0 picks a free port"));
}
