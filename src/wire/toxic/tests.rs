//! Toxics without sockets: what comes out of a chain, when, and what is counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

const MILLI: Duration = Duration::from_millis(1);

/// A toxic of that kind with amounts as a script gives them.
pub(in crate::wire) fn toxic(kind: Kind, amounts: &[(&str, &str)]) -> Toxic {
    let mut toxic = Toxic {
        name: kind.name().to_owned(),
        kind,
        stream: Direction::Both,
        toxicity: 1.0,
        per: Per::Connection,
        amounts: Amounts::default(),
    };
    for (name, text) in amounts {
        let field = kind.fields().iter().find(|field| field.name == *name).unwrap();
        toxic.amounts.set(field, field.read(Given::Text(text), Bare::Plain).unwrap());
    }
    toxic
}

fn rig(toxics: &[Toxic]) -> Vec<Arc<Rigged>> {
    let rigged = |(at, toxic): (usize, &Toxic)| Arc::new(Rigged::new(toxic.clone(), at as u64 + 1));
    toxics.iter().enumerate().map(rigged).collect()
}

fn chain(connection: u64) -> Chain {
    let direction = Direction::Upstream;
    Chain::new(Whose { seed: 7, connection, direction, marks: Marks::default() })
}

/// A chain of these toxics, put together at `now`.
fn chain_of(toxics: &[Arc<Rigged>], now: Instant) -> Chain {
    let mut chain = chain(0);
    chain.refit(toxics, now).unwrap();
    chain
}

/// All that is delivered up to `until`, each with the moment it was.
fn run(
    chain: &mut Chain,
    mut now: Instant,
    until: Instant,
) -> (Vec<(Instant, Parcel)>, Option<Cut>) {
    let mut out = Vec::new();
    loop {
        let cut = chain.advance(now).err();
        while let Some(parcel) = chain.first() {
            let parcel = parcel.clone();
            let len = if let Parcel::Bytes(bytes) = &parcel { bytes.len() } else { 0 };
            chain.delivered(len);
            out.push((now, parcel));
        }
        if cut.is_some() {
            return (out, cut);
        }
        match chain.next().filter(|next| *next <= until) {
            Some(next) => now = next.max(now),
            None => return (out, None),
        }
    }
}

fn bytes_of(out: &[(Instant, Parcel)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (_, parcel) in out {
        if let Parcel::Bytes(bytes) = parcel {
            all.extend_from_slice(bytes);
        }
    }
    all
}

fn said(len: usize) -> Parcel {
    Parcel::Bytes(Bytes::from(vec![b'x'; len]))
}

#[test]
fn every_kind_has_a_name_of_its_own_and_is_found_by_it() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
        let mut names: Vec<_> = kind.fields().iter().map(|field| field.name).collect();
        names.dedup();
        assert_eq!(names.len(), kind.fields().len());
    }
    assert_eq!(Kind::named("packet_loss"), None);
}

#[test]
fn noop_changes_neither_bytes_nor_times_and_touches_nothing() {
    let start = Instant::now();
    let rig = rig(&[toxic(Kind::Noop, &[])]);
    let mut chain = chain_of(&rig, start);
    let parcels = (1..50).map(said).chain([Parcel::End]);
    for (n, parcel) in parcels.enumerate() {
        let now = start + MILLI * n as u32;
        chain.accept(parcel.clone(), now);
        assert_eq!(run(&mut chain, now, now), (vec![(now, parcel)], None));
    }
    let touched = rig[0].tally.touched();
    assert_eq!((touched.eligible, touched.connections, touched.bytes), (1, 0, 0));
    assert!(chain.next().is_none() && !chain.has_lost());
}

