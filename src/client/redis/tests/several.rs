//! Several servers: a cluster, and a master behind a sentinel.

use super::super::settings::Topology;
use super::super::testing::{free_port, until};
use super::*;

/// Nodes of one cluster, each with its share of the slots.
async fn cluster(count: usize) -> Vec<Server> {
    let buses: Vec<String> = (0..count).map(|_| free_port().to_string()).collect();
    let start = |bus: &String| {
        Server::start(&["--cluster-enabled", "yes", "--cluster-port", bus, "--appendonly", "no"])
    };
    let nodes: Vec<Server> = buses.iter().map(start).collect();
    let session = Session::default();
    for (at, node) in nodes.iter().enumerate() {
        let client = client_of(&node.url(), |_| {});
        let share = 16_384 / count;
        let last = if at + 1 == count { 16_383 } else { (at + 1) * share - 1 };
        let slots = format!("CLUSTER ADDSLOTSRANGE {} {last}", at * share);
        value(&client, &session, &slots).await;
        for (other, bus) in nodes.iter().zip(&buses) {
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port);
            value(&client, &session, &meet).await;
        }
    }
    for node in &nodes {
        let client = client_of(&node.url(), |_| {});
        until("the cluster is whole", async || {
            let Value::Text(info) = value(&client, &session, "CLUSTER INFO").await else {
                panic!("no text")
            };
            let info = String::from_utf8_lossy(&info).into_owned();
            info.contains("cluster_state:ok")
                && info.contains(&format!("cluster_known_nodes:{count}"))
        })
        .await;
    }
    nodes
}

#[tokio::test]
async fn a_key_is_looked_for_at_the_node_that_has_it() {
    let nodes = cluster(3).await;
    let session = Session::default();
    let single = client_of(&nodes[0].url(), |_| {});
    // foo is in slot 12182, which is the third node's.
    let error = call(&single, &session, "GET foo").await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Moved);
    let told =
        format!(":{}; the server is a node of a cluster: say `cluster = true`", nodes[2].port);
    assert!(error.detail.ends_with(&told), "{error}");
    let client = client_of(&nodes[0].url(), |settings| settings.topology = Topology::Cluster);
    let mut connects = 0;
    for n in 0..200 {
        let set = call(&client, &session, &format!("SET key{n} {n}")).await;
        assert_eq!((set.error, set.redirects), (None, 0));
        connects += set.connects;
        assert_eq!(value(&client, &session, &format!("GET key{n}")).await, text(&n.to_string()));
    }
    // To the one that was asked, and to each node by the name the cluster has for it.
    assert!(connects <= 4, "{connects}");
    every_node_is_asked_for_what_is_of_all(&client, &session).await;
    let apart = Request::pipeline(["GET foo", "GET bar"].map(command).to_vec());
    let exchange = client.send(&session, &apart).await;
    let error = exchange.error.unwrap();
    assert_eq!(error.kind, FailureKind::Moved, "a pipeline is for one node");
    assert!(error.detail.ends_with("goes to the node of its first key"), "{error}");
    let error = call(&client, &session, "MGET foo bar").await.error.unwrap();
    assert!(error.detail.starts_with("CROSSSLOT"), "{error}");
    let transaction = ["INCR {foo}a", "INCR {foo}b"].map(command);
    let exchange = client.send(&session, &Request::transaction(transaction.to_vec())).await;
    assert_eq!(exchange.value, Value::List(vec![Value::Integer(1), Value::Integer(1)]));
}

