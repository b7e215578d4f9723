//! `loadrun.rand`: seeded random values, and `vu.rand`, each iteration's own generator.
//!
//! A script that draws only from `vu.rand` sends the same requests for the same run seed, whatever
//! the number of workers. The algorithms are in [`generator`].

mod generator;

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{IntoLua, Lua, Table, UserData, UserDataMethods, Value};

use super::super::call::Call;
use super::super::options;
use super::super::plain::View;

pub use generator::Generator;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &[
    "Rand:choice",
    "Rand:exponential",
    "Rand:integer",
    "Rand:normal",
    "Rand:number",
    "Rand:string",
    "Rand:uuid",
    "Rand:weighted",
    "Rand:zipf",
    "new",
];

/// What `rand:string` draws from when no alphabet is given.
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The longest string `rand:string` makes, in characters.
const LONGEST: u64 = 16 * 1024 * 1024;

/// A seeded generator in a script's hands: `vu.rand`, and what `rand.new(seed)` returns. Clones are
/// one generator.
#[derive(Clone, Debug)]
pub struct Rand(Rc<RefCell<Generator>>);

impl Rand {
    /// A generator whose whole sequence follows from the seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(Generator::seeded(seed))))
    }

    /// Begins the sequence of another seed, in place.
    pub fn reseed(&self, seed: u64) {
        *self.0.borrow_mut() = Generator::seeded(seed);
    }
}

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set(
        "new",
        lua.create_function(|lua, seed: Value| {
            let seed = Call::new(lua, "rand.new").takes("seed", options::integer(&seed))?;
            Ok(Rand::seeded(seed as u64))
        })?,
    )?;
    Ok(Value::Table(table))
}

impl UserData for Rand {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        draw(methods, "integer", "rand:integer", integer);
        draw(methods, "number", "rand:number", number);
        draw(methods, "choice", "rand:choice", choice);
        draw(methods, "weighted", "rand:weighted", weighted);
        draw(methods, "zipf", "rand:zipf", zipf);
        draw(methods, "normal", "rand:normal", normal);
        draw(methods, "exponential", "rand:exponential", exponential);
        draw(methods, "string", "rand:string", string);
        methods.add_method("uuid", |_, this, ()| Ok(uuid(&mut this.0.borrow_mut())));
    }
}

/// A way to draw, given what it was called with; those that need less ignore the rest.
type Draw<R> = fn(&mut Generator, Call, &Value, &Value) -> mlua::Result<R>;

/// Adds one method: every one of them draws from the generator.
fn draw<M: UserDataMethods<Rand>, R: IntoLua + 'static>(
    methods: &mut M,
    name: &'static str,
    full_name: &'static str,
    function: Draw<R>,
) {
    methods.add_method(name, move |lua, this, (one, two): (Value, Value)| {
        function(&mut this.0.borrow_mut(), Call::new(lua, full_name), &one, &two)
    });
}

fn integer(generator: &mut Generator, call: Call, low: &Value, high: &Value) -> mlua::Result<i64> {
    let low = call.takes("low", options::integer(low))?;
    let high = call.takes("high", options::integer(high))?;
    if low > high {
        return Err(call.wrong(format!("expected low <= high, got {low} and {high}")));
    }
    Ok(generator.integer(low, high))
}

fn number(generator: &mut Generator, call: Call, low: &Value, high: &Value) -> mlua::Result<f64> {
    if low.is_nil() && high.is_nil() {
        return Ok(generator.unit());
    }
    let low = call.takes("low", options::number(low))?;
    let high = call.takes("high", options::number(high))?;
    if low > high {
        return Err(call.wrong(format!("expected low <= high, got {low} and {high}")));
    }
    // Rounding could reach the upper end, which is not included; an empty range has but one number.
    let drawn = low + generator.unit() * (high - low);
    Ok(if low < high { drawn.min(high.next_down()) } else { low })
}

fn choice(generator: &mut Generator, call: Call, list: &Value, _: &Value) -> mlua::Result<Value> {
    let view = list.as_userdata().and_then(|data| data.borrow::<View>().ok());
    let length = match (list, &view) {
        (Value::Table(table), _) => table.raw_len(),
        (_, Some(view)) => view.len(),
        _ => 0,
    };
    if length == 0 {
        let got = match list {
            Value::Table(_) => "an empty one".to_owned(),
            other => options::shown(other),
        };
        return Err(call.wrong(format!("list: expected a list with at least one item, got {got}")));
    }
    let index = generator.below(length as u64).cast_signed() + 1;
    match (list, view) {
        (Value::Table(table), _) => table.raw_get(index),
        (_, Some(view)) => view.item(index).map_or(Ok(Value::Nil), |item| call.view(item)),
        _ => Ok(Value::Nil),
    }
}