#[test]
fn latency_delays_bytes_and_the_end_and_keeps_their_order() {
    let start = Instant::now();
    let rig = rig(&[toxic(Kind::Latency, &[("latency", "100ms"), ("jitter", "90ms")])]);
    let mut chain = chain_of(&rig, start);
    for n in 0..200u8 {
        chain.accept(Parcel::Bytes(Bytes::from(vec![n])), start);
    }
    chain.accept(Parcel::End, start);
    let (out, _) = run(&mut chain, start, start + MILLI * 1000);
    assert_eq!(bytes_of(&out), (0..200).collect::<Vec<u8>>());
    assert_eq!(out.last().unwrap().1, Parcel::End);
    let first = out[0].0 - start;
    let last = out.last().unwrap().0 - start;
    assert!(
        first >= MILLI * 10 && last <= MILLI * 190 && last >= MILLI * 150,
        "{first:?} {last:?}"
    );
    let touched = rig[0].tally.touched();
    assert_eq!((touched.eligible, touched.connections, touched.bytes), (1, 1, 200));
}

#[test]
fn jitter_has_the_mean_and_the_spread_it_says() {
    for distribution in ["uniform", "normal", "pareto"] {
        let amounts = [("latency", "10s"), ("jitter", "1s"), ("distribution", distribution)];
        let toxic = toxic(Kind::Latency, &amounts);
        let now = Instant::now();
        let delays: Vec<f64> = (0..20_000)
            .map(|connection| {
                let mut held = Held::default();
                let (direction, marks) = (Direction::Upstream, Marks::default());
                let whose = Whose { seed: 1, connection, direction, marks };
                let mut effect = toxic.effect(&whose, now, &mut held);
                effect.bytes(Bytes::from_static(b"x"), now, &mut held);
                (held.last_due().unwrap() - now).as_secs_f64()
            })
            .collect();
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        let square = delays.iter().map(|d| (d - mean).powi(2)).sum::<f64>();
        let deviation = (square / delays.len() as f64).sqrt();
        let expected = if distribution == "uniform" { 1.0 / 3.0_f64.sqrt() } else { 1.0 };
        assert!((mean - 10.0).abs() < 0.03, "{distribution}: mean {mean}");
        // The variance of a Pareto sample of shape 3 settles slowly.
        let tolerance = if distribution == "pareto" { 0.3 } else { 0.02 };
        assert!((deviation - expected).abs() < tolerance, "{distribution}: {deviation}");
    }
}

#[test]
fn bandwidth_takes_as_long_as_a_line_of_that_rate() {
    let start = Instant::now();
    let mut chain = chain_of(&rig(&[toxic(Kind::Bandwidth, &[("rate", "10KB/s")])]), start);
    chain.accept(said(3_000), start);
    chain.accept(said(2_000), start + MILLI * 100);
    // After a pause nothing was saved up.
    chain.accept(said(1_000), start + MILLI * 900);
    let (out, _) = run(&mut chain, start, start + MILLI * 5_000);
    let at = |count: usize| {
        let mut sum = 0;
        let reached = out.iter().find(|(_, parcel)| {
            sum += if let Parcel::Bytes(bytes) = parcel { bytes.len() } else { 0 };
            sum >= count
        });
        reached.unwrap().0 - start
    };
    let near = |at: Duration, millis: u32| at.abs_diff(MILLI * millis) < MILLI;
    assert!(near(at(200), 20) && near(at(1_000), 100), "{:?} {:?}", at(200), at(1_000));
    assert!(near(at(5_000), 500) && near(at(6_000), 1_000), "{:?} {:?}", at(5_000), at(6_000));
}

#[test]
fn a_slicer_cuts_into_sizes_within_its_variation_a_delay_apart() {
    let start = Instant::now();
    let amounts = [("average_size", "10B"), ("size_variation", "4B"), ("delay", "1ms")];
    let mut chain = chain_of(&rig(&[toxic(Kind::Slicer, &amounts)]), start);
    chain.accept(said(1_000), start);
    let (out, _) = run(&mut chain, start, start + MILLI * 1_000);
    let sizes: Vec<_> =
        out.iter().map(|(_, parcel)| bytes_of(&[(start, parcel.clone())]).len()).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|size| (6..=14).contains(size)), "{sizes:?}");
    assert!(sizes.contains(&6) && sizes.contains(&14), "{sizes:?}");
    let apart = out.windows(2).all(|pair| pair[1].0 - pair[0].0 == MILLI);
    assert!(apart);
}

