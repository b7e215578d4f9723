//! `loadrun.redis` against a real server.

use super::*;
use crate::client::redis::testing::Server;

/// Runs one iteration of a script that has `cache`, a client of the server.
fn against(server: &Server, client: &str, body: &str) -> Rc<Vm> {
    let before = format!(
        "local redis = require 'loadrun.redis'\n\
         local cache = redis.client {{ url = '{}', {client} }}",
        server.url()
    );
    running(&before, body).run(1)
}

fn lines(vm: &Vm) -> Vec<String> {
    let errors: Vec<_> = vm.take_errors().iter().map(|(_, error, _)| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    vm.world().log.drain().into_iter().map(|line| line.text).collect()
}

#[test]
fn a_call_returns_a_value_or_a_failure_and_a_missing_key_is_neither() {
    let server = Server::start(&[]);
    let vm = against(
        &server,
        "",
        "print(cache:set('a', '1'), cache:get('a'))\n\
         print(cache:get('none'))\n\
         local value, err = cache:lpush('a', 'x')\n\
         print(value, err.kind, err.detail, err)\n\
         print(select('#', cache:get('a')), cache:set('a', 2, 'NX'))",
    );
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(
        lines(&vm),
        [
            "OK 1 nil".to_owned(),
            "nil nil".to_owned(),
            format!("nil wrongtype {wrong} wrongtype: {wrong}"),
            "2 nil nil".to_owned(),
        ]
    );
}

#[test]
fn replies_are_lua_values_of_their_own_kind() {
    let server = Server::start(&[]);
    for client in ["", "protocol = 2"] {
        let vm = against(
            &server,
            client,
            "cache:flushdb()\n\
             local odd = '\\0\\255\\r\\n'\n\
             cache:set('odd', odd) print(cache:get('odd') == odd)\n\
             cache:set('n', math.maxinteger - 1)\n\
             print(cache:incr('n') == math.maxinteger, math.type((cache:incrby('m', -3))))\n\
             local all = cache:mget('odd', 'none', { 'm', 'none' })\n\
             print(#all, all[2], all[3], all[4])\n\
             cache:hset('h', 'x', 1, 'y', 2.5)\n\
             local h = cache:hgetall('h') print(h.x, h.y, h.z)\n\
             print(next((cache:hgetall('none'))))\n\
             print(cache:command('object', 'encoding', 'n'))",
        );
        assert_eq!(
            lines(&vm),
            ["true", "true integer", "4 false -3 false", "1 2.5 nil", "nil", "int nil"],
            "{client}"
        );
    }
}

#[test]
fn the_usual_commands_are_methods_that_reach_the_server() {
    let server = Server::start(&[]);
    let vm = against(
        &server,
        "",
        "print(cache:set('k', 1), cache:expire('k', 60), cache:ttl('k') > 0, cache:del('k', 'none'))\n\
         print(cache:mset('a', 1, 'b', 2), cache:decr('b'), cache:exists('a', 'b', 'c'))\n\
         print(cache:rpush('l', 'x', 'y'), cache:lpop('l'), cache:rpop('l'), cache:rpop('l'))\n\
         print(cache:sadd('s', 'a', 'b', 'a'), #cache:smembers('s'))\n\
         print(cache:zadd('z', 1.5, 'a', 2, 'b'), cache:zscore('z', 'a'))\n\
         print(cache:hset('h', 'f', 'v'), cache:hget('h', 'f'), cache:hget('h', 'g'))\n\
         print(cache:xgroup('CREATE', 'jobs', 'g', '$', 'MKSTREAM'))\n\
         local id = cache:xadd('jobs', '*', 'task', 'mail')\n\
         local got = cache:xreadgroup('GROUP', 'g', 'me', 'COUNT', 10, 'STREAMS', 'jobs', '>')\n\
         print(got.jobs[1][1] == id, table.concat(got.jobs[1][2], ' '), cache:xack('jobs', 'g', id))\n\
         print(cache:xreadgroup('GROUP', 'g', 'me', 'STREAMS', 'jobs', '>'))\n\
         print(cache:eval('return ARGV[1] .. KEYS[1]', 1, 'k', 'v'))",
    );
    assert_eq!(
        lines(&vm),
        [
            "OK 1 true 1 nil",
            "OK 1 2 nil",
            "2 x y nil nil",
            "2 2",
            "2 1.5 nil",
            "1 v nil nil",
            "OK nil",
            "true task mail 1 nil",
            "nil nil",
            "vk nil",
        ]
    );
}

#[test]
fn several_commands_at_once_are_one_call() {
    let server = Server::start(&[]);
    let vm = against(
        &server,
        "",
        "local replies, err = cache:pipeline { { 'SET', 'a', 1 }, { 'LPUSH', 'a', 'x' }, { 'GET', 'b' } }\n\
         print(replies[1], replies[2].kind, replies[3], err.kind)\n\
         local done = cache:transaction { { 'INCR', 'a' }, { 'INCR', 'a' }, name = 'twice' }\n\
         print(done[1], done[2])",
    );
    assert_eq!(lines(&vm), ["OK wrongtype false wrongtype", "2 3"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    let of: Vec<_> = found.iter().filter(|line| line.starts_with("redis.")).cloned().collect();
    insta::assert_snapshot!(of.join("\n"), @r"
    redis.commands{command=pipeline,name=pipeline,scenario=s} 3
    redis.commands{command=transaction,name=twice,scenario=s} 2
    redis.connects{command=pipeline,name=pipeline,scenario=s} 1
    redis.duration{command=pipeline,name=pipeline,scenario=s} 1 samples
    redis.duration{command=transaction,name=twice,scenario=s} 1 samples
    redis.failed{command=pipeline,kind=wrongtype,name=pipeline,scenario=s} 1/1
    redis.failed{command=transaction,name=twice,scenario=s} 0/1
    redis.wait{command=pipeline,name=pipeline,scenario=s} 1 samples
    ");
}

#[test]
fn every_call_is_a_sample_under_its_name_and_its_command() {
    let server = Server::start(&[]);
    let vm = against(
        &server,
        "connections = 'shared', size = 3",
        "cache:get('a') cache:get('b') cache:get('c', { name = 'cart', tags = { size = 's' } })\n\
         cache:command('get', 'd') cache:set('a', 1, 'EX', 10, { name = 'cart' })",
    );
    lines(&vm);
    let found = samples(&vm.recorder().borrow_mut().take());
    let of: Vec<_> = found
        .iter()
        .filter(|line| line.starts_with("redis.duration") || line.starts_with("redis.wait"))
        .cloned()
        .collect();
    insta::assert_snapshot!(of.join("\n"), @r"
    redis.duration{command=GET,name=GET,scenario=s} 3 samples
    redis.duration{command=GET,name=cart,scenario=s,size=s} 1 samples
    redis.duration{command=SET,name=cart,scenario=s} 1 samples
    redis.wait{command=GET,name=GET,scenario=s} 3 samples
    redis.wait{command=GET,name=cart,scenario=s,size=s} 1 samples
    redis.wait{command=SET,name=cart,scenario=s} 1 samples
    ");
}

#[test]
fn a_wrong_call_is_an_error_at_its_line() {
    let server = Server::start(&[]);
    for (call, expected) in [
        ("cache:get({})", "server: ERR wrong number of arguments for 'get' command"),
        ("cache:get(true)", "redis:get: argument 1: expected a string or a number, got true"),
        ("cache:set('a')", "ERR wrong number"),
        ("cache:set('a', nil)", "redis:set: argument 2: expected a string or a number, got nil"),
        ("cache:mget({ 'a', false })", "redis:mget: argument 1: item 2: expected a string or"),
        ("cache:get('a', { nam = 'x' })", "redis:get: unknown key `nam`; did you mean `name`?"),
        ("cache:get('a', { tags = { command = 'x' } })", "redis:get: tags: the tag `command` is"),
        ("cache:command()", "redis:command: expected the name of a command such as \"SET\", got"),
        ("cache:command('subscribe', 'x')", "SUBSCRIBE cannot be sent as a command; call `clie"),
        (
            "cache:command('client', 'reply', 'OFF')",
            "CLIENT REPLY cannot be sent as a command; what",
        ),
        ("cache:pipeline { { 'CLIENT REPLY', 'SKIP' } }", "command 1: CLIENT REPLY cannot be sent"),
        ("cache:get('a', { timeout = 0 })", "redis:get: timeout: expected a time above 0, got 0; "),
        ("cache:command('CLIENT', 'TRACKING', 'ON')", "CLIENT TRACKING cannot be sent as a comm"),
        ("cache:command('script', 'debug', 'yes')", "SCRIPT DEBUG cannot be sent as a command"),
        ("cache:command('monitor')", "MONITOR cannot be sent as a command; it has no single"),
        ("cache:pipeline('x')", "redis:pipeline: expected a list such as `{ { \"SET\", \"a\", 1"),
        ("cache:pipeline { { 'GET', 'a' }, 'GET' }", "redis:pipeline: command 2: expected a list"),
        (
            "cache:mget { 'a', nil, 'c' }",
            "redis:mget: argument 1: expected a list without gaps, got",
        ),
        ("cache:del { 'a', name = 1 }", "redis:del: argument 1: expected a list, got the key"),
        (
            "cache:pipeline { { 'PING' }, nil, { 'PING' } }",
            "redis:pipeline: expected a list without",
        ),
        (
            "cache:pipeline { { 'SET', 'a', nil, 'NX' } }",
            "redis:pipeline: command 1: expected a list",
        ),
        ("cache:transaction {}", "redis:transaction: expected a list such as"),
        ("shared:command('WATCH', 'a')", "WATCH is about one connection; expected a client with"),
    ] {
        let before = format!(
            "local redis = require 'loadrun.redis'\n\
             local cache = redis.client {{ url = '{url}' }}\n\
             local shared = redis.client {{ url = '{url}', connections = 'shared' }}",
            url = server.url()
        );
        let body = format!("local _, err = {call} if err then error(err .. '') end");
        let error = running(&before, &body).error();
        assert!(error.contains(expected) && error.contains("shop.lua:5"), "{call}: {error}");
    }
}

#[test]
fn a_client_is_checked_when_it_is_made_and_its_passwords_are_secrets() {
    let make = |options: &str| {
        script(&format!(
            "local redis = require 'loadrun.redis'\nlocal c = redis.client {{ {options} }}\n\
             return {{ scenarios = {{ s = {{ users = 1, duration = 1, run = print }} }} }}"
        ))
    };
    for (options, expected) in [
        ("url = 'http://a'", "redis.client: url: unknown scheme \"http\"; expected \"redis://"),
        ("url = 'redis://u:hunter22@a:x'", "redis.client: url: malformed address; expected"),
        ("url = 7", "redis.client: url: expected a URL or a service, got 7"),
        ("connections = 'pool'", "connections: expected \"user\", or \"shared\" with `size"),
        ("size = 3", "redis.client: `size` goes with `connections = \"shared\"`"),
        ("connections = 'shared', size = 0", "redis.client: size: expected at least 1"),
        ("cluster = true, sentinel = 'a'", "`cluster` and `sentinel` exclude one another"),
        (
            "url = 'redis://a/1', cluster = true",
            "redis.client: url: database 1: a cluster has none but 0",
        ),
        ("cluster = 1", "redis.client: cluster: expected true or false, got 1"),
        ("protocol = 4", "redis.client: protocol: expected 2 or 3, got 4"),
        ("user = 'ann'", "a user without a password; expected both, or neither"),
        ("database = -1", "redis.client: database: expected a whole number, 0 or more, got -1"),
        ("ca = 'none.pem'", "redis.client: ca: "),
        (
            "timeout = '0s'",
            "redis.client: timeout: expected a time above 0, got \"0s\"; \"24h\" is as",
        ),
        ("connect_timeout = 0", "redis.client: connect_timeout: expected a time above 0, got 0"),
        ("timout = 1", "redis.client: unknown key `timout`; did you mean `timeout`?"),
    ] {
        let problems = make(options).problems();
        assert!(problems.contains(expected), "{options}: {problems}");
        assert!(problems.contains("shop.lua:2") && !problems.contains("hunter22"), "{problems}");
    }
    let vm = make("url = 'redis://:p%40ssword@a', password = 'sesame'").worker();
    let secrets = vm.world().secrets();
    for secret in ["p@ssword", "p%40ssword", "sesame"] {
        assert!(secrets.iter().any(|known| known == secret), "{secret}: {secrets:?}");
    }
}

#[test]
fn a_subscription_hears_what_is_published_in_order_and_nothing_else() {
    let server = Server::start(&[]);
    for client in ["", "protocol = 2, connections = 'shared'"] {
        let vm = against(
            &server,
            client,
            "local time = require 'loadrun.time'\n\
             local news, err = cache:subscribe('news', 'more')\n\
             local all <close> = cache:psubscribe('n*', { name = 'everything' })\n\
             for n = 1, 300 do cache:publish('news', n) end\n\
             cache:publish('other', 'x') cache:publish('more', 'last')\n\
             local sum, last = 0, 0\n\
             for message in news:messages('50ms') do\n\
               if message.channel == 'more' then print(message.text, message.pattern) break end\n\
               assert(tonumber(message.text) == last + 1 and message.received <= time.now())\n\
               last = last + 1\n\
             end\n\
             local first = all:receive() print(last, first.text, first.channel, first.pattern)\n\
             print(news:receive('10ms'))\n\
             news:close()",
        );
        assert_eq!(lines(&vm), ["last nil", "300 1 news n*", "nil nil"], "{client}");
        let found = samples(&vm.recorder().borrow_mut().take());
        for series in [
            "redis.duration{command=SUBSCRIBE,name=SUBSCRIBE,scenario=s} 1 samples",
            "redis.duration{command=PSUBSCRIBE,name=everything,scenario=s} 1 samples",
        ] {
            assert!(found.iter().any(|line| line == series), "{found:?}");
        }
    }
}

#[test]
fn a_subscription_that_is_lost_says_so_and_is_counted() {
    let server = Server::start(&[]);
    let vm = against(
        &server,
        "",
        "local news = cache:subscribe('news')\n\
         cache:command('CLIENT', 'KILL', 'TYPE', 'pubsub')\n\
         for message in news:messages() do print(message) end\n\
         local message, err = news:receive('1s')\n\
         print(message, err.kind) print(select(2, news:receive()).kind)",
    );
    assert_eq!(lines(&vm), ["nil reset", "reset"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    let lost = "redis.failed{command=SUBSCRIBE,kind=reset,name=SUBSCRIBE,scenario=s} 1/1";
    assert!(found.iter().any(|line| line == lost), "{found:?}");
    let closed = running(
        &format!("local cache = require 'loadrun.redis'.client {{ url = '{}' }}", server.url()),
        "local news = cache:subscribe('news') news:close() news:receive()",
    );
    let error = closed.error();
    assert!(error.contains("subscription:receive: it is closed"), "{error}");
    for call in ["cache:subscribe()", "cache:subscribe(7)", "cache:psubscribe({ name = 'x' })"] {
        let before =
            format!("local cache = require 'loadrun.redis'.client {{ url = '{}' }}", server.url());
        let error = running(&before, call).error();
        assert!(error.contains("expected") && error.contains("shop.lua:3"), "{error}");
    }
}

#[test]
fn a_script_goes_over_once_and_again_when_the_server_forgot_it() {
    let server = Server::start(&[]);
    let vm = against(
        &server,
        "",
        "local add = cache:script(\"return { KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1]), #KEYS }\")\n\
         for _ = 1, 3 do print(table.unpack((add:run({ 'n' }, { 5 }, { name = 'add' })))) end\n\
         cache:command('SCRIPT', 'FLUSH')\n\
         print(table.unpack((add:run({ 'n' }, { 5 }))))\n\
         print(select(2, cache:script('return x y'):run()).kind)\n\
         print(cache:script('return 7'):run())",
    );
    assert_eq!(lines(&vm), ["n 5 1", "n 10 1", "n 15 1", "n 20 1", "server", "7 nil"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    let of: Vec<_> = found
        .iter()
        .filter(|line| line.starts_with("redis.failed{command=EVAL"))
        .cloned()
        .collect();
    insta::assert_snapshot!(of.join("\n"), @r"
    redis.failed{command=EVAL,kind=server,name=EVAL,scenario=s} 1/1
    redis.failed{command=EVAL,name=EVAL,scenario=s} 0/2
    redis.failed{command=EVAL,name=add,scenario=s} 0/1
    redis.failed{command=EVALSHA,kind=noscript,name=EVALSHA,scenario=s} 1/1
    redis.failed{command=EVALSHA,name=add,scenario=s} 0/2
    ");
}

#[test]
fn a_user_ended_in_the_middle_of_a_call_frees_its_shared_connection() {
    let server = Server::start(&[]);
    let before = format!(
        "local redis = require 'loadrun.redis'\n\
         local cache = redis.client {{ url = '{}', connections = 'shared', size = 1 }}",
        server.url()
    );
    let body = "if vu.id == 1 then cache:blpop('none', 0) end\nprint(cache:ping())";
    let vm = running(&before, body).worker();
    wait(async {
        let mut ended = vm.user(0, 0);
        let first = ended.iterate(Turn { number: 0, intended: None });
        assert!(tokio::time::timeout(Duration::from_millis(300), first).await.is_err());
        vm.user(0, 1).iterate(Turn { number: 1, intended: None }).await;
    });
    assert_eq!(lines(&vm), ["PONG nil"]);
}

#[test]
fn a_subscription_of_init_that_is_lost_in_an_iteration_is_counted() {
    let server = Server::start(&[]);
    let text = format!(
        "local redis = require 'loadrun.redis'\n\
         local cache = redis.client {{ url = '{}' }}\n\
         return {{ scenarios = {{ s = {{ users = 1, duration = '1s',\n\
         init = function(vu) vu.news = cache:subscribe('news', {{ name = 'news' }}) end,\n\
         run = function(vu)\n\
           cache:command('CLIENT', 'KILL', 'TYPE', 'pubsub')\n\
           print(select(2, vu.news:receive('1s')).kind)\n\
         end }} }} }}",
        server.url()
    );
    let vm = wait(async {
        let vm = script(&text).worker();
        let mut user = vm.user(0, 0);
        user.init().await;
        user.iterate(Turn { number: 0, intended: None }).await;
        vm
    });
    assert_eq!(lines(&vm), ["reset"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    let lost = "redis.failed{command=SUBSCRIBE,kind=reset,name=news,scenario=s} 1/1";
    assert!(found.iter().any(|line| line == lost), "{found:?}");
}
