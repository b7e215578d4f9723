//! The compact ledger against the obvious one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn an_empty_ledger_is_all_zeros() {
    assert_eq!(Ledger::new().balance(), Balance::default());
}

#[test]
fn an_acked_id_nobody_saw_is_lost_and_named_with_its_time() {
    let mut ledger = Ledger::new();
    for (n, id) in ["SM7", "SM8", "x", "SM10"].into_iter().enumerate() {
        ledger.expect(id, at(0));
        ledger.acked(id, at(100 - n as u64));
    }
    ledger.seen("SM8", at(150));
    let balance = ledger.balance();
    assert_eq!((balance.acked, balance.landed, balance.lost), (4, 1, 3));
    assert_eq!(balance.lost_sample, ["SM10", "x", "SM7"]);
    assert_eq!(balance.lost_between, Some((at(97), at(100))));
    assert_eq!(balance.slowest_landing, Some(at(150)));
}

#[test]
fn times_are_written_as_seconds_and_as_null_when_there_are_none() {
    let balance = Balance {
        lost_between: Some((at(97), at(2500))),
        slowest_landing: Some(at(51)),
        ..Balance::default()
    };
    let written = serde_json::to_value(&balance).unwrap();
    assert_eq!(written["lost_between"], serde_json::json!([0.097, 2.5]));
    assert_eq!(written["slowest_landing"], serde_json::json!(0.051));
    assert_eq!(serde_json::from_value::<Balance>(written).unwrap(), balance);
    let none = serde_json::to_value(Balance::default()).unwrap();
    assert!(none["lost_between"].is_null() && none["slowest_landing"].is_null());
    assert_eq!(serde_json::from_value::<Balance>(none).unwrap(), Balance::default());
}

#[test]
fn every_landing_beyond_the_first_is_a_duplicate() {
    let mut ledger = Ledger::new();
    ledger.acked("a", at(0));
    for _ in 0..3 {
        ledger.seen("a", at(1));
    }
    ledger.seen("b", at(1));
    let balance = ledger.balance();
    assert_eq!((balance.landed, balance.landed_once, balance.duplicated), (2, 1, 2));
    assert_eq!(balance.unexpected, 1);
}

#[test]
fn an_id_without_an_answer_is_never_lost() {
    let mut ledger = Ledger::new();
    ledger.expect("cut off", at(0));
    ledger.indeterminate("timeout", at(0));
    ledger.indeterminate("landed", at(0));
    ledger.seen("landed", at(9));
    let balance = ledger.balance();
    assert_eq!((balance.expected, balance.lost), (3, 0));
    assert_eq!((balance.unconfirmed, balance.unconfirmed_landed), (2, 1));
}

#[test]
fn a_refused_id_is_not_to_land() {
    let mut ledger = Ledger::new();
    ledger.refused("no", at(0));
    ledger.refused("no, but stored", at(0));
    ledger.seen("no, but stored", at(5));
    let balance = ledger.balance();
    assert_eq!((balance.refused, balance.refused_but_landed, balance.lost), (2, 1, 0));
}

#[test]
fn the_strongest_of_several_answers_counts() {
    let mut ledger = Ledger::new();
    ledger.indeterminate("retried", at(0));
    ledger.refused("retried", at(0));
    assert_eq!((ledger.balance().refused, ledger.balance().unconfirmed), (0, 1));
    ledger.acked("retried", at(3));
    assert_eq!((ledger.balance().acked, ledger.balance().expected), (1, 1));
}

#[test]
fn a_landing_takes_from_being_sent_and_beyond_the_limit_it_is_late() {
    let mut ledger = Ledger::new();
    ledger.expect_within(at(100));
    for (id, sent, seen, took) in [("a", 0, 100, Some(100)), ("b", 50, 151, Some(101))] {
        ledger.expect(id, at(sent));
        ledger.acked(id, at(sent + 20));
        assert_eq!(ledger.seen(id, at(seen)), took.map(at));
    }
    // Neither a copy nor what nobody sent has landed late.
    assert_eq!((ledger.seen("a", at(900)), ledger.seen("c", at(900))), (None, None));
    let balance = ledger.balance();
    assert_eq!((balance.late, balance.landed, balance.duplicated), (1, 3, 1));
    assert_eq!(balance.slowest_landing, Some(at(101)));
}

#[test]
fn what_is_known_of_an_id_takes_eight_bytes() {
    assert_eq!(size_of::<Fate>(), 8);
}