#[test]
fn a_limit_lets_exactly_so_many_bytes_through_and_then_closes() {
    let start = Instant::now();
    let limit = toxic(Kind::LimitData, &[("bytes", "150B")]);
    let slow = toxic(Kind::Latency, &[("latency", "1s")]);
    let mut chain = chain_of(&rig(&[limit, slow]), start);
    chain.accept(said(100), start);
    chain.accept(said(100), start);
    chain.accept(said(100), start);
    let (out, _) = run(&mut chain, start, start + MILLI * 2_000);
    assert_eq!(bytes_of(&out).len(), 150);
    assert_eq!(out.last().unwrap().1, Parcel::Close);
}

#[test]
fn a_hold_delivers_all_in_order_when_it_is_taken_away() {
    let start = Instant::now();
    let hold = rig(&[toxic(Kind::Hold, &[])]);
    let mut chain = chain_of(&hold, start);
    chain.accept(Parcel::Bytes(Bytes::from_static(b"one")), start);
    chain.accept(Parcel::Bytes(Bytes::from_static(b"two")), start);
    chain.accept(Parcel::End, start);
    let hour = start + Duration::from_hours(1);
    assert_eq!(run(&mut chain, start, hour).0, []);
    chain.refit(&[], hour).unwrap();
    let (out, _) = run(&mut chain, hour, hour);
    assert_eq!(bytes_of(&out), b"onetwo");
    assert_eq!(out.last().unwrap().1, Parcel::End);
}

#[test]
fn a_black_hole_swallows_and_closes_only_streams_that_lost_something() {
    let start = Instant::now();
    let hole = rig(&[toxic(Kind::Timeout, &[("timeout", "5s")])]);
    let (mut idle, mut busy) = (chain_of(&hole, start), chain_of(&hole, start));
    busy.accept(said(10), start);
    assert_eq!(run(&mut busy, start, start + MILLI * 4_999), (vec![], None));
    assert_eq!(idle.refit(&[], start + MILLI), Ok(()));
    let (mut closed, after) = (chain_of(&hole, start), start + MILLI * 5_000);
    assert_eq!(run(&mut closed, start, after), (vec![], Some(Cut::Close)));
    assert_eq!(busy.refit(&[], start + MILLI), Err(Cut::Close));
}

#[test]
fn a_slow_close_delays_the_end_and_nothing_before_it() {
    let start = Instant::now();
    let mut chain = chain_of(&rig(&[toxic(Kind::SlowClose, &[("delay", "2s")])]), start);
    chain.accept(said(10), start);
    chain.accept(Parcel::End, start + MILLI);
    let (out, _) = run(&mut chain, start + MILLI, start + MILLI * 5_000);
    assert_eq!(out, [(start + MILLI, said(10)), (start + MILLI * 2_001, Parcel::End)]);
}

#[test]
fn a_reset_lets_bytes_through_until_its_time_has_come() {
    let start = Instant::now();
    let rig = rig(&[toxic(Kind::ResetPeer, &[("timeout", "3s")])]);
    let mut chain = chain_of(&rig, start);
    chain.accept(said(10), start);
    let early = start + MILLI * 2_999;
    assert_eq!(run(&mut chain, start, early), (vec![(start, said(10))], None));
    assert_eq!(rig[0].tally.touched().connections, 0);
    assert_eq!(run(&mut chain, early, start + MILLI * 3_000), (vec![], Some(Cut::Reset)));
    assert_eq!(rig[0].tally.touched().connections, 1);
}