fn weighted(generator: &mut Generator, call: Call, list: &Value, _: &Value) -> mlua::Result<Value> {
    const PAIR: &str = "expected { weight, value }";
    const FORM: &str = "expected a list such as { { 60, \"read\" }, { 40, \"write\" } }";
    let Value::Table(list) = list else {
        return Err(call.wrong(format!("{FORM}, got {}", options::shown(list))));
    };
    let mut total = 0.0;
    let mut items = Vec::with_capacity(list.raw_len());
    for index in 1..=list.raw_len() {
        let item =
            list.raw_get::<Table>(index).map_err(|_| call.wrong(format!("[{index}]: {PAIR}")))?;
        let weight = options::number(&item.raw_get(1)?)
            .and_then(|weight| {
                let wrong = || format!("expected a weight of 0 or more, got {weight}");
                Some(weight).filter(|weight| *weight >= 0.0).ok_or_else(wrong)
            })
            .map_err(|what| call.wrong(format!("[{index}]: {what}")))?;
        total += weight;
        items.push((total, item));
    }
    if items.is_empty() {
        return Err(call.wrong(format!("{FORM}, got an empty list or names")));
    }
    if total <= 0.0 || !total.is_finite() {
        return Err(call.wrong("expected weights with a finite sum above 0"));
    }
    let at = generator.unit() * total;
    // A weight of 0 adds nothing to the running total, so it is never the first one beyond `at`.
    let drawn = items.iter().find(|(reached, _)| at < *reached).or(items.last());
    drawn.map_or(Ok(Value::Nil), |(_, item)| item.raw_get(2))
}

fn zipf(generator: &mut Generator, call: Call, n: &Value, s: &Value) -> mlua::Result<u64> {
    let n = call.takes("n", options::count(n))?;
    let s = call.takes("s", options::number(s))?;
    if n == 0 {
        return Err(call.wrong("n: expected 1 or more, got 0"));
    }
    if s < 0.0 {
        return Err(call.wrong(format!("s: expected 0 or more, got {s}")));
    }
    Ok(generator.zipf(n, s))
}

fn normal(
    generator: &mut Generator,
    call: Call,
    mean: &Value,
    deviation: &Value,
) -> mlua::Result<f64> {
    let mean = call.takes("mean", options::number(mean))?;
    let deviation = call.takes("deviation", options::number(deviation))?;
    if deviation < 0.0 {
        return Err(call.wrong(format!("deviation: expected 0 or more, got {deviation}")));
    }
    Ok(mean + deviation * generator.normal())
}

fn exponential(
    generator: &mut Generator,
    call: Call,
    mean: &Value,
    _: &Value,
) -> mlua::Result<f64> {
    let mean = call.takes("mean", options::number(mean))?;
    if mean < 0.0 {
        return Err(call.wrong(format!("mean: expected 0 or more, got {mean}")));
    }
    Ok(mean * generator.exponential())
}

fn string(
    generator: &mut Generator,
    call: Call,
    length: &Value,
    alphabet: &Value,
) -> mlua::Result<String> {
    let length = call.takes("length", options::count(length))?;
    if length > LONGEST {
        return Err(call.wrong(format!("length: expected at most {LONGEST}, got {length}")));
    }
    let given = match alphabet {
        Value::Nil => None,
        given => Some(call.takes("alphabet", options::string(given))?),
    };
    let letters: Vec<char> = given.as_deref().unwrap_or(ALPHABET).chars().collect();
    if letters.is_empty() {
        return Err(call.wrong("alphabet: expected at least one character, got none"));
    }
    let count = letters.len() as u64;
    Ok((0..length).map(|_| letters[generator.below(count) as usize]).collect())
}