#[test]
fn a_sample_names_the_first_ten_of_the_lost() {
    let mut ledger = Ledger::new();
    for n in 0..50 {
        ledger.acked(&format!("id-{n}"), at(n));
    }
    let expected: Vec<String> = (0..10).map(|n| format!("id-{n}")).collect();
    assert_eq!(ledger.balance().lost_sample, expected);
}

/// The memory a table has asked for, in bytes: every slot, used or not.
pub(super) fn table<K, V>(map: &HashMap<K, V>) -> usize {
    // A byte of control a slot; an eighth of the slots is never used.
    (map.capacity() * 8).div_ceil(7) * (size_of::<(K, V)>() + 1)
}

/// The memory a set has asked for, in bytes: every container, used to its end or not.
pub(super) fn set(numbers: &roaring::RoaringTreemap) -> usize {
    let kept = numbers.bitmaps().map(|(_, bitmap)| {
        let part = bitmap.statistics();
        let containers = part.n_array_containers + part.n_run_containers;
        let bytes = part.n_bytes_array_containers + part.n_bytes_run_containers;
        let whole = 8192 * part.n_bitset_containers;
        bytes as usize + whole as usize + 64 * (containers as usize + 1)
    });
    kept.sum()
}

/// The memory a ledger has asked for, in bytes, by what its parts hold.
fn kept(ledger: &Ledger) -> usize {
    let prefixes = ledger.prefixes.keys().map(|prefix| prefix.len()).sum::<usize>();
    let texts = ledger.texts.keys().map(|text| text.len()).sum::<usize>();
    texts + prefixes + table(&ledger.texts) + table(&ledger.prefixes) + ledger.numbers.kept()
}

/// A ledger of ids that count up, each of which lands a while after it was sent, but for those
/// that have another fate.
fn in_order(count: u64, form: impl Fn(u64) -> String, lands: impl Fn(u64) -> bool) -> Ledger {
    const BEHIND: u64 = 1000;
    let mut ledger = Ledger::new();
    for n in 0..count + BEHIND {
        if n < count {
            ledger.expect(&form(n), at(n));
            ledger.acked(&form(n), at(n + 1));
        }
        if let Some(landed) = n.checked_sub(BEHIND).filter(|n| lands(*n)) {
            ledger.seen(&form(landed), at(n));
        }
    }
    ledger
}

#[test]
fn ten_times_as_many_ids_that_landed_in_order_take_no_more_memory() {
    let forms: [fn(u64) -> String; 3] =
        [|n| n.to_string(), |n| format!("order-{n:07}"), |n| format!("{}-{}", n % 50, n / 50)];
    for form in forms {
        let [few, many] = [30_000, 300_000].map(|count| {
            let mut ledger = in_order(count, form, |_| true);
            let balance = ledger.balance();
            assert_eq!((balance.acked, balance.landed_once, balance.lost), (count, count, 0));
            // What was settled long ago is still known.
            assert_eq!(ledger.seen(&form(7), at(count)), None);
            let balance = ledger.balance();
            assert_eq!((balance.duplicated, balance.landed_once), (1, count - 1));
            kept(&ledger)
        });
        // What came since sets were compressed, and whether a table had to grow for what was removed from
        // it (which hashes decide), makes a difference; less than a bit for each id that is more.
        let more = many.saturating_sub(few);
        assert!(more < 270_000 / 8, "{few} and {many} bytes: {}", form(12_345));
    }
}

#[test]
fn what_never_lands_costs_for_itself_and_not_for_its_neighbours() {
    let id = |n| format!("SM{n:08}");
    let all = in_order(200_000, id, |_| true);
    let holes = in_order(200_000, id, |n| n % 100 != 0);
    assert_eq!(holes.balance().lost, 2000);
    let more = kept(&holes) - kept(&all);
    assert!(more < 2000 * 340, "{more} bytes for 2000 that are lost");
}

/// A ledger of ids that count up, a thousand a second, none of which has landed; they are sent in a
/// slightly other order, and answered as fast as servers do that are not always equally fast.
fn all_open(mut ledger: Ledger, count: u64, form: impl Fn(u64) -> String) -> Ledger {
    const UNDER_WAY: u64 = 64;
    let answered = |n: u64| n + 5 + n * n % 47;
    for n in 0..count + UNDER_WAY {
        if n < count {
            ledger.expect(&form(n ^ 3), at(n));
        }
        if let Some(n) = n.checked_sub(UNDER_WAY) {
            ledger.acked(&form(n ^ 3), at(answered(n)));
        }
    }
    ledger
}

