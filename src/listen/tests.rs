//! The endpoint, asked by a client that writes bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    told
}

const REQUEST: &str = "POST /hooks/7?try=2 HTTP/1.1\r\nHost: x\r\nX-Id: 7\r\nConnection: close\r\n\
                       Content-Length: 4\r\n\r\nbody";

#[tokio::test]
async fn a_request_is_handed_on_whole_and_answered_as_it_is_told() {
    let (asked, mut requests) = mpsc::unbounded_channel();
    let address = open(asked).unwrap();
    let answering = tokio::spawn(async move {
        let (inbound, answer) = requests.recv().await.unwrap();
        let told = Answer {
            headers: vec![("x-again".to_owned(), "yes".to_owned())],
            body: b"later".to_vec(),
            ..Answer::status(202)
        };
        answer.send(told).unwrap();
        inbound
    });
    let told = ask(address, REQUEST).await;
    assert!(told.starts_with("HTTP/1.1 202 Accepted\r\n"), "{told}");
    assert!(told.contains("x-again: yes\r\n") && told.ends_with("\r\n\r\nlater"), "{told}");
    let inbound = answering.await.unwrap();
    let line = (inbound.method.as_str(), inbound.path.as_str(), inbound.query.as_str());
    assert_eq!(line, ("POST", "/hooks/7", "try=2"));
    assert!(inbound.headers.contains(&("x-id".to_owned(), "7".to_owned())));
    assert_eq!(inbound.body, b"body");
}

#[tokio::test]
async fn a_request_nobody_answers_is_told_so() {
    let (asked, requests) = mpsc::unbounded_channel();
    let address = open(asked).unwrap();
    drop(requests);
    assert!(ask(address, REQUEST).await.starts_with("HTTP/1.1 503 "));
}