fn uuid(generator: &mut Generator) -> String {
    let bits = u128::from(generator.bits()) << 64 | u128::from(generator.bits());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(code: &str) -> Result<String, String> {
        let lua = Lua::new();
        lua.globals().set("rand", module(&lua).unwrap()).unwrap();
        let code = format!("local r = rand.new(1)\n{code}");
        lua.load(code).eval().map_err(|error| error.to_string())
    }

    #[test]
    fn one_seed_gives_one_sequence_and_another_gives_another() {
        let code = "local a, b, c = rand.new(5), rand.new(5), rand.new(6)
            local x, y, z = a:string(20), b:string(20), c:string(20)
            return tostring(x == y and x ~= z)";
        assert_eq!(run(code).unwrap(), "true");
    }

    #[test]
    fn a_reseeded_generator_repeats_the_sequence_of_its_seed() {
        let rand = Rand::seeded(1);
        rand.0.borrow_mut().bits();
        rand.reseed(8);
        assert_eq!(rand.0.borrow_mut().bits(), Generator::seeded(8).bits());
    }

    #[test]
    fn values_stay_inside_what_was_asked_for() {
        let code = "for _ = 1, 2000 do
              local i, n = r:integer(-3, 3), r:number(2, 2.5)
              assert(math.type(i) == 'integer' and i >= -3 and i <= 3, i)
              assert(n >= 2 and n < 2.5, n)
              local u = r:number() assert(u >= 0 and u < 1)
              local z = r:zipf(50, 1.2) assert(z >= 1 and z <= 50)
              assert(r:exponential(2) >= 0)
              assert(r:string(6, 'äb'):gsub('ä', ''):gsub('b', '') == '')
              assert(r:uuid():match('^%x+%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x+$'))
            end
            return 'ok'";
        assert_eq!(run(code).unwrap(), "ok");
    }

    #[test]
    fn weights_are_the_shares_that_come_out() {
        let code = "local seen = { a = 0, b = 0 }
            for _ = 1, 10000 do
              local drawn = r:weighted { { 90, 'a' }, { 0, 'never' }, { 10, 'b' } }
              seen[drawn] = seen[drawn] + 1
            end
            return tostring(math.abs(seen.a - 9000) < 150 and seen.a + seen.b == 10000)";
        assert_eq!(run(code).unwrap(), "true");
    }

    #[test]
    fn every_item_of_a_list_is_chosen() {
        let code = "local seen = {}
            for _ = 1, 200 do seen[r:choice { 'a', 'b', 'c' }] = true end
            return tostring(seen.a and seen.b and seen.c)";
        assert_eq!(run(code).unwrap(), "true");
    }

    /// Wrong calls, each with a part of what it is told.
    const WRONG: &[(&str, &str)] = &[
        ("r:integer(5, 1)", "rand:integer: expected low <= high, got 5 and 1"),
        ("r:integer('a', 1)", "rand:integer: low: expected a whole number, got \"a\""),
        ("r:integer(1)", "rand:integer: high: expected a whole number, got nil"),
        ("r:number(1)", "rand:number: high: expected a number, got nil"),
        ("r:choice {}", "rand:choice: list: expected a list with at least one item"),
        ("r:choice(7)", "got 7"),
        ("r:weighted {}", "expected a list such as { { 60, \"read\" }, { 40, \"write\" } }, got"),
        ("r:weighted { a = 1 }", "got an empty list or names"),
        ("r:weighted { { 0, 'a' } }", "expected weights with a finite sum above 0"),
        ("r:weighted { { 1, 'a' }, 'b' }", "[2]: expected { weight, value }"),
        ("r:weighted { { -1, 'a' } }", "[1]: expected a weight of 0 or more, got -1"),
        ("r:zipf(0, 1)", "rand:zipf: n: expected 1 or more, got 0"),
        ("r:zipf(10, -1)", "rand:zipf: s: expected 0 or more, got -1"),
        ("r:normal(0, -1)", "rand:normal: deviation: expected 0 or more, got -1"),
        ("r:exponential(-2)", "rand:exponential: mean: expected 0 or more, got -2"),
        ("r:string(-1)", "rand:string: length: expected a whole number, 0 or more, got -1"),
        ("r:string(1e12)", "rand:string: length: expected at most 16777216"),
        ("r:string(3, '')", "alphabet: expected at least one character"),
        ("rand.new('x')", "rand.new: seed: expected a whole number, got \"x\""),
    ];

    #[test]
    fn wrong_ranges_are_refused_with_the_expected_form() {
        for (call, expected) in WRONG {
            let error = run(&format!("return {call}")).unwrap_err();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }
}