#[test]
fn ids_that_are_open_and_count_up_take_less_than_eleven_bytes_each() {
    const COUNT: u64 = 60_000;
    let forms: [fn(u64) -> String; 2] = [|n| n.to_string(), |n| format!("{}-{}", n % 2, n / 2)];
    for form in forms {
        let mut ledger = all_open(Ledger::new(), COUNT, form);
        let bytes = kept(&ledger);
        assert!(bytes < COUNT as usize * 11, "{bytes} bytes: {}", form(12_345));
        assert!(ledger.texts.is_empty());
        let balance = ledger.balance();
        assert_eq!((balance.expected, balance.acked, balance.lost), (COUNT, COUNT, COUNT));
        // And every one still has its times.
        for n in 0..COUNT {
            assert_eq!(ledger.seen(&form(n), at(COUNT)), Some(at(COUNT - (n ^ 3))));
        }
        let bytes = kept(&ledger);
        assert!(bytes < COUNT as usize * 2, "{bytes} bytes when all have landed");
        assert_eq!(ledger.balance().landed_once, COUNT);
    }
}

#[test]
fn ten_times_as_many_open_ids_take_no_more_memory_but_are_timed_less_exactly() {
    const ROOM: u64 = 256;
    for prefixes in [1, 4] {
        let form = |n| format!("{}-{}", n % prefixes, n / prefixes);
        let [few, many] = [20_000, 200_000].map(|count| {
            let mut ledger = all_open(Ledger::with_room(ROOM as usize), count, form);
            let bytes = kept(&ledger);
            let balance = ledger.balance();
            assert_eq!((balance.acked, balance.lost), (count, count));
            // Two spans would be one if there were half as many; and how long answers take.
            let coarsest = at(2 * prefixes * count / (ROOM - prefixes) + 64);
            assert!(balance.resolution.is_some_and(|off| off <= coarsest), "{balance:?}");
            // The newest are still known to the millisecond, the oldest are not.
            let seen = [count - 1, 0].map(|n| ledger.seen(&form(n ^ 3), at(count)).unwrap());
            assert_eq!(seen[0], at(1));
            assert!(seen[1] + coarsest > at(count) && seen[1] <= at(count), "{seen:?}");
            bytes
        });
        assert!(many < few + few / 4, "{few} and {many} bytes: {}", form(12_345));
    }
}

#[test]
fn a_landing_that_may_have_been_in_time_counts_as_late_and_is_told_apart() {
    let mut ledger = Ledger::with_room(8);
    ledger.expect_within(at(1000));
    // Numbers 0 to 31 come to share their times: sent between 0 and 31.
    for n in 0..400 {
        ledger.expect(&n.to_string(), at(n));
    }
    let took = [("7", 1000), ("8", 1031), ("9", 1032), ("399", 1399)]
        .map(|(id, now)| ledger.seen(id, at(now)).unwrap());
    assert_eq!(took, [1000, 1031, 1032, 1000].map(at));
    let balance = ledger.balance();
    assert_eq!((balance.late, balance.perhaps_late), (2, 1));
    assert_eq!(balance.slowest_landing, Some(at(1032)));
    assert_eq!(balance.resolution, Some(at(31)));
}

#[test]
fn ids_that_are_open_and_far_apart_take_no_more_than_their_blocks() {
    let mut ledger = Ledger::new();
    for n in 0..20_000 {
        ledger.acked(&(n * 1_000_003).to_string(), at(n));
    }
    let bytes = kept(&ledger);
    assert!(bytes < 20_000 * 325, "{bytes} bytes");
    assert_eq!(ledger.balance().lost_between, Some((at(0), at(19_999))));
}

#[test]
fn beyond_so_many_prefixes_ids_are_kept_as_they_are() {
    let mut ledger = Ledger::new();
    for n in 0..PREFIXES + 10 {
        ledger.acked(&format!("{n}-1"), at(0));
        ledger.acked(&format!("{n}-2"), at(0));
        ledger.seen(&format!("{n}-1"), at(0));
    }
    assert_eq!((ledger.prefixes.len(), ledger.texts.len()), (PREFIXES, 20));
    let balance = ledger.balance();
    let each = PREFIXES as u64 + 10;
    assert_eq!((balance.acked, balance.landed, balance.lost), (2 * each, each, each));
}

#[test]
fn the_largest_number_has_a_place() {
    for number in [NUMBERS - 1, NUMBERS, u64::MAX] {
        let mut ledger = Ledger::new();
        ledger.acked(&number.to_string(), at(0));
        assert_eq!(ledger.texts.is_empty(), number < NUMBERS);
        assert_eq!(ledger.balance().lost_sample, [number.to_string()]);
    }
}

