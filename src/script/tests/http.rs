//! `loadrun.http` against servers in this process.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Serves every connection: `answer` makes a reply of each request's head and body.
async fn serve(answer: fn(&str) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::task::spawn_local(async move {
                let mut buffer = vec![0; 65536];
                let mut held = 0;
                while let Ok(read @ 1..) = stream.read(&mut buffer[held..]).await {
                    held += read;
                    let text = String::from_utf8_lossy(&buffer[..held]).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let length = head.to_lowercase().lines().find_map(|line| {
                        line.strip_prefix("content-length: ")
                            .map(|n| n.trim().parse::<usize>().unwrap())
                    });
                    if body.len() < length.unwrap_or(0) {
                        continue;
                    }
                    held = 0;
                    if stream.write_all(answer(&text).as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Gives the request back as text.
fn echo(request: &str) -> String {
    reply("200 OK", "X-Kind: Echo\r\n", request)
}

fn shop(request: &str) -> String {
    match request.split(' ').nth(1) {
        Some("/json") => reply(
            "200 OK",
            "Content-Type: application/json\r\n",
            r#"{"id":9007199254740993,"list":[1]}"#,
        ),
        Some("/broken") => reply("500 Internal Server Error", "", "<html>no</html>"),
        Some("/empty") => reply("204 No Content", "", ""),
        _ => reply("200 OK", "", "ok"),
    }
}

/// Runs one iteration of a script that finds the server's address in `base`.
fn against(answer: fn(&str) -> String, client: &str, body: &str) -> Rc<Vm> {
    wait(async {
        let url = serve(answer).await;
        let vm = running(
            &format!(
                "local http = require 'loadrun.http'\nlocal json = require 'loadrun.json'\n\
                 local base = '{url}'\nlocal shop = http.client {{ base = base, {client} }}"
            ),
            body,
        )
        .worker();
        let _ = vm.world().begin.set(Instant::now());
        let mut user = vm.user(0, 0);
        user.iterate(Turn { number: 0, intended: None }).await;
        vm
    })
}

fn lines(vm: &Vm) -> Vec<String> {
    let errors: Vec<_> = vm.take_errors().iter().map(|(_, error, _)| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    vm.world().log.drain().into_iter().map(|line| line.text).collect()
}

#[test]
fn a_reply_is_read_field_by_field() {
    let vm = against(
        shop,
        "",
        "local r = shop:get('/json', { name = 'item' })\n\
         print(r.status, r.ok, r.error, r.json.id, math.type(r.json.id), #r.json.list, r.json == r.json)\n\
         print(r.headers['content-type'], r.headers['CONTENT-TYPE'], r.headers.missing, r.protocol)\n\
         print(#r.body, r.duration > 0, r.timing.wait >= 0, r.redirects, tostring(r))\n\
         local names = {} for name in pairs(r.headers) do names[#names + 1] = name end print(table.concat(names, ' '))",
    );
    assert_eq!(
        lines(&vm),
        [
            "200 true nil 9007199254740993 integer 1 true",
            "application/json application/json nil HTTP/1.1",
            "34 true true 0 reply: 200",
            "content-type content-length",
        ]
    );
}

#[test]
fn every_call_is_a_sample_under_its_name() {
    let vm = against(
        shop,
        "",
        "shop:get('/items/17?page=1') shop:get('/items/18') shop:get('/broken', { name = 'b' })\n\
         shop:post('/x', { body = 'y', tags = { size = 's' } }) http.request('PURGE', base .. '/items/9')",
    );
    lines(&vm);
    let found = samples(&vm.recorder().borrow_mut().take());
    let of = |metric: &str| {
        found.iter().filter(|line| line.starts_with(metric)).map(String::as_str).collect::<Vec<_>>()
    };
    insta::assert_snapshot!(of("http.duration").join("\n"), @r#"
    http.duration{name="GET /items/{id}",scenario=s} 2 samples
    http.duration{name="PURGE /items/{id}",scenario=s} 1 samples
    http.duration{name=POST /x,scenario=s,size=s} 1 samples
    http.duration{name=b,scenario=s} 1 samples
    "#);
    insta::assert_snapshot!(of("http.failed").join("\n"), @r#"
    http.failed{kind=status,name=b,scenario=s} 1/1
    http.failed{name="GET /items/{id}",scenario=s} 0/2
    http.failed{name="PURGE /items/{id}",scenario=s} 0/1
    http.failed{name=POST /x,scenario=s,size=s} 0/1
    "#);
    insta::assert_snapshot!(of("http.status").join("\n"), @r#"
    http.status{name="GET /items/{id}",scenario=s,status=200} 2
    http.status{name="PURGE /items/{id}",scenario=s,status=200} 1
    http.status{name=POST /x,scenario=s,size=s,status=200} 1
    http.status{name=b,scenario=s,status=500} 1
    "#);
    assert_eq!(
        vm.failures()
            .iter()
            .map(|f| (f.name.as_str(), f.kind.as_str(), f.count))
            .collect::<Vec<_>>(),
        [("b", "status", 1)]
    );
}

#[test]
fn a_failure_is_a_value() {
    let vm = against(
        shop,
        "expect = { 200, '404' }",
        "local r = shop:get('/broken') print(r.status, r.ok, r.error, r.body)\n\
         r = shop:get('/empty') print(r.status, r.error)\n\
         r = shop:get('/empty', { expect = '2xx' }) print(r.status, r.error)\n\
         r = http.get('http://127.0.0.1:1/') print(r.status, r.error, r.detail ~= nil, r.duration > 0)",
    );
    assert_eq!(
        lines(&vm),
        ["500 false status <html>no</html>", "204 status", "204 nil", "0 refused true true"]
    );
}

#[test]
fn calls_for_which_this_machine_had_no_socket_left_are_counted() {
    // The limit on open files is a process's own, so this test runs in one of its own.
    let few = "LOADRUN_TEST_FEW_FILES";
    let module = module_path!().split_once("::").unwrap().1;
    let name = format!("{module}::calls_for_which_this_machine_had_no_socket_left_are_counted");
    if std::env::var_os(few).is_none() {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -n 40; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
        let output = shell.args([&name, "--exact", "--nocapture"]).env(few, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let vm = running(
        &format!(
            "local http, parallel = require 'loadrun.http', require 'loadrun.parallel'\n\
             local c = http.client {{ base = 'http://{}', timeout = '100ms' }}\n\
             local function get() return c:get('/').error end",
            silent.local_addr().unwrap()
        ),
        "local all = {} for n = 1, 60 do all[n] = get end parallel(all)",
    )
    .run(1);
    let failures = vm.failures();
    let refused = failures.iter().find(|failure| failure.kind == "refused").unwrap();
    assert!(refused.detail.contains("too many open files; raise `ulimit -n`"), "{refused:?}");
    assert!(refused.count >= 20 && refused.count == vm.exhausted(), "{refused:?}");
    assert!(failures.iter().any(|failure| failure.kind == "timeout"), "{failures:?}");
}

#[test]
fn options_become_parts_of_the_request() {
    let vm = against(
        echo,
        "headers = { ['X-App'] = 'a' }, auth = { bearer = 'tok' }",
        "local function sent(r) return (r.body:gsub('\\r\\nHost: [^\\r]*', ''):gsub('\\r\\n', '|')) end\n\
         print(sent(shop:get('/a', { query = { q = 'x y', n = { 1, 2 } }, headers = { ['X-One'] = 1 } })))\n\
         print(sent(shop:post('/b', { json = { a = { 1 } } })))\n\
         print(sent(shop:put('/c', { form = { ['a b'] = '&', c = 1 } })))\n\
         print(sent(shop:patch('/d', { body = 'raw', auth = { user = 'u', password = 'p' } })))\n\
         print(shop:delete('/e').status, shop:options('/f').status, shop:head('/g', { timeout = '1s' }).status)",
    );
    let shown = lines(&vm).join("\n");
    insta::assert_snapshot!(shown, @r#"
    GET /a?n=1&n=2&q=x%20y HTTP/1.1|X-App: a|User-Agent: loadrun/0.1.0|Accept: */*|Accept-Encoding: gzip, deflate, br, zstd|Authorization: Bearer tok|X-One: 1||
    POST /b HTTP/1.1|X-App: a|User-Agent: loadrun/0.1.0|Accept: */*|Accept-Encoding: gzip, deflate, br, zstd|Authorization: Bearer tok|Content-Type: application/json|Content-Length: 9||{"a":[1]}
    PUT /c HTTP/1.1|X-App: a|User-Agent: loadrun/0.1.0|Accept: */*|Accept-Encoding: gzip, deflate, br, zstd|Authorization: Bearer tok|Content-Type: application/x-www-form-urlencoded|Content-Length: 11||a+b=%26&c=1
    PATCH /d HTTP/1.1|X-App: a|User-Agent: loadrun/0.1.0|Accept: */*|Accept-Encoding: gzip, deflate, br, zstd|Authorization: Basic dTpw|Content-Length: 3||raw
    200 200 200
    "#);
}

#[test]
fn what_init_sends_is_not_measured() {
    let vm = wait(async {
        let url = serve(shop).await;
        let vm = script(&format!(
            "local http = require 'loadrun.http'\nreturn {{ scenarios = {{ s = {{ users = 1, duration = '1s',\n\
             init = function(vu) vu.first = http.get('{url}/').status end,\n\
             run = function(vu) print(vu.first) http.get('{url}/run') end }} }} }}"
        ))
        .worker();
        let mut user = vm.user(0, 0);
        user.init().await;
        user.iterate(Turn { number: 0, intended: None }).await;
        vm
    });
    assert_eq!(lines(&vm), ["200"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    assert!(
        found.contains(&"http.duration{name=GET /run,scenario=s} 1 samples".to_owned()),
        "{found:?}"
    );
    assert_eq!(found.iter().filter(|line| line.starts_with("http.duration")).count(), 1);
}

#[test]
fn json_that_is_none_is_told_at_the_line_that_reads_it() {
    let vm = against(shop, "", "local r = shop:get('/broken')\nlocal x = r.json.id");
    insta::assert_snapshot!(vm.take_errors().iter().next().unwrap().1.to_string(), @r#"
    error: reply.json: not JSON: expected value at line 1 column 1; the body begins "<html>no</html>"
      --> shop.lua:7
      hint: look at `reply.ok` or `reply.status` first
    "#);
    let vm = against(shop, "", "local r = shop:get('/x')\nlocal x = r.staus");
    insta::assert_snapshot!(vm.take_errors().iter().next().unwrap().1.to_string(), @r#"
    error: reply: no field "staus"
      --> shop.lua:7
      hint: did you mean `status`?
    "#);
}

#[test]
fn only_the_first_call_of_an_iteration_counts_from_the_intended_start() {
    let vm = wait(async {
        let url = serve(shop).await;
        let vm = running(
            "local http = require 'loadrun.http'",
            &format!("http.get('{url}/a') http.get('{url}/b')"),
        )
        .worker();
        let now = Instant::now();
        let _ = vm.world().begin.set(now - Duration::from_secs(100));
        let mut user = vm.user(0, 0);
        user.iterate(Turn { number: 0, intended: Some(now - Duration::from_secs(50)) }).await;
        vm
    });
    let mut seconds = Vec::new();
    for Received { series, samples, .. } in &vm.recorder().borrow_mut().take().series {
        if let (&"http.duration", Accumulator::Trend(trend)) = (&&*series.metric.name, samples) {
            seconds.push((
                series.tags.find("name").unwrap().to_owned(),
                *trend.keys().next().unwrap(),
            ));
        }
    }
    seconds.sort();
    assert_eq!(seconds[0], ("GET /a".to_owned(), 50));
    assert!(seconds[1].1 >= 100);
}

#[test]
fn a_client_says_what_is_wrong_with_its_options() {
    let client = |options: &str| {
        let client =
            format!("local http = require 'loadrun.http'\nlocal c = http.client {options}");
        running(&client, "").problems()
    };
    insta::assert_snapshot!(client("{ timeot = 1, timeout = '5x' }"), @r#"
    error: http.client: unknown key `timeot`; did you mean `timeout`?
      --> shop.lua:2
    error: http.client: timeout: malformed duration "5x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:2
    "#);
    insta::assert_snapshot!(client("{ timeout = '5x' }"), @r#"
    error: http.client: timeout: malformed duration "5x"; expected a number and ns, us, ms, s, m or h, such as "250ms" or "1m30s", or plain seconds
      --> shop.lua:2
    "#);
    insta::assert_snapshot!(client("{ timeout = 0, connect_timeout = '0s' }"), @r#"
    error: http.client: timeout: expected a time above 0, got 0; "24h" is as good as none
      --> shop.lua:2
    error: http.client: connect_timeout: expected a time above 0, got "0s"; "24h" is as good as none
      --> shop.lua:2
    "#);
    insta::assert_snapshot!(client("{ base = print }"), @"
    error: http.client: base: expected a URL or a service, got a function
      --> shop.lua:2
    ");
    insta::assert_snapshot!(client("{ base = 'not a url' }"), @r#"
    error: http.client: base: malformed address "not a url"; expected "http://host:port/path"
      --> shop.lua:2
    "#);
    insta::assert_snapshot!(client("{ connections = 'many' }"), @r#"
    error: http.client: connections: expected "user", "new", or "shared" with `size = 20`, got "many"
      --> shop.lua:2
    "#);
    insta::assert_snapshot!(client("{ ca = '../ca.pem' }"), @"
    error: http.client: ca: there is no file `../ca.pem` beside the script
      --> shop.lua:2
    ");
    insta::assert_snapshot!(client("{ cert = 'x' , insecure = 1 }"), @"
    error: http.client: cert: there is no file `x` beside the script
      --> shop.lua:2
    error: http.client: `cert` and `key` go together
      --> shop.lua:2
    error: http.client: insecure: expected true or false, got 1
      --> shop.lua:2
    ");
    insta::assert_snapshot!(client("{ expect = 'fine' }"), @r#"
    error: http.client: expect: malformed status "fine"; expected "204", "2xx", "200-299" or "any"
      --> shop.lua:2
    "#);
    insta::assert_snapshot!(client("{ auth = { user = 'u' } }"), @r#"
    error: http.client: auth: expected `{ user = "...", password = "..." }` or `{ bearer = "..." }`
      --> shop.lua:2
    "#);
}

#[test]
fn a_user_ended_in_the_middle_of_a_call_frees_its_shared_connection() {
    let vm = wait(async {
        // A path that is never answered.
        let url = serve(|request| {
            let waits = request.starts_with("GET /wait");
            if waits { String::new() } else { reply("200 OK", "", "ok") }
        })
        .await;
        let vm = running(
            &format!(
                "local http = require 'loadrun.http'\nlocal shop = http.client \
                 {{ base = '{url}', connections = 'shared', size = 1 }}"
            ),
            "print(shop:get(vu.id == 1 and '/wait' or '/').status)",
        )
        .worker();
        let mut ended = vm.user(0, 0);
        let first = ended.iterate(Turn { number: 0, intended: None });
        assert!(tokio::time::timeout(Duration::from_millis(300), first).await.is_err());
        vm.user(0, 1).iterate(Turn { number: 1, intended: None }).await;
        vm
    });
    assert_eq!(lines(&vm), ["200"]);
}