/// What has no key and is of all of them: 200 keys lie on three nodes.
async fn every_node_is_asked_for_what_is_of_all(client: &Client, session: &Session) {
    assert_eq!(value(client, session, "DBSIZE").await, Value::Integer(200));
    let Value::List(keys) = value(client, session, "KEYS *").await else { panic!("no list") };
    assert_eq!(keys.len(), 200);
    // The text of a script goes to each node once, and no node is asked for one it has not got.
    let script = Script::new("return redis.call('INCR', KEYS[1])".to_owned());
    let mut sent = std::collections::BTreeMap::new();
    for key in (0..60).map(|n| format!("key{}", n % 30)) {
        let home = client.home(|| Some(key.clone().into_bytes()));
        let (word, mut run) = script.command(1, home);
        run.arg(&key);
        let exchange = client.send(session, &Request::single(run)).await;
        assert!(exchange.error.is_none(), "{word} {key}: {exchange:?}");
        script.is_known(home);
        *sent.entry(word).or_insert(0) += 1;
    }
    assert_eq!((sent["EVAL"], sent["EVALSHA"]), (3, 57));
    value(client, session, "FLUSHALL").await;
    assert_eq!(value(client, session, "DBSIZE").await, Value::Integer(0));
}

#[tokio::test]
async fn a_slot_that_moves_is_followed_and_each_step_is_counted() {
    let nodes = cluster(2).await;
    let session = Session::default();
    let [from, to] = [1, 0].map(|at: usize| client_of(&nodes[at].url(), |_| {}));
    let mut names = Vec::new();
    for client in [&from, &to] {
        let Value::Text(name) = value(client, &session, "CLUSTER MYID").await else {
            panic!("no name")
        };
        names.push(String::from_utf8(name).unwrap());
    }
    let client = client_of(&nodes[0].url(), |settings| settings.topology = Topology::Cluster);
    assert_eq!(call(&client, &session, "GET foo").await.redirects, 0);
    // On its way: the old node sends on what it does not have, the new one wants to be told.
    value(&to, &session, &format!("CLUSTER SETSLOT 12182 IMPORTING {}", names[0])).await;
    value(&from, &session, &format!("CLUSTER SETSLOT 12182 MIGRATING {}", names[1])).await;
    let set = call(&client, &session, "SET foo 1").await;
    assert_eq!((set.error, set.redirects), (None, 1));
    for client in [&to, &from] {
        value(client, &session, &format!("CLUSTER SETSLOT 12182 NODE {}", names[1])).await;
    }
    // The old node tells where the slot went, once; then the client knows.
    client.nodes.trust();
    let get = call(&client, &session, "GET foo").await;
    assert_eq!((get.value, get.redirects), (text("1"), 1));
    let get = call(&client, &session, "GET foo").await;
    assert_eq!((get.value, get.redirects), (text("1"), 0));
}

#[tokio::test]
async fn the_master_is_whom_the_sentinel_names_also_after_it_died() {
    let mut master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port)]);
    let sentinel = Server::sentinel("shop", master.port);
    let session = Session::default();
    let asked = client_of(&sentinel.url(), |_| {});
    until("the sentinel knows the replica", async || {
        let Value::List(replicas) = value(&asked, &session, "SENTINEL REPLICAS shop").await else {
            panic!("no list")
        };
        replicas.iter().any(|replica| match replica {
            Value::Map(fields) => fields.iter().any(|(name, value)| {
                name.bytes() == Some(b"master-link-status") && value.bytes() == Some(b"ok")
            }),
            _ => false,
        })
    })
    .await;
    let client = client_of(&sentinel.url(), |settings| {
        settings.topology = Topology::Sentinel("shop".to_owned());
    });
    assert_eq!(value(&client, &session, "SET a 1").await, ok());
    value(&client, &session, "WAIT 1 5000").await;
    master.kill();
    until("the replica has taken over", async || {
        call(&client, &session, "SET b 2").await.error.is_none()
    })
    .await;
    let direct = client_of(&replica.url(), |_| {});
    assert_eq!(value(&direct, &session, "GET b").await, text("2"));
    assert_eq!(value(&direct, &session, "GET a").await, text("1"));
    let nobody = client_of(&sentinel.url(), |settings| {
        settings.topology = Topology::Sentinel("shoe".to_owned());
    });
    let error = call(&nobody, &session, "GET a").await.error.unwrap();
    assert_eq!(error.detail, "the sentinel knows no master called \"shoe\"");
}