/// Ids of all forms that could be taken for one another.
fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]0{0,3}[0-9]{0,3}", "[0-9]{0,25}", "[a-f0-9]{3}", "\\PC{0,3}"]
}

/// Few ids, so that each is mentioned several times, of every form they are kept in.
fn repeated_id() -> impl Strategy<Value = String> {
    (0..50_u32, 0..4_u8).prop_map(|(n, form)| match form {
        0 => format!("a{n}"),
        1 => format!("a{n:03}"),
        2 => format!("{n}"),
        _ => format!("{n:x}x"),
    })
}

/// How often each of the five calls was made for an id, and what follows from it: the obvious
/// ledger, an oracle for the compact one.
#[derive(Default)]
struct Plain([u64; 5]);

impl Plain {
    fn expected(&self) -> bool {
        self.0[..4].iter().any(|calls| *calls > 0)
    }
    fn acked(&self) -> bool {
        self.0[1] > 0
    }
    fn refused(&self) -> bool {
        self.0[2] > 0 && self.0[3] == 0 && !self.acked()
    }
    fn unconfirmed(&self) -> bool {
        self.expected() && !self.acked() && !self.refused()
    }
    fn landings(&self) -> u64 {
        self.0[4]
    }
}

fn oracle(calls: &[(String, usize)]) -> Balance {
    let mut ids: BTreeMap<&str, Plain> = BTreeMap::new();
    for (id, call) in calls {
        ids.entry(id).or_default().0[*call] += 1;
    }
    let count = |which: &dyn Fn(&Plain) -> bool| ids.values().filter(|p| which(p)).count() as u64;
    Balance {
        expected: count(&|p| p.expected()),
        acked: count(&|p| p.acked()),
        refused: count(&|p| p.refused()),
        landed: count(&|p| p.landings() > 0),
        landed_once: count(&|p| p.landings() == 1),
        duplicated: ids.values().map(|p| p.landings().saturating_sub(1)).sum(),
        lost: count(&|p| p.acked() && p.landings() == 0),
        refused_but_landed: count(&|p| p.refused() && p.landings() > 0),
        unconfirmed_landed: count(&|p| p.unconfirmed() && p.landings() > 0),
        unconfirmed: count(&|p| p.unconfirmed() && p.landings() == 0),
        unexpected: count(&|p| !p.expected() && p.landings() > 0),
        ..Balance::default()
    }
}

/// One of the five calls; how long it took to land.
fn tell(ledger: &mut Ledger, id: &str, call: usize, now: Duration) -> Option<Duration> {
    match call {
        0 => ledger.expect(id, now),
        1 => ledger.acked(id, now),
        2 => ledger.refused(id, now),
        3 => ledger.indeterminate(id, now),
        _ => return ledger.seen(id, now),
    }
    None
}

fn counted(calls: impl Iterator<Item = (String, usize)>) -> Balance {
    let mut ledger = Ledger::new();
    for (id, call) in calls {
        tell(&mut ledger, &id, call, at([1, 2, 1, 1, 3][call]));
    }
    Balance { slowest_landing: None, ..ledger.balance() }
}

/// A ledger in which so many ids have landed that their sets were compressed, and to which calls were
/// made with these ids, landed and open ones, each at its time; how long landings took.
fn told(
    calls: &[(u64, usize, u64)],
    id: impl Fn(u64) -> String,
) -> (Vec<Option<Duration>>, Ledger) {
    let mut ledger = Ledger::new();
    ledger.expect_within(at(40));
    for n in 1000..2100 {
        ledger.acked(&id(n), at(0));
        ledger.seen(&id(n), at(1));
    }
    for n in 4000..6200 {
        ledger.acked(&id(n), at(n % 30));
    }
    let say = |&(n, call, now): &(u64, usize, u64)| tell(&mut ledger, &id(n), call, at(now));
    let took = calls.iter().map(say).collect();
    (took, ledger)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_id_fares_alike_whether_it_is_kept_as_a_number_or_as_a_text(
        calls in prop::collection::vec(
            (
                prop_oneof![1000..1020_u64, 2085..2125_u64, 3990..4020_u64, 4000..6200_u64],
                0..7_usize,
                0..100_u64,
            ),
            0..400,
        )
    ) {
        let (took, numbers) = told(&calls, |n| format!("order-{n}"));
        let (took_texts, texts) = told(&calls, |n| format!("order-{n}x"));
        prop_assert_eq!(took, took_texts);
        prop_assert!(numbers.texts.is_empty() && texts.prefixes.is_empty());
        let mut balance = texts.balance();
        for id in &mut balance.lost_sample {
            id.pop();
        }
        prop_assert_eq!(numbers.balance(), balance);
    }
}

