//! What is shared, seen from several threads and Lua states.

use std::sync::Barrier as ThreadBarrier;
use std::time::Duration;

use super::super::testing;
use super::*;

/// Runs an async block on its own thread with a runtime of its own, as a worker has.
fn on_worker<T: Send + 'static>(
    work: impl FnOnce() -> std::pin::Pin<Box<dyn Future<Output = T>>> + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work())
    })
}

const PATIENT: Option<Duration> = Some(Duration::from_secs(30));

#[test]
fn every_value_pushed_by_any_worker_is_popped_once_by_some_other() {
    let queue = Arc::new(Queue::new(10_000));
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let queue = Arc::clone(&queue);
            on_worker(move || {
                Box::pin(async move {
                    let mut taken = Vec::new();
                    while let Some(Plain::Integer(n)) = queue.pop(PATIENT).await {
                        taken.push(n);
                    }
                    taken
                })
            })
        })
        .collect();
    for n in 0..2000 {
        assert!(queue.push(Plain::Integer(n)));
    }
    for _ in 0..4 {
        queue.push(Plain::Bool(false));
    }
    let mut taken: Vec<i64> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..2000).collect::<Vec<_>>());
}

#[test]
fn a_full_queue_refuses_rather_than_waits() {
    let queue = Queue::new(2);
    assert!(queue.push(Plain::Integer(1)) && queue.push(Plain::Integer(2)));
    assert!(!queue.push(Plain::Integer(3)));
    assert_eq!((queue.try_pop(), queue.len()), (Some(Plain::Integer(1)), 1));
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_gives_nothing_after_the_timeout() {
    assert_eq!(Queue::new(1).pop(Some(Duration::from_secs(5))).await, None);
}

#[tokio::test]
async fn a_waiter_that_is_dropped_leaves_the_value_to_the_next() {
    let queue = Queue::new(1);
    let mut first = Box::pin(queue.pop(None));
    let mut second = Box::pin(queue.pop(None));
    for waiter in [&mut first, &mut second] {
        assert!(futures_poll(waiter.as_mut()).is_pending());
    }
    queue.push(Plain::Integer(7));
    drop(first);
    assert_eq!(second.await, Some(Plain::Integer(7)));
}

/// Polls once, with a waker that does nothing.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[test]
fn a_barrier_opens_for_users_on_different_threads_round_after_round() {
    let barrier = Arc::new(Barrier::new(4));
    let users: Vec<_> = (0..4)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            on_worker(move || {
                Box::pin(async move {
                    for _ in 0..50 {
                        assert!(barrier.wait(PATIENT).await);
                    }
                })
            })
        })
        .collect();
    for user in users {
        user.join().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_gave_up_waiting_is_not_counted_for_the_next_round() {
    let barrier = Barrier::new(2);
    assert!(!barrier.wait(Some(Duration::from_secs(1))).await);
    let mut next = Box::pin(barrier.wait(None));
    assert!(futures_poll(next.as_mut()).is_pending());
    drop(next);
    let mut next = Box::pin(barrier.wait(None));
    assert!(futures_poll(next.as_mut()).is_pending());
    assert!(barrier.wait(None).await);
    assert!(next.await);
}

#[test]
fn updates_from_several_threads_are_never_lost() {
    let (map, start) = (Map::default(), ThreadBarrier::new(4));
    let key = Plain::text("n");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..500 {
                    let more = |old: &Plain| match old {
                        Plain::Integer(n) => Ok::<_, ()>(Plain::Integer(n + 1)),
                        _ => Ok(Plain::Integer(1)),
                    };
                    map.update(&key, more).unwrap();
                }
            });
        }
    });
    assert_eq!(map.get(&key), Plain::Integer(2000));
}

/// Two Lua states of one run, as two workers have them.
fn two_states() -> [Lua; 2] {
    let world = testing::world(std::path::Path::new("."));
    [0, 1].map(|_| testing::state(&world, "shared", module))
}

#[test]
fn what_one_state_writes_another_reads() {
    let [one, two] = two_states();
    one.load(
        "shared.counter('n', 5):add(2)
         shared.map('m'):set('list', { 1, { deep = true } })
         shared.queue('q'):push({ id = 9007199254740993 })",
    )
    .exec()
    .unwrap();
    let seen: String = two
        .load(
            "local m, q = shared.map 'm', shared.queue 'q'
             local item = q:try_pop()
             return table.concat({ shared.counter('n'):add(), #m, tostring(m:get('list')[2].deep),
               item.id, tostring(q:try_pop()), tostring(m:delete 'list'), m:len(),
               m:update('k', function(old) return (old or 0) + 1 end), table.concat(m:keys()) }, ' ')",
        )
        .eval()
        .unwrap();
    assert_eq!(seen, "8 1 true 9007199254740993 nil true 0 1 k");
}

#[test]
fn wrong_arguments_and_disagreements_are_refused() {
    let cases = [
        ("shared.counter()", "shared.counter: name: expected a string, got nil"),
        ("shared.counter('c', 1.5)", "shared.counter: initial: expected a whole number, got 1.5"),
        ("shared.counter('c', 3), shared.counter('c', 4)", "was made with an initial value of 3"),
        ("shared.queue('q', 2), shared.queue('q', 3)", "was made with a capacity of 2, not 3"),
        ("shared.queue('q', 0)", "shared.queue: capacity: expected 1 or more, got 0"),
        ("shared.barrier('b')", "shared.barrier: n: expected a whole number, got nil"),
        ("shared.counter('c'):add('x')", "counter:add: amount: expected a whole number, got \"x\""),
        ("shared.map('m'):set('k', print)", "map:set: value: expected plain data, got a function"),
        ("shared.map('m'):set('k', { a = { print } })", "got a function at .a[1]"),
        ("shared.map('m'):get({})", "map:get: key: expected a string, a number or a boolean"),
        ("shared.map('m'):update('k', 1)", "map:update: change: expected a function, got 1"),
        ("shared.queue('q'):push(nil)", "queue:push: value: expected anything but nil"),
    ];
    for (code, expected) in cases {
        let [lua, _] = two_states();
        let error = lua.load(format!("return {code}")).exec().unwrap_err().to_string();
        assert!(error.contains(expected), "{code}: {error}");
    }
}
