//! `loadrun.sql` from a script, on SQLite in memory.

use super::*;

/// Runs one iteration of a script that has a database `db` with two items in it.
fn shop(client: &str, body: &str) -> Rc<Vm> {
    let vm = running(
        &format!(
            "local sql = require 'loadrun.sql'\nlocal json = require 'loadrun.json'\n\
             local parallel = require 'loadrun.parallel'\n\
             local db = sql.client {{ url = 'sqlite::memory:', {client} }}"
        ),
        &format!(
            "if vu.iteration == 1 then\n\
             db:batch([[CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, ok BOOLEAN)]])\n\
             db:insert('items', {{ 'id', 'name', 'ok' }}, {{ {{ 1, 'a', true }}, {{ id = 2, name = 'b', ok = sql.null }} }})\n\
             end\n{body}"
        ),
    );
    let vm = vm.worker();
    run_user(&vm, 0, 1);
    vm
}

fn said(vm: &Vm) -> Vec<String> {
    let errors: Vec<_> = vm.take_errors().iter().map(|(_, error, _)| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    vm.world().log.drain().into_iter().map(|line| line.text).collect()
}

fn error(vm: &Vm) -> String {
    let errors: Vec<_> = vm.take_errors().iter().map(|(_, error, _)| error.to_string()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].clone()
}

#[test]
fn rows_are_tables_by_column_name_and_null_is_not_nil() {
    let vm = shop(
        "",
        "local rows, err = db:query('SELECT id, name, ok FROM items WHERE id >= ? ORDER BY id', { 1 })\n\
         print(#rows, err, table.concat(rows.columns, ' '), json.encode(rows))\n\
         print(rows[2].ok == sql.null, rows[2].ok == json.null, tostring(sql.null))\n\
         print(db:one('SELECT name FROM items WHERE id = 2').name, db:one('SELECT 1 FROM items WHERE id = 9'))\n\
         print(db:value('SELECT count(*) FROM items'), db:value('SELECT 1 FROM items WHERE id = 9'))\n\
         print(db:execute('UPDATE items SET name = ? WHERE id < ?', { 'c', 5 }))\n\
         print(db:explain('SELECT * FROM items WHERE id = ?', { 1 }))\n\
         print(math.type(db:value('SELECT 9223372036854775807')), db:value('SELECT ?', { sql.bytes 'x\\0y' }) == 'x\\0y')\n\
         print(db:value('SELECT ?', { sql.json { a = 1 } }))",
    );
    assert_eq!(
        said(&vm),
        [
            "2 nil id name ok [{\"id\":1,\"name\":\"a\",\"ok\":true},{\"id\":2,\"name\":\"b\",\"ok\":null}]",
            "true true null",
            "b nil nil",
            "2 nil nil",
            "2 nil",
            "SEARCH items USING INTEGER PRIMARY KEY (rowid=?) nil",
            "integer true",
            "{\"a\":1} nil",
        ]
    );
}

#[test]
fn a_statement_that_changes_no_rows_has_changed_none() {
    let vm = shop(
        "",
        "print(db:execute('UPDATE items SET id = id'), db:execute('SELECT 1'), \
         db:execute('CREATE TABLE u (a)'))",
    );
    let said = said(&vm);
    let (changed, rest) = said[0].split_once(' ').unwrap();
    assert!(changed.parse::<u32>().unwrap() > 0, "{said:?}");
    assert_eq!(rest, "0 0 nil", "{said:?}");
}

#[test]
fn a_failure_is_a_value_and_every_call_a_sample_under_its_name() {
    let vm = shop(
        "",
        "local n, err = db:execute('INSERT INTO items (id) VALUES (1)')\n\
         print(n, err.kind, err)\n\
         db:query('SELECT * FROM items WHERE id = 1') db:query('SELECT * FROM items WHERE id = 2')\n\
         db:query('SELECT 1', nil, { name = 'one', tags = { size = 's' } })",
    );
    assert_eq!(said(&vm), ["nil unique unique: UNIQUE constraint failed: items.id (1555)"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    for expected in [
        "sql.duration{name=\"SELECT * FROM items WHERE id = ?\",scenario=s} 2 samples",
        "sql.wait{name=\"SELECT * FROM items WHERE id = ?\",scenario=s} 2 samples",
        "sql.failed{kind=unique,name=\"INSERT INTO items (id) VALUES (?)\",scenario=s} 1/1",
        "sql.duration{name=one,scenario=s,size=s} 1 samples",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected}\n{}", found.join("\n"));
    }
    let connects: Vec<_> = found.iter().filter(|line| line.starts_with("sql.connects")).collect();
    assert_eq!(connects.len(), 1, "one connection was enough: {connects:?}");
}

#[test]
fn a_transaction_holds_or_leaves_nothing() {
    let vm = shop(
        "size = 1",
        "local function insert(tx, id) return tx:execute('INSERT INTO items (id) VALUES (?)', { id }) end\n\
         print(db:transaction(function(tx) insert(tx, 3) return tx:value('SELECT count(*) FROM items') end,\n\
           { isolation = 'serializable', name = 'good' }))\n\
         print(db:transaction(function(tx) insert(tx, 4) end))\n\
         print(db:transaction(function(tx) insert(tx, 5) return false end))\n\
         print(db:transaction(function(tx) insert(tx, 6) return insert(tx, 1) end, { name = 'bad' }))\n\
         print(pcall(db.transaction, db, function(tx) insert(tx, 7) error('mine') end))\n\
         local kept\n\
         db:transaction(function(tx) kept = tx end)\n\
         print(db:value('SELECT count(*) FROM items'))\n\
         print(db:transaction(function(tx) insert(tx, 8) return nil, 'sold out' end))\n\
         print('still', db:value('SELECT count(*) FROM items'))\n\
         print(pcall(kept.query, kept, 'SELECT 1'))",
    );
    let said = said(&vm);
    assert_eq!(
        said[..4],
        ["3 nil", "true nil", "false nil", "nil unique: UNIQUE constraint failed: items.id (1555)",]
    );
    assert!(said[4].starts_with("false shop.lua:") && said[4].ends_with(": mine"), "{}", said[4]);
    assert_eq!(said[5], "4 nil");
    assert_eq!(said[6..8], ["nil sold out", "still 4 nil"]);
    assert!(said[8].ends_with("tx.query: the transaction has ended"), "{}", said[8]);
    let found = samples(&vm.recorder().borrow_mut().take());
    for expected in [
        "sql.duration{name=good,scenario=s} 1 samples",
        "sql.failed{name=good,scenario=s} 0/1",
        "sql.failed{kind=unique,name=bad,scenario=s} 1/1",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected}\n{}", found.join("\n"));
    }
}

#[test]
fn a_user_ended_in_a_transaction_leaves_nothing_and_frees_its_connection() {
    let vm = running(
        "local sql = require 'loadrun.sql'\nlocal time = require 'loadrun.time'\n\
         local db = sql.client { url = 'sqlite::memory:' }",
        "db:batch('CREATE TABLE IF NOT EXISTS t (v)')\n\
         if vu.id == 1 then\n\
           db:transaction(function(tx) tx:execute('INSERT INTO t VALUES (1)') time.sleep(60) end)\n\
         end\n\
         print(db:execute('INSERT INTO t VALUES (2)'), db:value('SELECT count(*) FROM t'))",
    )
    .worker();
    wait(async {
        let mut ended = vm.user(0, 0);
        let first = ended.iterate(Turn { number: 0, intended: None });
        assert!(tokio::time::timeout(Duration::from_millis(300), first).await.is_err());
        vm.user(0, 1).iterate(Turn { number: 1, intended: None }).await;
    });
    assert_eq!(said(&vm), ["1 1 nil"]);
}

#[test]
fn a_stream_is_a_loop_that_can_be_left() {
    let vm = shop(
        "size = 1",
        "local numbers = [[WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)\n\
         SELECT i FROM n]]\n\
         local sum = 0\n\
         for row, err in db:stream(numbers, { 1000 }, { name = 'numbers' }) do sum = sum + row.i end\n\
         for row in db:stream(numbers, { 1000000000 }, { name = 'numbers' }) do if row.i == 100 then break end end\n\
         for row, err in db:stream('SELEC 1') do print(row, err.kind) end\n\
         local seen = 0\n\
         for row, err in db:stream([[SELECT abs(CASE WHEN v = 8 THEN -9223372036854775807 - 1 ELSE v END) AS v\n\
           FROM (SELECT 1 AS v UNION ALL SELECT 2 UNION ALL SELECT 8)]]) do\n\
           if row then seen = seen + row.v else print(seen, err.kind) end\n\
         end\n\
         print(sum, db:value('SELECT 1'))",
    );
    assert_eq!(said(&vm), ["false server", "3 server", "500500 1 nil"]);
    let found = samples(&vm.recorder().borrow_mut().take());
    assert!(found.contains(&"sql.duration{name=numbers,scenario=s} 2 samples".to_owned()));
}

#[test]
fn a_wrong_call_is_an_error_at_the_callers_line() {
    for (body, expected) in [
        ("db:query(5)", "sql.query: expected a statement, got 5"),
        ("db:query('SELECT ?', { {} })", "sql.query: parameter 1: expected a string, number"),
        (
            "db:query('SELECT ?', { sql.array { 1, nil, 3 } })",
            "expected a list without gaps, got item",
        ),
        (
            "db:query('SELECT ?', { sql.array { a = 1 } })",
            "sql.array: items: expected a list, got the key",
        ),
        ("db:query('SELECT ?, ?', { nil, 1 })", "parameter 1: is nil; write `sql.null` for NULL"),
        ("db:query('SELECT ?', 1)", "sql.query: expected a list of parameters, got 1"),
        ("db:query('SELECT ? + ?', 1, 2)", "sql.query: expected a list of parameters, got 1"),
        ("db:query('SELECT ?', { a = 1 })", "parameter \"a\": expected a list"),
        ("db:query('SELECT ?')", "sql.query: the statement has 1 parameter, got 0"),
        ("db:query('SELECT 1', nil, { nam = 'x' })", "unknown key `nam`; did you mean `name`?"),
        ("db:query('SELECT 1', nil, { timeout = 0 })", "timeout: expected a time above 0, got 0"),
        ("db:execute(\"ATTACH 'x' AS y\")", "sql.execute: ATTACH is not available"),
        ("db:insert('items', { 'id' }, { 5 })", "sql.insert: row 1: expected a list of values"),
        ("db:insert('a b', { 'id' }, { { 5 } })", "table: expected a name as SQL has it"),
        (
            "db:insert('items', { 'id' }, { { 1, 2 } })",
            "row 1: 2 at 2 is for no column; there are 1",
        ),
        (
            "db:insert('items', { 'id', 'name' }, { { id = 1, nam = 2 } })",
            "row 1: unknown column `nam`; did you mean `name`?",
        ),
        ("db:insert('items', { 'id' }, { { 1, id = 1 } })", "row 1: id is given twice"),
        ("db:batch('SELECT 1', { 1 })", "sql.batch: takes no parameters"),
        ("db:execute('BEGIN')", "sql.execute: would leave a transaction begun or ended"),
        ("db:batch('COMMIT; BEGIN')", "hint: write `db:transaction(function(tx) ... end)`"),
        ("for _ in db:stream('BEGIN') do end", "sql.stream: would leave a transaction"),
        (
            "db:transaction(function(tx) tx:execute('commit') end)",
            "tx.execute: the transaction begins and ends with its function",
        ),
        ("db:query('SELECT ?', { 0 / 0 })", "parameter 1 is NaN, which SQLite would take for NULL"),
        ("db:insert('items', {}, {})", "expected at least one column and one row"),
        ("db:transaction(1)", "sql.transaction: expected a function, got 1"),
        (
            "db:transaction(print, { isolation = 'high' })",
            "isolation: expected one of \"read uncommitted\", \"read committed\"",
        ),
        ("sql.client {}", "sql.client: declares something, so only at file scope"),
    ] {
        let told = error(&shop("", body));
        assert!(told.contains(expected), "{body}\n{told}");
        assert!(told.contains("--> shop.lua:"), "{told}");
    }
}

#[test]
fn no_connection_is_left_at_another_database() {
    let vm = running(
        "local sql = require 'loadrun.sql'\n\
         local db = sql.client { url = 'mysql://me@127.0.0.1:1/shop' }",
        "db:execute('USE stock')",
    );
    let vm = vm.worker();
    run_user(&vm, 0, 1);
    let told = error(&vm);
    assert!(told.contains("sql.execute: would leave a connection that others use next"), "{told}");
    assert!(told.contains("hint: name it before the table, `other.items`"), "{told}");
}

#[test]
fn what_stands_in_the_quotes_of_the_database_is_a_name_for_insert() {
    let vm = shop(
        "",
        "db:execute('CREATE TABLE \"order items\" (\"unit-price\" INTEGER)')\n\
         db:insert('\"order items\"', { '\"unit-price\"' }, { { 7 }, { ['\"unit-price\"'] = 8 } })\n\
         assert(db:value('SELECT sum(\"unit-price\") FROM \"order items\"') == 15)",
    );
    assert!(vm.take_errors().iter().next().is_none());
}

#[test]
fn a_wrong_client_is_an_error_before_anything_runs_and_shows_no_password() {
    for (options, expected) in [
        ("", "sql.client: url: expected an address"),
        ("url = 'oracle://u:hunter22@h/d'", "sql.client: url: unknown scheme \"oracle\""),
        ("url = 'postgres://u:hunter22@h:x/d'", "sql.client: url: malformed URL"),
        ("url = 'mysql://u:hunter22@h/d?sslmod=x'", "url: unknown option `sslmod`"),
        ("url = 5", "url: expected a URL or a service, got 5"),
        ("url = 'sqlite:../x.db'", "lies outside the script's folder"),
        ("url = 'sqlite:/etc/x.db'", "lies outside the script's folder"),
        ("url = 'sqlite:'", "expected \"sqlite:file.db\""),
        ("url = 'sqlite::memory:', size = 0", "sql.client: size: expected at least 1"),
        ("url = 'sqlite::memory:', timeout = 0", "timeout: expected a time above 0, got 0; "),
        ("urll = 'x'", "unknown key `urll`; did you mean `url`?"),
    ] {
        let text = format!(
            "local sql = require 'loadrun.sql'\nlocal db = sql.client {{ {options} }}\nreturn {{ scenarios = {{}} }}"
        );
        let told = script(&text).problems();
        assert!(told.contains(expected), "{options}\n{told}");
        assert!(told.contains("shop.lua:2"), "{told}");
        assert!(!told.contains("hunter22"), "{told}");
    }
}

#[test]
fn a_password_in_a_url_is_kept_out_of_what_is_shown() {
    let vm = running(
        "local sql = require 'loadrun.sql'\n\
         local db = sql.client { url = 'postgres://u:hunter%4022@127.0.0.1:1/d' }",
        "print('hunter@22 and hunter%4022', db:query('SELECT 1'))",
    )
    .run(1);
    let said = said(&vm);
    assert!(said[0].starts_with("*** and *** nil refused: "), "{said:?}");
}