/// Calls made one after the other, some time apart, mostly for numbers that are near those before:
/// so many of the five, with which number and how much later.
fn in_turn() -> impl Strategy<Value = Vec<(u64, usize, u64)>> {
    let call = prop_oneof![4 => Just(0_usize), 6 => Just(1), 1 => 2..4_usize, 3 => Just(4)];
    let calls = prop::collection::vec((0..60_u64, call, 0..4_u64), 1..1500);
    calls.prop_map(|calls| {
        let mut now = 0;
        let place = |(at, (back, call, pause)): (usize, (u64, usize, u64))| {
            now += pause;
            // One in sixty is for a number from the beginning.
            let number = if back == 59 { now % 40 } else { (at as u64 / 2 + 60) - back };
            (number, call, now)
        };
        calls.into_iter().enumerate().map(place).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ids_that_share_their_times_are_counted_exactly_and_timed_to_the_resolution(
        calls in in_turn(), room in 2..8_usize,
    ) {
        let (mut shared, mut exact) = (Ledger::with_room(room), Ledger::new());
        for ledger in [&mut shared, &mut exact] {
            ledger.expect_within(at(100));
        }
        let mut landings = Vec::new();
        let mut acked = BTreeMap::new();
        for &(n, call, now) in &calls {
            let [number, text] = [n.to_string(), format!("{n}x")];
            let took = [(&mut shared, number), (&mut exact, text)]
                .map(|(ledger, id)| tell(ledger, &id, call, at(now)));
            if call == 1 {
                acked.entry(n.to_string()).or_insert(at(now));
            }
            prop_assert_eq!(took[0].is_some(), took[1].is_some());
            landings.extend(took[0].zip(took[1]));
        }
        let (shared, exact) = (shared.balance(), exact.balance());
        let off = shared.resolution.unwrap_or_default();
        let close = |coarse: Duration, true_one: Duration| {
            true_one <= coarse && coarse <= true_one + off
        };
        prop_assert!(landings.iter().all(|(coarse, true_one)| close(*coarse, *true_one)));
        prop_assert!(exact.late <= shared.late && shared.late - shared.perhaps_late <= exact.late);
        let slowest = shared.slowest_landing.zip(exact.slowest_landing);
        prop_assert!(slowest.is_none_or(|(coarse, true_one)| close(coarse, true_one)));
        if let (Some(coarse), Some(true_one)) = (shared.lost_between, exact.lost_between) {
            prop_assert!(close(true_one.0, coarse.0) && close(coarse.1, true_one.1));
        }
        // Each that is named is lost, and was acked among the first.
        let last = exact.lost_sample.last().map(|id| acked[id.trim_end_matches('x')] + off);
        for id in &shared.lost_sample {
            prop_assert!(Some(acked[id]) <= last);
            prop_assert!(!calls.iter().any(|(n, call, _)| n.to_string() == *id && *call == 4));
        }
        prop_assert_eq!(shared.lost_sample.len(), exact.lost_sample.len());
        let but_for_times = |balance: Balance| Balance {
            late: 0,
            perhaps_late: 0,
            lost_sample: Vec::new(),
            lost_between: None,
            slowest_landing: None,
            resolution: None,
            ..balance
        };
        prop_assert_eq!(exact.resolution, None);
        prop_assert_eq!(but_for_times(shared), but_for_times(exact));
    }
}

proptest! {
    #[test]
    fn an_id_kept_as_a_number_is_restored(id in id()) {
        prop_assert_eq!(Id::of(&id).to_string(), id);
    }

    #[test]
    fn the_balance_is_that_of_the_sets_in_whatever_order_it_was_told(
        calls in prop::collection::vec((repeated_id(), 0..5_usize), 0..150)
    ) {
        let balance = counted(calls.iter().cloned());
        prop_assert_eq!(&counted(calls.iter().rev().cloned()), &balance);
        let lost = Balance {
            lost_sample: balance.lost_sample.clone(),
            lost_between: balance.lost_between,
            ..oracle(&calls)
        };
        prop_assert_eq!(&lost, &balance);
        prop_assert_eq!(
            balance.expected,
            balance.acked + balance.refused + balance.unconfirmed + balance.unconfirmed_landed
        );
        prop_assert_eq!(
            balance.landed + balance.lost,
            balance.acked + balance.refused_but_landed + balance.unconfirmed_landed
                + balance.unexpected
        );
    }
}