#[test]
fn drops_and_corruption_come_as_often_as_they_say() {
    let start = Instant::now();
    for (kind, seen) in [(Kind::DropChunks, 0..=0), (Kind::CorruptStream, 1..=1)] {
        let toxics = rig(&[toxic(kind, &[("probability", "30%")])]);
        let mut chain = chain_of(&toxics, start);
        for _ in 0..10_000 {
            chain.accept(said(10), start);
        }
        let (out, _) = run(&mut chain, start, start);
        let touched = toxics[0].tally.touched();
        assert!((2_800..3_200).contains(&touched.chunks), "{touched:?}");
        let whole = out.iter().filter(|(_, parcel)| *parcel == said(10)).count();
        assert_eq!(whole as u64, 10_000 - touched.chunks);
        let bits = |parcel: &Parcel| {
            let changed = bytes_of(&[(start, parcel.clone())]);
            changed.iter().map(|byte| (byte ^ b'x').count_ones()).sum::<u32>()
        };
        let others = out.iter().filter(|(_, parcel)| *parcel != said(10));
        assert!(others.clone().all(|(_, parcel)| seen.contains(&bits(parcel))));
    }
}

#[test]
fn who_is_concerned_follows_from_seed_toxic_and_connection_alone() {
    let concerned = |seed, name: &str, share| -> Vec<u64> {
        (0..1_000).filter(|connection| roll(seed, name, *connection, 0) < share).collect()
    };
    let some = concerned(1, "a", 0.1);
    assert!((70..130).contains(&some.len()), "{}", some.len());
    assert_eq!(some, concerned(1, "a", 0.1));
    let more = concerned(1, "a", 0.2);
    assert!(some.iter().all(|connection| more.contains(connection)));
    assert_ne!(some, concerned(2, "a", 0.1));
    assert_ne!(some, concerned(1, "b", 0.1));
    // The values themselves are promised: a report names a seed to be replayed years later.
    assert_eq!(roll(1, "latency_downstream", 2, 3).to_bits(), 0x3fea_93ab_c5ec_f3c3);
}

#[test]
fn another_toxic_changes_nothing_for_connections_that_were_not_concerned() {
    let start = Instant::now();
    let hole = Toxic { toxicity: 0.5, ..toxic(Kind::Timeout, &[]) };
    let mut toxics = rig(&[hole, toxic(Kind::Noop, &[])]);
    let noop = toxics.pop().unwrap();
    let mut spared = (0..50).map(|connection| {
        let mut chain = chain(connection);
        chain.refit(&toxics, start).unwrap();
        chain.accept(said(1), start);
        chain
    });
    let mut spared = spared.find(|chain| !chain.has_lost()).unwrap();
    toxics.push(noop);
    spared.refit(&toxics, start).unwrap();
    spared.accept(said(1), start);
    assert!(!spared.has_lost());
    assert_eq!(run(&mut spared, start, start).0.len(), 2);
}

#[test]
fn amounts_are_read_in_both_dialects_and_what_is_wrong_says_what_is_right() {
    let latency = &Kind::Latency.fields()[0];
    let rate = &Kind::Bandwidth.fields()[0];
    let delay = &Kind::Slicer.fields()[2];
    let number = |field: &Field, number, bare| field.read(Given::Number(number), bare).unwrap();
    assert_eq!(number(latency, 300.0, Bare::Toxiproxy), Amount::Duration(MILLI * 300));
    assert_eq!(number(latency, 0.3, Bare::Plain), Amount::Duration(MILLI * 300));
    assert_eq!(number(delay, 300.0, Bare::Toxiproxy), Amount::Duration(MILLI * 300 / 1000));
    assert_eq!(number(rate, 64.0, Bare::Toxiproxy), Amount::Rate(64_000.0));
    assert_eq!(rate.read(Given::Text("64KB/s"), Bare::Plain), Ok(Amount::Rate(64_000.0)));
    let wrong = [
        (latency, Given::Text("fast")),
        (latency, Given::Number(-1.0)),
        (latency, Given::Number(f64::NAN)),
        (latency, Given::Text("90000h")),
        (rate, Given::Text("64KB")),
        (&Kind::Latency.fields()[2], Given::Text("gauss")),
        (&Kind::DropChunks.fields()[0], Given::Number(1.5)),
    ];
    let told: Vec<_> =
        wrong.iter().map(|(field, given)| field.read(*given, Bare::Plain).unwrap_err()).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    latency is "fast"; expected a duration such as "300ms"
    latency is -1; expected a duration such as "300ms"
    latency is NaN; expected a duration such as "300ms"
    latency is "90000h"; expected a duration such as "300ms"
    rate is "64KB"; expected bytes a second such as "64KB/s"
    distribution is "gauss"; expected one of uniform, normal, pareto
    probability is 1.5; expected a share such as "5%"
    "#);
}

