//! The practice target with real servers to depend on: Redis and PostgreSQL behind links that are
//! broken while it works.

use std::process::{Command, Stdio};

use super::{counted, run};

#[test]
fn a_cache_that_is_gone_is_gone_around_or_not_and_a_breaker_spares_it() {
    let (run, outcome) = run(
        r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local metric = require "loadrun.metric"
        local sandbox = require "loadrun.sandbox"
        local service = require "loadrun.service"
        local link = fault.proxy { upstream = service.redis {} }
        local careful = http.client { base = sandbox.start { redis = link, timeout = "200ms" } }
        local strict = sandbox.start { redis = link, fallback = false, breaker = "3 500ms" }
        local plain = http.client { base = strict }
        local answers = metric.counter "answers"
        local function how(reply)
          local headers = reply.headers
          if headers["x-breaker"] then return "breaker " .. headers["x-breaker"] end
          if headers["x-fallback"] then return "fallback " .. headers["x-fallback"] end
          return headers["x-cache"] or tostring(reply.status)
        end
        local function read(vu)
          local id = vu.rand:integer(1, 20)
          answers:add(1, { careful = how(careful:get("/items/" .. id)) })
          answers:add(1, { strict = how(plain:get("/items/" .. id)) })
        end
        return {
          scenarios = { s = { rate = 50, duration = "6s", run = read } },
          faults = { { at = "2s", for_ = "2s", on = link, kind = "down" } },
          teardown = function()
            local redis = strict:control({}).dependencies.redis
            answers:add(redis.opened, { counter = "opened" })
            answers:add(redis.refused, { counter = "refused" })
            answers:add(redis.breaker == "closed" and 1 or 0, { counter = "closed" })
          end,
        }"#,
        &["--workers", "1"],
    );
    let told = String::from_utf8_lossy(&run.stdout);
    let careful = counted(&outcome, "answers", "careful");
    // Two of six seconds of 50 a second, and not a single failure.
    assert!(careful["fallback database"] > 50, "{careful:?} {told}");
    assert!(careful["hit"] > 50 && careful["miss"] >= 1, "{careful:?}");
    assert_eq!(careful.len(), 3, "{careful:?}");
    let strict = counted(&outcome, "answers", "strict");
    assert!(strict["breaker open"] > 50 && strict["hit"] > 50, "{strict:?}");
    let spared = counted(&outcome, "answers", "counter");
    assert!(spared["refused"] >= strict["breaker open"] && spared["opened"] >= 1, "{spared:?}");
    assert_eq!(spared["closed"], 1, "{spared:?}");
}

#[test]
fn orders_are_kept_in_the_database_once_and_none_that_was_taken_is_lost() {
    let (run, outcome) = run(
        r#"
        local fault = require "loadrun.fault"
        local http = require "loadrun.http"
        local ledger = require "loadrun.ledger"
        local metric = require "loadrun.metric"
        local sandbox = require "loadrun.sandbox"
        local service = require "loadrun.service"
        local sql = require "loadrun.sql"
        local store = service.postgres { fsync = false }
        local link = fault.proxy { upstream = store }
        local target = sandbox.start { database = link, redis = service.redis {}, timeout = "300ms" }
        local shop, db = http.client { base = target }, sql.client { url = store }
        local orders, book = metric.counter "orders", ledger.new "orders"
        local function order(vu)
          local id = ("order-%d-%d"):format(vu.id, vu.iteration)
          book:expect(id)
          local reply = shop:post("/orders", { json = { id = id, item = vu.rand:integer(1, 9) } })
          orders:add(1, { status = tostring(reply.status) })
          if reply.status == 201 then book:acked(id) else book:indeterminate(id) end
        end
        return {
          scenarios = { s = { rate = 40, duration = "5s", run = order } },
          faults = { { at = "2s", for_ = "1s", on = link, kind = "timeout", stream = "both" } },
          teardown = function()
            local since = 0
            repeat
              local page = shop:get("/orders?limit=50&since=" .. since).json
              since = page.next
              for _, stored in ipairs(page.orders) do book:seen(stored.id) end
            until #page.orders == 0
            local rows = db:query("SELECT item, total FROM sandbox_orders WHERE total <> item * quantity")
            orders:add(#rows, { status = "wrong" })
          end,
          thresholds = { "ledger.lost count == 0", "ledger.duplicated count == 0" },
        }"#,
        &["--workers", "1"],
    );
    let told = String::from_utf8_lossy(&run.stdout);
    let orders = counted(&outcome, "orders", "status");
    assert!(orders["201"] > 80 && orders["503"] > 5, "{orders:?} {told}");
    assert_eq!(orders.len(), 3, "{orders:?}");
    assert_eq!(orders["wrong"], 0);
    assert!(run.status.success(), "{told}");
}

#[test]
fn a_dependency_that_is_not_there_is_an_error_that_names_it() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut told = Vec::new();
    for (flag, url) in [
        ("--redis", format!("redis://127.0.0.1:{port}")),
        ("--redis", "localhost".to_owned()),
        ("--database", "mysql://127.0.0.1/shop".to_owned()),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        let run = command.args(["sandbox", flag, &url]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(run.status.code(), Some(4));
        told.push(String::from_utf8_lossy(&run.stderr).into_owned());
    }
    let told = told.join("\n");
    assert!(told.contains("error: redis does not answer: "), "{told}");
    assert!(told.contains("hint: expected a URL such as redis://127.0.0.1:6379"), "{told}");
    assert!(told.contains("hint: expected a URL such as postgres://"), "{told}");
}