/// Toxics that deliver every byte.
fn faithful() -> impl Strategy<Value = Toxic> {
    prop_oneof![
        Just(toxic(Kind::Noop, &[])),
        Just(toxic(Kind::Hold, &[])),
        Just(toxic(Kind::SlowClose, &[("delay", "1s")])),
        (0..2_000u64, 0..2_000u64).prop_map(|(latency, jitter)| toxic(
            Kind::Latency,
            &[("latency", &format!("{latency}ms")), ("jitter", &format!("{jitter}ms"))]
        )),
        (0..50_000u64).prop_map(|rate| toxic(Kind::Bandwidth, &[("rate", &format!("{rate}B/s"))])),
        (0..40u64, 0..40u64, 0..3_000u64).prop_map(|(size, variation, delay)| toxic(
            Kind::Slicer,
            &[
                ("average_size", &format!("{size}B")),
                ("size_variation", &format!("{variation}B")),
                ("delay", &format!("{delay}us"))
            ]
        )),
    ]
}

/// What happens to a chain.
#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Wait(u64),
    Add(Toxic),
    Change(usize, Toxic),
    Remove(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..300usize).prop_map(Step::Say),
        2 => (0..1_500u64).prop_map(Step::Wait),
        1 => faithful().prop_map(Step::Add),
        1 => (0..4usize, faithful()).prop_map(|(at, toxic)| Step::Change(at, toxic)),
        1 => (0..4usize).prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn bytes_come_out_as_they_went_in_whatever_is_added_changed_and_taken_away(steps in steps()) {
        let mut now = Instant::now();
        let (mut chain, mut toxics, mut serial) = (chain(0), Vec::new(), 0);
        let (mut sent, mut out) = (Vec::new(), Vec::new());
        for step in steps {
            serial += 1;
            match step {
                Step::Say(len) => {
                    let bytes: Vec<u8> = (0..len).map(|n| (sent.len() + n) as u8).collect();
                    sent.extend_from_slice(&bytes);
                    chain.accept(Parcel::Bytes(bytes.into()), now);
                }
                Step::Wait(millis) => {
                    let until = now + MILLI * millis as u32;
                    out.extend(run(&mut chain, now, until).0);
                    now = until;
                }
                Step::Add(toxic) => toxics.push(Arc::new(Rigged::new(toxic, serial))),
                Step::Change(at, toxic) => {
                    if let Some(place) = toxics.get_mut(at) {
                        *place = Arc::new(place.changed(toxic, serial));
                    }
                }
                Step::Remove(at) => {
                    if at < toxics.len() {
                        toxics.remove(at);
                    }
                }
            }
            chain.refit(&toxics, now).unwrap();
        }
        chain.accept(Parcel::End, now);
        chain.refit(&[], now).unwrap();
        out.extend(run(&mut chain, now, now).0);
        prop_assert_eq!(bytes_of(&out), sent);
        prop_assert_eq!(&out.last().unwrap().1, &Parcel::End);
        prop_assert_eq!(out.iter().filter(|(_, parcel)| *parcel == Parcel::End).count(), 1);
        prop_assert!(out.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        prop_assert_eq!(chain.weight(), 0);
    }
}
